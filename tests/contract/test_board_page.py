"""docs/board.md shows the pins that the firmware has, and the wiring as it is drawn from them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_and_its_figure_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/board_page.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"run `make generate`: {done.stderr}"
