"""One entry of a ledger: a line of canonical JSON, chained by SHA-256 and signed with Ed25519.

    {"body":{...},"kid":"...","ledger":"...","prev":"<sha256>","seq":7,"sig":"...","time":"...","v":1}

    prev = sha256(the whole line before, without its line end); 64 zeros in the first entry
    sig  = Ed25519 over the JCS (RFC 8785) of the entry without "sig", base64url

Owns these bytes. Must not know what a body says, nor of files. A line is valid in exactly one spelling: what is parsed
must serialise to the very same bytes, so that no byte of it can change unseen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import rfc8785

from packbench.core.errors import InputError, Problem
from packbench.trace.keys import PublicKey, SigningKey, b64url, from_b64url

VERSION: Final = 1
NOTHING_BEFORE: Final = "0" * 64
LINE_BYTES_MAX: Final = 4_000_000
_KEYS: Final = {"body", "kid", "ledger", "prev", "seq", "sig", "time", "v"}
_SIGNATURE_MARK: Final = b',"sig":"'
_TIME_MARK: Final = b',"time":"'


class NotAnEntry(ValueError):
    """A line that is no entry; the text says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it was read or made; `line` has no line end."""

    ledger: str
    seq: int
    """From 1."""
    time: str
    """RFC 3339, UTC: the wall clock of who wrote it."""
    key_id: str
    prev: str
    body: Mapping[str, Any]
    signature: bytes
    line: bytes

    @property
    def hash(self) -> str:
        """What the next entry's `prev` must be."""
        return sha256(self.line)

    def signed_bytes(self) -> bytes:
        """What the signature covers. The mark cannot be within a text (its quotes would be escaped) nor behind it."""
        at = self.line.rindex(_SIGNATURE_MARK)
        end = self.line.index(b'"', at + len(_SIGNATURE_MARK)) + 1
        return self.line[:at] + self.line[end:]

    def is_signed_by(self, key: PublicKey) -> bool:
        """Whether this key signed these bytes."""
        return key.verify(self.signature, self.signed_bytes())


def make_entry(ledger: str, seq: int, time: str, prev: str, body: Mapping[str, Any], key: SigningKey) -> Entry:
    """A signed entry. Raises InputError for a body that is no plain JSON (NaN, a number above 2^53)."""
    bare = {
        "body": body,
        "kid": key.key_id,
        "ledger": ledger,
        "prev": prev,
        "seq": seq,
        "time": time,
        "v": VERSION,
    }
    unsigned = canonical(bare)
    signature = key.sign(unsigned)
    # Keys are sorted: the signature's place is before the time, the last "time" of the line.
    at = unsigned.rindex(_TIME_MARK)
    line = unsigned[:at] + _SIGNATURE_MARK + b64url(signature).encode("ascii") + b'"' + unsigned[at:]
    if len(line) > LINE_BYTES_MAX:
        raise InputError(Problem("", field="entry", found=f"{len(line)} bytes", expected=f"up to {LINE_BYTES_MAX}"))
    return Entry(ledger, seq, time, key.key_id, prev, body, signature, line)


def read_entry(line: bytes) -> Entry:
    """The entry of a line (its signature and its place are not judged). Raises NotAnEntry."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise NotAnEntry("no JSON in UTF-8") from error
    if not isinstance(found, dict):
        raise NotAnEntry("no JSON object")
    parts = cast("dict[str, Any]", found)
    if parts.keys() != _KEYS:
        odd = sorted(_KEYS.symmetric_difference(parts))
        raise NotAnEntry(f"its keys are not those of an entry: {', '.join(odd)[:80]!r}")
    try:
        if rfc8785.dumps(parts) != line:
            raise NotAnEntry("not in canonical form (RFC 8785)")
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError) as error:
        raise NotAnEntry("not in canonical form (RFC 8785)") from error
    texts = [parts[name] for name in ("kid", "ledger", "prev", "sig", "time")]
    seq, body = parts["seq"], parts["body"]
    if not all(isinstance(text, str) for text in texts) or type(seq) is not int or not isinstance(body, dict):
        raise NotAnEntry("a field has the wrong type")
    if parts["v"] != VERSION:
        raise NotAnEntry(f"version {parts['v']!r} is not known here")
    try:
        signature = from_b64url(parts["sig"])
    except ValueError as error:
        raise NotAnEntry(f"its signature is {error}") from error
    return Entry(
        parts["ledger"],
        seq,
        parts["time"],
        parts["kid"],
        parts["prev"],
        cast("dict[str, Any]", body),
        signature,
        line,
    )


def canonical(value: Any) -> bytes:
    """JCS. Raises InputError for what has no canonical form."""
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError) as error:
        raise InputError(Problem("", field="entry", found=str(error), expected="plain JSON")) from error


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()
