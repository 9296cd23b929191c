"""Makes a passport of a run, or of the newest run of a code, and says what it may claim.

Owns the look-up, the release gate and the signing. A record that does not verify gives no passport; a run that nobody
measured gives one marked test; one with anything missing is a draft. Only what is none of these is signed.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from packbench.analysis.verdict import may_enter
from packbench.app.conclude import analysed
from packbench.app.places import DATA_NAME
from packbench.app.records import find_run, list_runs, read_result
from packbench.app.verifying import verify_run
from packbench.core.errors import InputError, Problem, VerificationFailed
from packbench.core.result import Result
from packbench.trace import keyring
from packbench.trace.codes import parse
from packbench.trace.codes.code import read
from packbench.trace.ledger.entry import canonical
from packbench.trace.ledger.home import REAL
from packbench.trace.passport import schema
from packbench.trace.passport.credential import credential, sign
from packbench.trace.passport.facts import Fact, read_facts
from packbench.trace.passport.fill import FOLLOWS, Asked, Passport, fill
from packbench.trace.passport.schema import Kind

ABOUT: Final = ".about.json"
TOKEN: Final = ".vc.jwt"
_NOBODY: Final = "not named"
_PREDECESSOR: Final = re.compile(r"urn:[a-z0-9]+:[A-Za-z0-9:._/-]+|https://[!-~]+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a user asked for."""

    word: str | None
    """A run or a code; None: neither, every field is wanted."""
    kind: Kind
    facts: Path | None = None
    status: str | None = None
    predecessor: str | None = None
    issuer: str | None = None
    """Who makes the passport; None: the run's operator."""


@dataclass(frozen=True, slots=True)
class Made:
    """A passport and what it may claim."""

    passport: Passport
    result: Result | None
    folder: Path | None
    is_test: bool
    """The run was not measured."""

    @property
    def is_draft(self) -> bool:
        """Something is missing or does not fit."""
        return not self.passport.complete

    @property
    def valid(self) -> bool:
        """Complete, of a measured run whose record holds."""
        return not self.is_draft and not self.is_test and self.result is not None


def make_passport(wanted: Wanted, now: datetime) -> Made:
    """Fill a passport. Raises InputError for bad words or facts, VerificationFailed for a record that does not hold."""
    _check(wanted)
    facts = _facts(wanted)
    folder = None if wanted.word is None else _folder(wanted.word)
    result = None if folder is None else _verified(folder)
    code = result.serial if result is not None else "" if wanted.word is None else parse(wanted.word).text
    who = wanted.issuer or (result.operator if result is not None else None)
    asked = Asked(wanted.kind, code, now.date().isoformat(), who or _NOBODY, wanted.status, wanted.predecessor)
    passport = fill(asked, result, facts)
    return Made(
        _completed(passport, asked, result),
        result,
        folder,
        result is not None and not may_enter(REAL, result.provenance),
    )


def run_of(word: str) -> tuple[Path, Result, bool]:
    """Folder and result of a run, or of a code's newest, verified; and whether nobody measured it."""
    folder = _folder(word)
    if folder is None:
        raise InputError(Problem("", field="RUN|CODE", found=f"{word}, of which no run is recorded", expected="a run"))
    result = _verified(folder)
    return folder, result, not may_enter(REAL, result.provenance)


def _completed(passport: Passport, asked: Asked, result: Result | None) -> Passport:
    """What no schema asks for, and every passport of a bench has: a run, and a name of the battery."""
    more: list[Problem] = []
    if result is None:
        more.append(Problem("", field="run", found=f"no recorded run of {asked.code or 'it'}", expected="one"))
    elif not asked.code.strip():
        more.append(Problem("", field="serial", found="a run without a serial number", expected="a battery code"))
    if asked.originator == _NOBODY:
        more.append(Problem("", field="originator", found="a run without an operator", expected="a name, by --issuer"))
    return replace(passport, problems=(*more, *passport.problems)) if more else passport


def token_of(made: Made, now: datetime) -> str:
    """The signed credential of a valid passport. Raises InputError for any other."""
    if not made.valid or made.result is None:
        what = "a draft" if made.is_draft else "of a run that nobody measured"
        raise InputError(Problem("", field="--credential", found=f"a passport that is {what}", expected="a valid one"))
    key = keyring.bench_key(now)
    issued = now.isoformat(timespec="seconds")
    evidence = {"id": f"urn:packbench:run:{made.result.run_id}", "logSha256": made.result.hashes.get("log_sha256", "")}
    return sign(credential(made.passport, key.key_id, issued, evidence), key)


def write(made: Made, path: Path, token: str | None) -> dict[str, str]:
    """Write a passport; returns the paths. What is not valid is wrapped in words that say so."""
    payload = made.passport.payload
    about = about_to_dict(made)
    for stale in (_beside(path, ABOUT), _beside(path, TOKEN)):
        stale.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    paths = {"passport": str(path)}
    if made.valid:
        _dump(path, payload)
        _dump(_beside(path, ABOUT), about)
        paths["about"] = str(_beside(path, ABOUT))
    else:
        _dump(path, {**about, "passport": payload})
    if token is not None:
        _beside(path, TOKEN).write_text(token + "\n", encoding="ascii")
        paths["credential"] = str(_beside(path, TOKEN))
    return paths


def about_to_dict(made: Made) -> dict[str, Any]:
    """What a passport is, and where each of its values comes from."""
    passport, result = made.passport, made.result
    return {
        "as": passport.kind,
        "model": schema.NAMES[passport.kind],
        "identifier": passport.identifier,
        "predecessor": passport.predecessor,
        "draft": made.is_draft,
        "test": made.is_test,
        "valid": made.valid,
        "run_id": None if result is None else result.run_id,
        "provenance": passport.provenance,
        "log_sha256": None if result is None else result.hashes.get("log_sha256"),
        "passport_sha256": hashlib.sha256(canonical(passport.payload)).hexdigest(),
        "missing": [{"path": each.path, "expected": each.expected, "text": each.text} for each in passport.missing],
        "origins": {path: origin.to_dict() for path, origin in sorted(passport.origins.items())},
    }


def errors_of(made: Made) -> list[Problem]:
    """What keeps a passport a draft, one by one."""
    absent = [Problem("", field=each.path, found="nothing", expected=each.expected) for each in made.passport.missing]
    return [*made.passport.problems, *absent]


def _check(wanted: Wanted) -> None:
    if wanted.predecessor is None:
        return
    if not _PREDECESSOR.fullmatch(wanted.predecessor):
        expected = "an identifier such as urn:uuid:... or https://..."
        raise InputError(Problem("", field="--predecessor", found=repr(wanted.predecessor), expected=expected))
    if wanted.status not in FOLLOWS:
        found = f"a predecessor of a battery that is {wanted.status or 'of no stated status'}"
        raise InputError(Problem("", field="--status", found=found, expected=f"one of {', '.join(FOLLOWS)}"))


def _facts(wanted: Wanted) -> list[Fact]:
    if wanted.facts is None:
        return []
    try:
        text = wanted.facts.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        found = getattr(error, "strerror", None) or "no UTF-8 text"
        raise InputError(
            Problem("", str(wanted.facts), field="--facts", found=found, expected="a facts file")
        ) from error
    return read_facts(text, str(wanted.facts), wanted.kind)


def _folder(word: str) -> Path | None:
    """The folder of a run, or of the newest run of a code: a measured one when there is any."""
    try:
        return find_run(word)
    except InputError as error:
        of_code = [run for run in list_runs() if run.serial and run.serial == word and run.result is not None]
        if of_code:
            measured = [run for run in of_code if may_enter(REAL, run.provenance)]
            return (measured or of_code)[-1].folder
        if read(word) is not None:
            return None
        raise InputError(
            Problem("", field="RUN|CODE", found=word, expected="a run, or a battery code (packbench runs list)")
        ) from error


def _verified(folder: Path) -> Result:
    """The result anew from a record that holds: the result.json beside it could have been edited."""
    whole = verify_run(folder)
    if whole.findings:
        first = whole.findings[0]
        raise VerificationFailed(f"{folder / DATA_NAME}: {first.where}: {first.what}")
    if read_result(folder) is None:
        raise InputError(
            Problem("", field="RUN", found=f"{folder.name}, not concluded", expected="packbench report first")
        )
    return analysed(folder)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.stem + suffix)


def _dump(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n", encoding="utf-8")
