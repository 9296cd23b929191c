"""What the passports' tests share: a measured result, and facts files made of the examples their schemas come with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from packbench.core.result import Measured, Result
from packbench.trace.passport import schema
from packbench.trace.passport.facts import Fact, read_facts
from packbench.trace.passport.fill import COMMAND_LINE, Asked, measured_paths
from packbench.trace.passport.schema import Kind

CODE = "001PB005000001D7B0500007"
TODAY = "2026-11-26"
PREDECESSOR = "urn:uuid:6f9619ff-8b86-4d11-b42d-00cf4fc964ff"
_EXAMPLES = Path(__file__).parents[1] / "data" / "passport"
RATED_AH = 100.0
RATED_KWH = round(30.6 / 0.84, 3)
RATED_ENERGY = (
    "PerformanceAndDurability.batteryTechicalProperties.ratedEnergy",
    "performance.rated.energy.value",
    "performance.certifiedUsableEnergy.value",
)
_ISSUED = ("specVersion", "metadata.passportIdentifier", "metadata.issueDate")
_ISSUED_BATTERYPASS = "GeneralProductInformation.batteryPassportIdentifier"
_MADE = ("GeneralProductInformation.manufacturingDate", "operation.manufacturer.manufacturingDate")
DIN_FACTS = {"performance.ratedCapacity.value": RATED_AH, "performance.certifiedUsableEnergy.value": RATED_KWH}


def measured(**changed: Any) -> Result:
    """A valid result of a measured run: 85 Ah of 100 Ah."""
    parts: dict[str, Any] = {
        "provenance": "measured",
        "run_id": "run-1",
        "serial": CODE,
        "profile": "capacity",
        "pack": "a-pack",
        "seed": None,
        "started_at": "2026-11-25T08:00:00+00:00",
        "ended_at": "2026-11-25T20:00:00.5+00:00",
        "end_reason": "done",
        "verdict": "PASS",
        "valid": True,
        "invalid_reasons": (),
        "imbalance_limited": False,
        "capacity_ah": Measured(85.0, 0.4, 2.0, 0.95, "Ah"),
        "energy_wh": Measured(30600.0, 200.0, 2.1, 0.95, "Wh"),
        "soh": Measured(0.85, 0.004, 2.0, 0.95, "1"),
        "soce": Measured(0.84, 0.005, 2.1, 0.95, "1"),
        "weakest_cell": None,
        "cell_spread_v": None,
        "steps": (),
        "gaps": (),
        "limits": {},
        "trips": (),
        "hashes": {"log_sha256": "ab" * 32},
        "operator": "Li",
        "bench": "bench-1",
    }
    return Result(**{**parts, **changed})


def asked(kind: Kind, **changed: Any) -> Asked:
    """A repurposed battery with its predecessor."""
    parts: dict[str, Any] = {"status": "repurposed", "predecessor": PREDECESSOR}
    return Asked(kind, CODE, TODAY, "Li", **{**parts, **changed})


def example(kind: Kind) -> dict[str, Any]:
    """The example that comes with the schemas of a kind."""
    loaded: dict[str, Any] = json.loads((_EXAMPLES / f"{kind}.json").read_text(encoding="utf-8"))
    return loaded


def values(kind: Kind) -> dict[str, Any]:
    """Every value that a facts file has to state, by its path."""
    found = dict(DIN_FACTS) if kind == "din99100" else dict(_flat("", example(kind)))
    own = {*measured_paths(kind), *COMMAND_LINE, *_ISSUED, *_MADE, _ISSUED_BATTERYPASS}
    found = {path: value for path, value in found.items() if path not in own}
    for path in (
        "PerformanceAndDurability.batteryTechicalProperties.ratedCapacity",
        "performance.rated.capacity.value",
    ):
        if path in found:
            found[path] = RATED_AH
    found |= {path: RATED_KWH for path in RATED_ENERGY if path in found}
    return found


def facts_text(kind: Kind, stated: dict[str, Any] | None = None) -> str:
    """A facts file, as JSON, which is YAML too."""
    source = {
        "originator": "Maker Ltd",
        "date": "2024-05-01",
        "reference": "data sheet DS-12",
        "values": values(kind) if stated is None else stated,
    }
    return json.dumps({"passport": kind, "sources": [source]}, indent=1, ensure_ascii=False)


def facts(kind: Kind, stated: dict[str, Any] | None = None) -> list[Fact]:
    """The same, read."""
    return read_facts(facts_text(kind, stated), "facts.json", kind)


def _flat(path: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [pair for name, inner in value.items() for pair in _flat(schema.joined(path, name), inner)]
    if isinstance(value, list):
        return [pair for number, inner in enumerate(value, 1) for pair in _flat(f"{path}[{number}]", inner)]
    return [(path, value.strip() if isinstance(value, str) else value)]
