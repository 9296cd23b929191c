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
from packbench.app.carbon import footprint_of
from packbench.app.proven import folder_of, verified
from packbench.core.errors import InputError, Problem
from packbench.core.result import Result
from packbench.trace import keyring
from packbench.trace.codes import parse
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
    carbon: str | None = None
    """A factors file: the run's carbon footprint is to be in it."""


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
    folder = None if wanted.word is None else folder_of(wanted.word)
    result = None if folder is None else verified(folder)
    code = result.serial if result is not None else "" if wanted.word is None else parse(wanted.word).text
    who = wanted.issuer or (result.operator if result is not None else None)
    carbon = None
    if wanted.carbon is not None:
        if folder is None or result is None:
            raise InputError(Problem("", field="--carbon", found="no recorded run", expected="a run with its energy"))
        carbon = footprint_of(folder, result, wanted.carbon).for_passport()
    day = now.date().isoformat()
    asked = Asked(wanted.kind, code, day, who or _NOBODY, wanted.status, wanted.predecessor, carbon)
    passport = fill(asked, result, facts)
    return Made(
        _completed(passport, asked, result),
        result,
        folder,
        result is not None and not may_enter(REAL, result.provenance),
    )


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
        "left_out": [{"figure": each.figure, "reason": each.reason} for each in passport.left_out],
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


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.stem + suffix)


def _dump(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n", encoding="utf-8")
