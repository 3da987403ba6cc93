"""The panels on cost: output minutes by definition, and their price."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import TextBoxVariable

from exporter.metrics.catalog import OUTPUT_DURATION
from grafana.frame import text
from grafana.panels import Column, Panel, Query, Text, big, lines, rows
from grafana.queries import RANGE, counted, rate, total

PRICES = {
    "480": ("0.0033", "LD"),
    "720": ("0.0050", "SD|HD"),
    "1080": ("0.0099", "FHD|OD|AUTO|unknown"),
    "1440": ("0.0213", "2K"),
    "2160": ("0.0427", "4K"),
    "audio": ("0", "SQ|HQ"),
}
"""Class of the output (largest short side) -> US dollars per minute, definitions taken to be of it.

Alibaba Cloud's reference prices of standard transcoding to H.264 in the Chinese mainland ("Audio and video transcoding
fees" of ApsaraVideo Media Processing, whose classes VOD shares), read in 2026; the table has none for sound alone.
"""


def variables() -> list[TextBoxVariable]:
    return [
        text(
            f"price_{name}",
            "$/min sound" if name == "audio" else f"$/min {name}p",
            price,
            f"US dollars per output minute, used for {definitions.replace('|', ', ')}.",
        )
        for name, (price, definitions) in PRICES.items()
    ]


def panels() -> tuple[Panel, ...]:
    minutes = f"({total(counted(OUTPUT_DURATION, window=RANGE), 'definition')} > 0) / 60"
    cost = f"{minutes} * on (definition) group_left () ({_price_list()})"
    price = f"({_price_list()}) and on (definition) {minutes}"
    note = (
        "The variables above are the prices. Their defaults are the reference prices of Alibaba Cloud in US dollars "
        "per output minute for standard transcoding to H.264 in the Chinese mainland; other codecs, regions and "
        "contracts differ. The name of a definition decides its price class. Failed jobs cost nothing."
    )
    return (
        big(
            Text(
                title="What has transcoding cost?",
                description=f"Cost of the jobs that finished in the selected time range. {note}",
                unit="currencyUSD",
                no_value="Nothing finished",
                decimals=2,
            ),
            Query(f"sum({cost})"),
            width=4,
            height=8,
        ),
        rows(
            Text(
                title="Which definitions cost the most?",
                description=f"Playing time of the output files that finished in the selected time range, and its "
                f"price. {note}",
                unit="short",
                no_value="Nothing finished",
            ),
            {"definition": "Definition"},
            Column(name="Output minutes", expression=minutes, unit="short", decimals=1),
            Column(name="Price per minute", expression=price, unit="currencyUSD", decimals=4),
            Column(name="Cost", expression=cost, unit="currencyUSD", decimals=2),
            sort="Cost",
            width=10,
            height=8,
        ),
        lines(
            Text(
                title="How many minutes are transcoded per hour?",
                description="Playing time of the output files by definition, at the time when they finished.",
                unit="short",
                no_value="Nothing finished",
            ),
            Query(f"60 * {total(rate(OUTPUT_DURATION), 'definition')}", "{{definition}}"),
            stacked=True,
            width=10,
            step="15m",
        ),
    )


def _price_list() -> str:
    """A series for each definition: its price."""
    return " or ".join(
        f'label_replace(vector($price_{name}), "definition", "{definition}", "", "")'
        for name, (_, definitions) in PRICES.items()
        for definition in definitions.split("|")
    )
