"""Checks a data folder as a whole: every run, the ledgers, the passports, the keys, retention.

Owns the composition and what counts as a failure: a record, signature, ledger, checkpoint or passport that does not
hold. What is only out of date or missing by rule is a remark. Must not change anything.

What it cannot see: runs that were sent elsewhere with --out, and what an insider with the key rewrote before the oldest
checkpoint given.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast

from packbench.analysis.verdict import may_enter
from packbench.app.conclude import analysed
from packbench.app.keeping_safe import prune
from packbench.app.ledgers import trusted_keys
from packbench.app.passports import ABOUT, TOKEN
from packbench.app.records import Listed, list_runs
from packbench.app.verifying import verify_run
from packbench.core.errors import InputError, PackbenchError
from packbench.trace import keyring
from packbench.trace.keys import PublicKey
from packbench.trace.ledger.checkpoint import read_checkpoint
from packbench.trace.ledger.entry import canonical
from packbench.trace.ledger.file import Ledger
from packbench.trace.ledger.home import REAL, TEST, ledger_path
from packbench.trace.ledger.index import run_key
from packbench.trace.ledger.verify import Chain, LedgerVerdict, verify_ledger
from packbench.trace.passport import schema
from packbench.trace.passport.credential import verify
from packbench.trace.passport.figures import figures_of
from packbench.trace.passport.paths import ALWAYS, FIGURES

_PATTERN: Final = f"passport.*{ABOUT}"


@dataclass(frozen=True, slots=True)
class Point:
    """One thing found."""

    part: str
    """runs, ledger, passports, keys, checkpoints or retention."""
    where: str
    what: str


@dataclass(slots=True)
class Audit:
    """What came of it."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("runs", "ledger_entries", "passports"), 0))
    findings: list[Point] = field(default_factory=list[Point])
    """What does not hold: exit 5."""
    remarks: list[Point] = field(default_factory=list[Point])
    """What a person should know."""
    vouches_for: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Each ledger with size, time, and the newest checkpoint that it was held against."""

    def find(self, part: str, where: object, what: object) -> None:
        """Something that does not hold."""
        self.findings.append(Point(part, str(where), str(what)))

    def remark(self, part: str, where: object, what: object) -> None:
        """Something to know."""
        self.remarks.append(Point(part, str(where), str(what)))


def audit(checkpoints: Sequence[Path], key_files: Sequence[Path], now: datetime) -> Audit:
    """Check the data folder. Raises InputError for a checkpoint or key that cannot be read."""
    found = Audit()
    keys = trusted_keys(list(key_files))
    _keys(found)
    _ledgers(found, keys, checkpoints)
    runs = list_runs()
    _runs(found, runs)
    _passports(found, runs, keys, now)
    _retention(found, now)
    return found


def _keys(found: Audit) -> None:
    for path in sorted(keyring.keys_home().glob("*.key.pem")):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            found.find("keys", path, f"others may read this private key (mode {mode:04o})")
    for record in keyring.records():
        if record.state == keyring.REVOKED:
            found.remark("keys", record.key_id, f"revoked on {record.ended_at}: {record.reason}")


def _ledgers(found: Audit, keys: list[PublicKey], files: Sequence[Path]) -> None:
    notes = [(str(path), _text(path)) for path in files]
    verdicts = [verify_ledger(path, keys) for path in map(ledger_path, (REAL, TEST)) if path.exists()]
    signers = [*keys, *(key for verdict in verdicts for chain in verdict.chains for key in chain.keys)]
    of = {name: read_checkpoint(note, name, signers)[0].ledger for name, note in notes}
    known = {chain.ledger for verdict in verdicts for chain in verdict.chains}
    for name, ledger in of.items():
        if ledger not in known:
            found.find("checkpoints", name, f"is of the ledger {ledger}, which is not in this folder")
    for verdict in verdicts:
        own = {chain.ledger for chain in verdict.chains}
        held = [(name, note) for name, note in notes if of[name] in own]
        _judge_ledger(found, verify_ledger(verdict.path, keys, held) if held else verdict)


def _judge_ledger(found: Audit, verdict: LedgerVerdict) -> None:
    found.counts["ledger_entries"] += verdict.entries
    for each in verdict.findings:
        found.find("ledger", f"{verdict.path}: line {each.line} (byte {each.byte})", each.what)
    for remark in verdict.remarks:
        found.remark("ledger", verdict.path, remark)
    for chain in verdict.chains:
        held = [each for each in verdict.checkpoints if each.ledger == chain.ledger]
        newest = max(held, key=lambda each: each.size, default=None)
        _revocations(found, verdict.path, chain)
        found.vouches_for.append(
            {
                "file": str(verdict.path),
                "purpose": chain.purpose,
                "size": len(chain.leaves),
                "time": chain.time,
                "checkpoint_size": None if newest is None else newest.size,
            }
        )
        if newest is None:
            what = (
                "no checkpoint was given: entries cut off at the end, or rewritten with the bench's key, are not seen"
            )
            found.remark("ledger", verdict.path, what)


def _revocations(found: Audit, path: Path, chain: Chain) -> None:
    """The keyring is a plain file; that a key was revoked is signed in the ledger."""
    states = {record.key_id: record.state for record in keyring.records()}
    for key_id, seq in chain.revoked.items():
        if states.get(key_id, keyring.REVOKED) != keyring.REVOKED:
            what = f"says that the key {key_id} is {states[key_id]}; entry {seq} of {path.name} revoked it"
            found.find("keys", keyring.keys_home() / keyring.RING_NAME, what)


def _runs(found: Audit, runs: Sequence[Listed]) -> None:
    entered = _entered(found, [run.run_id for run in runs if run.problem is None])
    for run in runs:
        found.counts["runs"] += 1
        if run.problem is not None:
            found.find("runs", run.folder, run.problem)
            continue
        try:
            whole = verify_run(run.folder)
        except PackbenchError as error:
            found.find("runs", run.folder, error)
            continue
        for each in whole.findings:
            found.find("runs", run.folder, f"{each.where}: {each.what}")
        if run.result is None:
            found.remark("runs", run.folder, "was never concluded: packbench report")
            continue
        logs = entered.get(run.run_id, [])
        if logs and whole.chain.log_sha256 not in logs:
            found.find("runs", run.folder, "the ledger has a run of this id with another record")
        elif not logs:
            found.remark("runs", run.folder, "is in no ledger of this folder: packbench report enters it")


def _entered(found: Audit, run_ids: Sequence[str]) -> dict[str, list[str]]:
    """The hashes of the records that the ledgers have of each run."""
    logs: dict[str, list[str]] = {}
    for path in map(ledger_path, (REAL, TEST)):
        if not path.exists():
            continue
        try:
            with Ledger.open(path) as ledger:
                for run_id in run_ids:
                    for place in ledger.index.places(run_key(run_id)):
                        body = ledger.read(place.at, place.length).body
                        logs.setdefault(run_id, []).append(str(body.get("log_sha256")))
        except PackbenchError as error:
            found.remark("ledger", path, f"runs could not be looked up in it: {error}")
    return logs


def _passports(found: Audit, runs: Sequence[Listed], keys: list[PublicKey], now: datetime) -> None:
    for run in runs:
        for about_path in sorted(run.folder.glob(_PATTERN)):
            found.counts["passports"] += 1
            path = about_path.with_name(about_path.name.removesuffix(ABOUT) + ".json")
            try:
                about, payload = _object(about_path), _object(path)
            except (OSError, ValueError) as error:
                found.find("passports", path, f"cannot be read: {error}")
                continue
            for what in (*_passport_problems(about, payload, run), *_other_figures(about, payload, run)):
                found.find("passports", path, what)
            _token(found, path, payload, keys, now)
            for what in _out_of_date(payload, run, runs, now):
                found.remark("passports", path, what)


def _passport_problems(about: dict[str, Any], payload: dict[str, Any], run: Listed) -> Iterator[str]:
    kind = about.get("as")
    if kind not in schema.KINDS:
        yield f"of an unknown kind: {kind!r}"
        return
    if hashlib.sha256(canonical(payload)).hexdigest() != about.get("passport_sha256"):
        yield "was changed since it was made"
    absent = schema.missing(kind, payload)
    if absent:
        yield f"is not complete: {absent[0].path} is missing"
    for problem in schema.problems(kind, payload)[:1]:
        yield str(problem)
    if run.result is None or about.get("log_sha256") != run.result.hashes.get("log_sha256"):
        yield "is of another record than the one beside it"


def _other_figures(about: dict[str, Any], payload: dict[str, Any], run: Listed) -> Iterator[str]:
    """Figures that the record does not give: whoever edits a passport makes its hash anew, too."""
    kind = about.get("as")
    if kind not in schema.KINDS or run.result is None:
        return
    try:
        measured = {figure.name: figure.measured for figure in figures_of(analysed(run.folder), {}).figures}
    except PackbenchError:
        return  # the record is a finding of its own
    for name in ALWAYS:
        path = FIGURES[kind][name][0]
        stated, figure = _at(payload, path), measured.get(name)
        if figure is not None and stated is not None and stated != round(figure.value, 6):
            yield f"{path} states {stated}: the record gives {round(figure.value, 6)}"


def _at(payload: dict[str, Any], path: str) -> Any:
    place: Any = payload
    for key in schema.split(path) or ():
        try:
            place = place[key]
        except (LookupError, TypeError):
            return None
    return place


def _token(found: Audit, path: Path, payload: dict[str, Any], keys: list[PublicKey], now: datetime) -> None:
    token = path.with_name(path.stem + TOKEN)
    if not token.exists():
        return
    try:
        body = verify(token.read_text(encoding="ascii"), keys, now)
    except (PackbenchError, OSError, ValueError) as error:
        found.find("passports", token, error)
        return
    if body["credentialSubject"]["passport"] != payload:
        found.find("passports", token, "signs another passport than the one beside it")
    kid = str(body["issuer"]).rsplit(":", 1)[-1]
    if any(each.key_id == kid and each.state == keyring.REVOKED for each in keyring.records()):
        found.find("passports", token, f"is signed with the key {kid}, which is revoked")


def _out_of_date(payload: dict[str, Any], run: Listed, runs: Sequence[Listed], now: datetime) -> Iterator[str]:
    newer = [
        other
        for other in runs
        if other.serial == run.serial and other.started_at > run.started_at and may_enter(REAL, other.provenance)
    ]
    if newer:
        yield f"is not current: the run {newer[-1].run_id} of {run.serial} is newer"
    metadata: Any = payload.get("metadata")
    until = str(cast("dict[str, Any]", metadata).get("expirationDate", "")) if isinstance(metadata, dict) else ""
    if until and until < now.date().isoformat():
        yield f"expired on {until}"


def _retention(found: Audit, now: datetime) -> None:
    try:
        pruned = prune(now, measured_too=False, only_show=True)
    except InputError as error:
        found.find("retention", "retention.yaml", error)
        return
    if pruned.rules_file is None:
        found.remark("retention", "retention.yaml", "is not there: every run is kept")
    for one, folder in zip(pruned.judged, pruned.folders, strict=True):
        if one.delete:
            found.remark("retention", folder, f"may go: {one.reason} (packbench runs prune)")


def _object(path: Path) -> dict[str, Any]:
    value: Any = json.loads(path.read_bytes())
    if not isinstance(value, dict):
        raise ValueError("no object")
    return cast("dict[str, Any]", value)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"--checkpoint: {path}: {getattr(error, 'strerror', None) or 'no text'}") from error
