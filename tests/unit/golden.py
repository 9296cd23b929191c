"""The captured and documented frames of tests/data/frames/golden_frames.json, by family."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from packbench.wire.explained import Direction

PATH = Path(__file__).parents[1] / "data" / "frames" / "golden_frames.json"


@dataclass(frozen=True, slots=True)
class GoldenFrame:
    family: str
    direction: Direction
    frame: bytes
    meaning: str
    origin: str


def golden_frames(*families: str) -> list[GoldenFrame]:
    """Those of some families, in file order; all of them when none is named."""
    return [
        GoldenFrame(
            item["family"],
            "request" if item["dir"] == "req" else "reply",
            bytes.fromhex(item["hex"]),
            item["meaning"],
            item["origin"],
        )
        for item in json.loads(PATH.read_text("utf-8"))
        if not families or item["family"] in families
    ]
