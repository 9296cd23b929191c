"""Reading a recorded CAN: candump logs of either form, or a tap of an slcan adapter.

Owns the lines' forms. What the frames mean is `session`'s.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from packbench.analysis.estimate.outcome import Estimate
from packbench.analysis.estimate.session import estimate_session, overhear
from packbench.core.errors import InputError, Problem
from packbench.core.samples import Provenance
from packbench.transport.tap import TapRecord
from packbench.wire.can.frame import CanFrame
from packbench.wire.can.slcan import HostReader

_LOG = re.compile(r"\((\d+(?:\.\d+)?)\)\s+\S+\s+([0-9A-Fa-f]{3}|[0-9A-Fa-f]{8})#((?:[0-9A-Fa-f]{2})*|R\d?)(?:\s+[RT])?")
_PLAIN = re.compile(
    r"\(?(\d+(?:\.\d+)?)\)?\s+\S+\s+(?:[RT]X\s+-\s+-\s+)?([0-9A-Fa-f]{3}|[0-9A-Fa-f]{8})\s+\[(\d)\]((?:\s+[0-9A-Fa-f]{2})*)"
)
_TAP = re.compile(r"\d+ (?:in|out) (?:[0-9a-f]{2})+")
EXPECTED = "a candump log with time stamps (-L or -ta), or a tap of an slcan adapter (t_ns in|out hex)"
BAD_SHARE_MAX = 0.1
STANDARD_DIGITS = 3


def is_can_log(path: Path) -> bool:
    """Whether the first lines are a recorded CAN."""
    try:
        with path.open("rb") as file:
            head = file.read(4096).decode("ascii", errors="replace").splitlines()
    except OSError:
        return False
    lines = [line.strip() for line in head if line.strip()]
    return bool(lines) and any(pattern.fullmatch(lines[0]) for pattern in (_LOG, _PLAIN, _TAP))


def estimate_log(path: Path) -> Estimate:
    """The in-use capacity of the pack whose charging session was recorded. Raises InputError for another file."""
    data = path.read_bytes()
    heard = overhear(_frames(path, data.decode("ascii", errors="replace").splitlines()))
    pack, details, notes = estimate_session(heard)
    return Estimate(
        kind="session",
        method="charge counted by the charger over the change of the BMS's SOC (GB/T 27930-2015)",
        file=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        provenance=str(Provenance.IMPORTED),
        model={},
        cells=(),
        pack=pack,
        notes=notes,
        details=details,
    )


def _frames(path: Path, lines: list[str]) -> Iterator[tuple[float, CanFrame]]:
    reader, bad, latest = HostReader(), 0, -1.0
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        try:
            found = _tap(text, reader) if _TAP.fullmatch(text) else _logged(text)
        except ValueError:
            found = None
        if found is None:
            bad += 1
            if bad > max(3, BAD_SHARE_MAX * len(lines)):
                raise InputError(Problem("not a recorded CAN", str(path), number, found=text[:40], expected=EXPECTED))
            continue
        for t_s, frame in found:
            if t_s < latest - 1.0:
                found_text = f"{t_s:.3f} s after {latest:.3f} s"
                raise InputError(Problem("time runs back", str(path), number, found=found_text, expected="rising"))
            latest = max(latest, t_s)
            yield t_s, frame


def _logged(text: str) -> list[tuple[float, CanFrame]] | None:
    if (match := _LOG.fullmatch(text)) is not None:
        t_s, name, data = match.groups()
        if data.startswith("R"):
            return []
    elif (match := _PLAIN.fullmatch(text)) is not None:
        t_s, name, _, data = match.groups()
    else:
        return None
    return [(float(t_s), CanFrame(int(name, 16), bytes.fromhex(data), len(name) != STANDARD_DIGITS))]


def _tap(text: str, reader: HostReader) -> list[tuple[float, CanFrame]]:
    record = TapRecord.parse(text)
    if record.direction == "out":
        # What our own charger sent: lines to the adapter, of the same form.
        return [(record.t_ns / 1e9, frame) for frame in HostReader().feed(record.data) if isinstance(frame, CanFrame)]
    return [(record.t_ns / 1e9, frame) for frame in reader.feed(record.data) if isinstance(frame, CanFrame)]
