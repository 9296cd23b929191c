"""Writes the tables of docs/devices.md from the device files; a test holds that they are up to date.

    python scripts/devices_table.py

What is confirmed comes from `confirmed:`, what is open from `options:` and the comment above each option.
"""

from __future__ import annotations

import re
from pathlib import Path

from packbench.app.catalogue import Listed, list_devices

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "devices.md"
MADE = "written by `make generate` from configs/devices"


def confirmed() -> str:
    """A row a device, cyclers first."""
    lines = [
        "| device | kind | links | played | by frames | by other people's programs |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join(lines + [_row(item) for item in _sorted()]) + "\n"


def _row(item: Listed) -> str:
    device = item.type
    cells = (
        f"`{item.name}` {device.title}",
        item.kind,
        ", ".join(item.url_schemes),
        "yes" if item.emulator else "no",
        device.confirmed.frames or "nothing yet",
        device.confirmed.peers or "nothing yet",
    )
    return _line(cells)


def options() -> str:
    """A row an option, with its default and the words of its file."""
    lines = ["| device | option | default | why it is open, and what the words mean |", "|---|---|---|---|"]
    for item in _sorted():
        text = (ROOT / "configs" / "devices" / f"{item.name}.yaml").read_text("utf-8")
        lines += [_line((f"`{item.name}`", f"`{name}`", f"`{default}`", why)) for name, default, why in _options(text)]
    return "\n".join(lines) + "\n"


def _options(text: str) -> list[tuple[str, str, str]]:
    """(name, default, comment above it) of each option in a device file."""
    block = re.search(r"^options:\n((?:(?:  .*)?\n)*)", text, re.MULTILINE)
    found: list[tuple[str, str, str]] = []
    comment: list[str] = []
    for line in block[1].splitlines() if block else []:
        word = line.strip()
        if word.startswith("#"):
            comment.append(word.removeprefix("#").strip())
        elif word:
            name, _, default = word.partition(":")
            found.append((name, default.strip(), " ".join(comment) or (found[-1][2] if found else "")))
            comment = []
    return found


def _sorted() -> list[Listed]:
    order = {"cycler": 0, "bms": 1, "chamber": 2, "meter": 3}
    return sorted(list_devices(), key=lambda item: (order[item.kind], item.name))


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def page(text: str) -> str:
    """The page with its tables made anew."""
    for name, table in (("confirmed", confirmed()), ("options", options())):
        begin, end = f"<!-- {name}: {MADE} -->\n", f"<!-- {name} ends -->\n"
        head, _, rest = text.partition(begin)
        _, _, tail = rest.partition(end)
        text = head + begin + table + end + tail
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
