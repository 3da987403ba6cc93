"""The collector for the registry of another application. tests/docs/test_embedding.py runs the code of its page."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from exporter import config
from exporter.embedding import VodCollector
from exporter.errors import StateError
from exporter.metrics.catalog import CATALOG
from exporter.simulator.server import Simulator
from tests.conftest import Simulators


def settings(folder: Path, simulator: Simulator) -> config.Settings:
    path = folder / "vod.yml"
    path.write_text(
        f"accounts: [{{name: prod, endpoint: '{simulator.url}',"
        " credentials: {access_key_id: simulator, access_key_secret: simulator}, requests_per_second: 100}]\n"
        f"scrape: {{min_interval: 0}}\nstate: {{path: '{folder}/vod.db'}}\n"
        "billing: {currency: USD, prices: {H264.HD: 0.5}}\n"
    )
    return config.load(path, environ={})


def test_registration_names_every_family_and_does_not_call_vod(tmp_path: Path, simulators: Simulators) -> None:
    simulator = simulators(tasks=2)
    with VodCollector(settings(tmp_path, simulator)) as collector:
        CollectorRegistry().register(collector)
        families = list(collector.describe())
    assert sorted(family.name for family in families) == sorted(metric.family for metric in CATALOG)
    assert simulator.quota.calls == {}


def test_each_collection_asks_vod_and_has_the_prices_of_the_settings(tmp_path: Path, simulators: Simulators) -> None:
    registry = CollectorRegistry()
    with VodCollector(settings(tmp_path, simulators(tasks=2))) as collector:
        registry.register(collector)
        assert registry.get_sample_value("vod_up", {"account": "prod"}) == 1
        price = {"specification": "H264.HD", "currency": "USD"}
        assert registry.get_sample_value("vod_transcode_price_per_minute", price) == 0.5


def test_close_frees_the_state_for_the_next_collector(tmp_path: Path, simulators: Simulators) -> None:
    loaded = settings(tmp_path, simulators(tasks=2))
    with VodCollector(loaded), pytest.raises(StateError):
        VodCollector(loaded)
    VodCollector(loaded).close()
