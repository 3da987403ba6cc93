"""The section `billing`: specifications, currency and prices. tests/data/config has a file for each fault."""

from __future__ import annotations

import jsonschema
import pytest
from pydantic import ValidationError

from exporter.config.billing import Billing
from exporter.specification import SPECIFICATIONS

PRICES = {"H264.HD": 0.0101}


def message(**section: object) -> str:
    with pytest.raises(ValidationError) as refused:
        Billing.model_validate(section)
    return "; ".join(error["msg"] for error in refused.value.errors())


def test_every_specification_has_a_price_and_may_belong_to_a_template() -> None:
    for name in SPECIFICATIONS:
        billing = Billing.model_validate({"currency": "EUR", "prices": {name: 1}, "templates": {"t": name}})
        assert (billing.prices, billing.templates) == ({name: 1.0}, {"t": name})


def test_a_specification_in_lower_case_is_refused_with_its_spelling() -> None:
    for name in SPECIFICATIONS:
        assert f"did you mean {name}?" in message(currency="EUR", prices={name.lower(): 1})


@pytest.mark.parametrize("name", ["", "Vimeo", 1080, None])
def test_what_resembles_no_specification_is_refused_without_a_guess(name: object) -> None:
    text = message(currency="EUR", templates={"t": name})
    assert "is not a specification of VOD" in text
    assert "did you mean" not in text


def test_prices_need_a_currency_and_no_prices_need_none() -> None:
    assert "currency is missing" in message(prices=PRICES)
    assert Billing.model_validate({"prices": {}}).currency is None


def test_a_faulty_currency_is_reported_once() -> None:
    text = message(currency="usd", prices=PRICES)
    assert text.count("currency") == 1


@pytest.mark.parametrize(
    ("section", "valid"),
    [
        ({}, True),
        ({"currency": "USD", "prices": PRICES}, True),
        ({"prices": PRICES}, False),
        ({"currency": "usd"}, False),
        ({"currency": "USD", "prices": {"H264.FHD": 1}}, False),
        ({"templates": {"a b": "Audio"}}, False),
        ({"templates": {"a": "H264.FHD"}}, False),
    ],
)
def test_schema_for_editors_takes_what_the_exporter_takes(section: dict[str, object], valid: bool) -> None:
    assert jsonschema.Draft202012Validator(Billing.model_json_schema()).is_valid(section) is valid
    if valid:
        Billing.model_validate(section)
    else:
        message(**section)
