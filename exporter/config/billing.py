"""The section on the cost of outputs: prices, and the specification that VOD bills for each template."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import ConfigDict, Field, PlainValidator, ValidationInfo, WithJsonSchema, field_validator

from exporter.config import amounts, fields
from exporter.config.section import Section
from exporter.model import ID_PATTERN
from exporter.specification import SPECIFICATIONS

_BY_CAPITALS = {name.upper(): name for name in SPECIFICATIONS}
_CURRENCY = "[A-Z]{3}"
_SPECIFICATION_SCHEMA = {"anyOf": [{"enum": list(SPECIFICATIONS)}, {"type": "string", "pattern": fields.ENV_PATTERN}]}


def _specification(value: object) -> str:
    if isinstance(value, str) and value in SPECIFICATIONS:
        return str(value)
    meant = get_close_matches(value.upper(), _BY_CAPITALS, n=1) if isinstance(value, str) else []
    guess = f"did you mean {_BY_CAPITALS[meant[0]]}? " if meant else ""
    raise fields.refused_value(f"is not a specification of VOD; {guess}docs/configuration.md lists them")


_Specification = Annotated[str, PlainValidator(_specification)]

Currency = Annotated[
    str,
    fields.matching(_CURRENCY, "is not a currency; write its three capital letters, for example USD"),
    WithJsonSchema(fields.text_schema(_CURRENCY)),
]
Prices = Annotated[
    Mapping[_Specification, amounts.Price],
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"enum": list(SPECIFICATIONS)},
            "additionalProperties": amounts.PRICE_SCHEMA,
        }
    ),
]
Templates = Annotated[
    Mapping[fields.Id, _Specification],
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": f"^{ID_PATTERN}$"},
            "additionalProperties": _SPECIFICATION_SCHEMA,
        }
    ),
]


class Billing(Section):
    """Prices are per minute of output, in the currency."""

    currency: Currency | None = Field(default=None, description="currency of the prices, for example USD")
    prices: Prices = Field(default={}, description="price of a minute of output, by specification")
    templates: Templates = Field(
        default={}, description="specification of the outputs of a template, by the id of the template"
    )
    usage: fields.Switch = Field(
        default=False, description="ask VOD once an hour what it has billed; only in cn-shanghai"
    )

    model_config = ConfigDict(json_schema_extra={"dependentRequired": {"prices": ["currency"]}})

    @field_validator("prices")
    @classmethod
    def _in_a_currency(cls, prices: Any, info: ValidationInfo) -> Any:
        if prices and info.data.get("currency", "") is None:
            raise fields.refused("currency is missing; add currency, for example USD", at_parent=True)
        return prices
