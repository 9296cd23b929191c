"""What a scanner sends, as a keyboard or over a serial line: bytes in, one text a scan out.

Owns the taking apart of scanner input: AIM symbology identifiers (`]Q1`), prefixes and suffixes that a scanner was set
up to send, line ends of any kind, scans that come in pieces or stay half. Pure: it is told `now`, and neither opens a
port nor reads a clock. It exists so that a code from a scanner, a keyboard and a file is the same code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SYMBOLOGIES: Final[dict[str, str]] = {
    "C": "Code 128",
    "d": "Data Matrix",
    "Q": "QR",
    "A": "Code 39",
    "E": "EAN/UPC",
    "e": "GS1 DataBar",
    "L": "PDF417",
    "z": "Aztec",
    "X": "other",
}
"""By the letter of an AIM identifier (ISO/IEC 15424)."""
LENGTH_MAX: Final = 512
"""A line that is longer is no scan: it is dropped, and said so."""
QUIET_NS: Final = 300_000_000
"""A scanner sends a whole code within this; what follows a longer silence begins anew."""
_ENDS: Final = frozenset(b"\r\n\x03\x04\x00")
"""CR, LF, ETX, EOT, NUL: whatever a scanner was set up to end with."""
_STARTS: Final = frozenset(b"\x02")


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan."""

    text: str
    symbology: str | None = None
    """None: the scanner does not say."""
    half: bool = False
    """It was cut short by a silence: never to be taken as a code without asking."""


@dataclass(frozen=True, slots=True)
class ScanSettings:
    """How a scanner was set up."""

    prefix: str = ""
    suffix: str = ""
    tab_ends: bool = True
    """Tab ends a scan, as Enter does."""


class ScanReader:
    """Bytes as they come, scans as they are complete."""

    def __init__(self, settings: ScanSettings = ScanSettings()) -> None:
        self._settings = settings
        self._pending = bytearray()
        self._last_ns: int | None = None
        self._is_overlong = False

    def feed(self, chunk: bytes, now_ns: int) -> list[Scan]:
        """Scans that this chunk completes, and the half one that a silence before it left behind."""
        scans: list[Scan] = []
        if self._last_ns is not None and now_ns - self._last_ns > QUIET_NS:
            scans += self.flush()
        if chunk:
            self._last_ns = now_ns
        for byte in chunk:
            if byte in _ENDS or (byte == 9 and self._settings.tab_ends):
                scans += self._complete()
            elif byte in _STARTS:
                self._pending.clear()
                self._is_overlong = False
            elif len(self._pending) >= LENGTH_MAX:
                self._is_overlong = True
            else:
                self._pending.append(byte)
        return scans

    def flush(self) -> list[Scan]:
        """What came without an end, as a half scan."""
        return [Scan(scan.text, scan.symbology, half=True) for scan in self._complete()]

    def _complete(self) -> list[Scan]:
        raw, overlong = bytes(self._pending), self._is_overlong
        self._pending.clear()
        self._is_overlong = False
        if not raw or overlong:
            return []
        scan = parse_scan(raw.decode("utf-8", errors="replace"), self._settings)
        return [scan] if scan.text else []


def parse_scan(line: str, settings: ScanSettings = ScanSettings()) -> Scan:
    """One line of a scanner or a keyboard: without line ends, prefix, suffix and symbology identifier."""
    text = line.strip("\r\n\t \x00\x02\x03\x04\ufeff")
    text = text.removeprefix(settings.prefix) if settings.prefix else text
    text = text.removesuffix(settings.suffix) if settings.suffix else text
    symbology = None
    if len(text) > 3 and text[0] == "]" and text[1] in SYMBOLOGIES and text[2].isalnum():
        symbology, text = SYMBOLOGIES[text[1]], text[3:]
    return Scan(text.strip(), symbology)
