"""The signature over a run's record: a file of its own beside it, that anybody can check.

    run.sig.json   {"key": JWK, "signature": base64url, "statement": {...}}
    signature      Ed25519 over the JCS (RFC 8785) of the statement

The statement names the run, the head of its hash chain (which covers every byte of content) and the data file as it was
when it was signed. Owns these forms. Must not read a record (`app.signing` does) nor decide whose key may sign what.
A copy of the record made by a backup has the same chain and other bytes: the chain is what counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from packbench.core.errors import VerificationFailed
from packbench.trace.keys import PublicKey, SigningKey, b64url, from_b64url, public_from_jwk
from packbench.trace.ledger.entry import canonical

SIGNATURE_NAME: Final = "run.sig.json"
WHAT: Final = "packbench run record"


@dataclass(frozen=True, slots=True)
class RunSignature:
    """A signature that holds over its own statement. Whose it is, is another question."""

    key: PublicKey
    statement: Mapping[str, Any]
    signature: str


def sign_statement(statement: Mapping[str, Any], key: SigningKey) -> str:
    """The text of the file: the same statement and key always give the same text."""
    whole = {"what": WHAT, **statement}
    signature = b64url(key.sign(canonical(whole)))
    parts = {"key": key.public.jwk(), "signature": signature, "statement": whole}
    return json.dumps(parts, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def read_signature(path: Path) -> RunSignature | None:
    """The signature of a file; None without one. Raises VerificationFailed when it does not hold."""
    try:
        parts: Any = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise VerificationFailed(f"{path.name}: cannot be read") from error
    try:
        key = public_from_jwk(parts["key"])
        statement, text = dict(parts["statement"]), str(parts["signature"])
        holds = statement.get("what") == WHAT and key.verify(from_b64url(text), canonical(statement))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise VerificationFailed(f"{path.name}: is no signature of a run") from error
    if not holds:
        raise VerificationFailed(f"{path.name}: the signature does not hold over its statement: it was changed")
    return RunSignature(key, statement, text)
