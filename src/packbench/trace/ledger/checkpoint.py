"""Checkpoints: a signed note of size, root and time, to be kept by somebody else.

    packbench.ledger/LEDGER
    SIZE
    ROOT                    base64
    time 2026-11-26T12:00:00+00:00

    - LEDGER-key BASE64     (an em dash; key hash and signature)

The form is the signed note and checkpoint of C2SP, so that witnesses and other people's tools read it. Owns that text.
A checkpoint held elsewhere is what catches an insider who has the key: without one, the end of a ledger can be cut off
and written anew, and every signature will hold.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from packbench.core.errors import InputError, Problem
from packbench.trace.keys import RAW_BYTES, SIGNATURE_BYTES, PublicKey, SigningKey

ORIGIN: Final = "packbench.ledger/"
_ED25519: Final = b"\x01"
_DASH: Final = "\u2014 "
_FORM: Final = re.compile(
    r"packbench\.ledger/(?P<ledger>\S{1,80})\n(?P<size>0|[1-9]\d{0,11})\n(?P<root>[A-Za-z0-9+/]{43}=)\n"
    r"time (?P<time>\S{20,40})\n"
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a ledger was at one time."""

    ledger: str
    size: int
    root: bytes
    time: str
    """Of the last entry that it covers."""

    def text(self) -> str:
        """What is signed."""
        root = base64.b64encode(self.root).decode("ascii")
        return f"{ORIGIN}{self.ledger}\n{self.size}\n{root}\ntime {self.time}\n"


def sign_checkpoint(checkpoint: Checkpoint, key: SigningKey) -> str:
    """The signed note."""
    text = checkpoint.text()
    name = f"{ORIGIN}{checkpoint.ledger}"
    signature = base64.b64encode(_key_hash(name, key.public) + key.sign(text.encode())).decode("ascii")
    return f"{text}\n{_DASH}{name} {signature}\n"


def read_checkpoint(note: str, file: str, keys: list[PublicKey]) -> tuple[Checkpoint, PublicKey]:
    """The checkpoint of a note and the key (one of `keys`) that signed it. Raises InputError."""
    text, gap, signatures = note.partition("\n\n")
    match = _FORM.fullmatch(text + "\n")
    if not gap or match is None:
        raise InputError(Problem("", file=file, found="another text", expected="a checkpoint of a packbench ledger"))
    checkpoint = Checkpoint(match["ledger"], int(match["size"]), base64.b64decode(match["root"]), match["time"])
    name = f"{ORIGIN}{checkpoint.ledger}"
    for line in signatures.splitlines():
        who, _, encoded = line.removeprefix(_DASH).rpartition(" ")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except ValueError:
            continue
        if who != name or not line.startswith(_DASH) or len(raw) != 4 + SIGNATURE_BYTES:
            continue
        for key in keys:
            if raw[:4] == _key_hash(name, key) and key.verify(raw[4:], checkpoint.text().encode()):
                return checkpoint, key
    raise InputError(Problem("no key of this ledger has signed it", file=file, field="checkpoint"))


def _key_hash(name: str, key: PublicKey) -> bytes:
    assert len(key.raw) == RAW_BYTES
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + key.raw).digest()[:4]
