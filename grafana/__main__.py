"""Writes the dashboards: `python -m grafana`."""

from __future__ import annotations

from grafana.render import FOLDER, rendered


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in rendered().items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
