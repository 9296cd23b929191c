"""Writes the tables of docs/reliability.md from the faults catalogue; a test holds that they are up to date.

python scripts/reliability_table.py
"""

from __future__ import annotations

import re
from pathlib import Path

from packbench_sim.faults.catalogue import ROWS, states_table

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reliability.md"
_WHERE = re.compile(r"(<!-- the table is written[^\n]*\n).*?(<!-- end of the table -->)", re.DOTALL)
_NOT_HELD = re.compile(r"(\| row \| state \| why \|\n\|---\|---\|---\|\n).*?\n(?=\n)", re.DOTALL)


def not_held() -> str:
    """What does not hold, a line each."""
    return "\n".join(
        f"| `{row.id}` | {', '.join(sorted(states))} | {why} |"
        for row in ROWS
        for why in dict.fromkeys(row.not_held.values())
        for states in [[state for state, reason in row.not_held.items() if reason == why]]
    )


def written(page: str) -> str:
    """The page with its tables made anew."""
    page = _WHERE.sub(lambda found: f"{found[1]}{states_table()}\n{found[2]}", page)
    return _NOT_HELD.sub(lambda found: f"{found[1]}{not_held()}\n", page)


def main() -> None:
    """Write the page."""
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
