"""Colours: each status, definition, cause and error code has a colour of its own, the same in every panel.

Grafana's own palettes give a definition the green of success, or the red of a failure, by accident. None of the colours
in `PALETTE` is a red or a green. Each stands out from the light and the dark background, and from the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from exporter.causes import CAUSES, CODES, CONFIGURATION
from exporter.model import ACTIONS, DEFINITIONS, OTHER, UNKNOWN

PALETTE = [
    "#3274d9",
    "#e0752d",
    "#9a49c1",
    "#39a1ac",
    "#888449",
    "#b97ea4",
    "#fa009e",
    "#970fff",
    "#0f57ff",
    "#ff24f8",
    "#506a95",
    "#a89200",
    "#ac398a",
    "#9d5e34",
    "#a679d2",
    "#e651d7",
    "#8c75ff",
    "#1f96db",
    "#be4dff",
    "#b28b70",
    "#fa6400",
    "#806600",
    "#bd7e00",
    "#6663ab",
    "#0063e6",
    "#b600bd",
    "#978bc1",
    "#7096b2",
    "#2a707e",
    "#ff0fc7",
    "#8e5095",
    "#cd6aca",
    "#d000fa",
    "#7b6442",
    "#e651af",
    "#bb893e",
    "#6d5bc8",
    "#cd6aa9",
    "#a85a00",
    "#824dff",
    "#d100a0",
    "#c163e9",
    "#9d8f34",
    "#0081a8",
]

STATUS_COLORS = {
    "Submitted": "blue",
    "Transcoding": "purple",
    "TranscodeSuccess": "green",
    "TranscodeFail": "red",
    "TranscodeCancelled": "text",
    UNKNOWN: "orange",
}
TASK_COLORS = {
    "Processing": "purple",
    "Partial": "blue",
    "CompleteAllSucc": "green",
    "CompletePartialSucc": "orange",
    "CompleteAllFail": "red",
    UNKNOWN: "text",
}
SEVERITY_COLORS = {"critical": "red", "warning": "yellow"}
PERCENTILES = {"p95": "dark-blue", "p50": "light-blue"}


def distinct(names: Iterable[str]) -> Mapping[str, str]:
    """A colour for each name, in the order of the palette; `unknown` and `other` are greys."""
    colors = dict(zip((name for name in names if name not in (UNKNOWN, OTHER)), PALETTE, strict=False))
    return {**colors, UNKNOWN: "#808080", OTHER: "#7d8ea3"}


DEFINITION_COLORS = distinct(DEFINITIONS)
CAUSE_COLORS = distinct(CAUSES)
CODE_COLORS = distinct(sorted(CODES, key=lambda code: CODES[code] == CONFIGURATION))
"""The codes of sources, permissions and VOD come first: they are the frequent ones, so their colours differ the "
"most."""

ACTION_COLORS = distinct(ACTIONS)
