"""Enters a run that was concluded into the bench's ledger.

Owns the body of that entry: whose pack, by which profile, configuration, software, firmware and instruments, by whom,
with what result and uncertainty, and the signature over the record. A run enters once; concluded again it is found.
A ledger that cannot take it costs no result: the problem is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from packbench.analysis.verdict import may_enter
from packbench.app.ledgers import own_ledger
from packbench.app.signing import signature_in
from packbench.core.errors import PackbenchError
from packbench.core.result import Result
from packbench.report.json_out import result_to_dict
from packbench.trace.ledger import states
from packbench.trace.ledger.home import REAL, TEST, ledger_path
from packbench.trace.ledger.index import run_key


@dataclass(frozen=True, slots=True)
class Entered:
    """Where a run is in the ledger."""

    ledger: str
    purpose: str
    seq: int | None
    problem: str | None = None
    """Why it could not enter; None: it did."""


def enter_run(result: Result, folder: Path, now: datetime) -> Entered:
    """Enter a concluded run; one that is in the ledger already is not entered again."""
    purpose = REAL if may_enter(REAL, result.provenance) else TEST
    path = str(ledger_path(purpose))
    try:
        with own_ledger(purpose, now) as (ledger, key):
            for place in ledger.index.places(run_key(result.run_id)):
                entry = ledger.read(place.at, place.length)
                if entry.body.get("log_sha256") == result.hashes.get("log_sha256"):
                    return Entered(path, purpose, entry.seq)
            (entry,) = ledger.append([run_body(result, folder)], key, now)
            return Entered(path, purpose, entry.seq)
    except (PackbenchError, OSError) as error:
        return Entered(path, purpose, None, str(error))


def run_body(result: Result, folder: Path) -> dict[str, Any]:
    """What the ledger keeps of a run."""
    found = signature_in(folder)
    statement: Mapping[str, Any] = {} if found is None else found.statement
    # As result.json has them, so that the two can be compared letter by letter.
    written = result_to_dict(result)
    figures = {name: _figure(written[name]) for name in ("capacity_ah", "energy_wh", "soh", "soce", "cell_spread_v")}
    body: dict[str, Any] = {
        "action": states.RUN,
        "code": result.serial,
        "run_id": result.run_id,
        "provenance": result.provenance,
        "profile": result.profile,
        "pack": result.pack,
        "bench": result.bench,
        "operator": result.operator,
        "started_at": result.started_at,
        "ended_at": result.ended_at,
        "end_reason": result.end_reason,
        "verdict": result.verdict,
        "releasing": result.releasing,
        "result": {name: figure for name, figure in figures.items() if figure is not None},
        "hashes": dict(result.hashes),
        "log_sha256": result.hashes.get("log_sha256"),
        "software_version": statement.get("software_version"),
        "firmware_hash": statement.get("firmware_hash"),
        "devices": statement.get("devices", {}),
        "instruments": statement.get("instruments", []),
        "data": statement.get("data"),
        "signature": None if found is None else {"kid": found.key.key_id, "signature": found.signature},
    }
    return body


def entered_to_dict(entered: Entered) -> dict[str, Any]:
    """As `--json` tells it."""
    return {"file": entered.ledger, "purpose": entered.purpose, "seq": entered.seq, "problem": entered.problem}


def _figure(measured: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if measured is None else {name: measured[name] for name in ("value", "U", "k", "p", "unit")}
