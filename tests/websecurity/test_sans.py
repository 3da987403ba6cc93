"""A client certificate needs one of the allowed names, exactly."""

from __future__ import annotations

import pytest

from exporter.websecurity.sans import allowed

CERTIFICATE = {
    "subject": ((("commonName", "common.example"),),),
    "subjectAltName": (
        ("DNS", "prometheus.example"),
        ("IP Address", "10.0.0.7"),
        ("IP Address", "2001:DB8:0:0:0:0:0:1"),
        ("email", "ops@example.com"),
        ("URI", "spiffe://example.com/prometheus"),
        ("DirName", ((("commonName", "directory"),),)),
    ),
}


@pytest.mark.parametrize(
    "name",
    [
        *("prometheus.example", "10.0.0.7", "2001:db8::1", "2001:0db8:0000::0001", "ops@example.com"),
        "spiffe://example.com/prometheus",
    ],
)
def test_names_of_each_kind_are_found(name: str) -> None:
    assert allowed(CERTIFICATE, ["other", name])


@pytest.mark.parametrize("name", ["common.example", "Prometheus.example", "example", "10.0.0.70", "directory", ""])
def test_only_the_whole_alternative_name_counts(name: str) -> None:
    assert not allowed(CERTIFICATE, [name])


@pytest.mark.parametrize("certificate", [None, {}, {"subject": ()}])
def test_a_client_without_names_is_not_allowed(certificate: dict[str, object] | None) -> None:
    assert not allowed(certificate, ["prometheus.example"])
