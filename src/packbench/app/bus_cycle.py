"""How old a source's newest reading may become on the bench's lines, held against its stale_after.

Owns the worst case of a line with one owner (run/port.py): one exchange at a time, first come first served, so that
each exchange of a reading waits for at most one of every other device on the line, and for one of a set-point that is
being written. The one thing that may go wrong meanwhile is one lost answer: it costs its time-out and the quarantine
after it, and is asked for once more (a heartbeat is not: the next one is). More than one is a fault, and staleness is
the rule for it.

How fast a device answers is known between two bounds: not faster than its frames and gaps take on the line, and not
slower than its file says that it keeps up with (`min_period_s`) or, where the file does not say so, than its worst
turnaround. A bench whose sources go stale although every answer comes as fast as it can is refused; one that a lost
answer, or slow ones, would stop is remarked on.

Pure: types and specs in, ages and problems out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from packbench.app.devices import EMULATED, DeviceTypes, line_names, scheme_of
from packbench.config.document import Document
from packbench.core.errors import Problem
from packbench.core.specs import BenchSpec, DeviceSpec
from packbench.drivers.factory import PROGRAMMED, SESSIONS
from packbench.maps.schema import DeviceType
from packbench.transport.open import parse_url

Source = Literal["cycler", "bms", "board", "chamber", "meter"]

_BITS_A_BYTE = 10
"""Start, eight data bits, stop: a parity bit or a second stop bit makes a line slower, never faster."""
_MODBUS_REQUEST_BYTES = 8
_MODBUS_REPLY_BYTES = 5
"""Besides two for each register."""
_ROUNDS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old a source's newest reading may become."""

    source: Source
    shares: tuple[str, ...]
    """Roles of the other devices on its lines."""
    cycle_s: float
    """One reading at the slowest pace, everything else on its line included, when no answer is lost."""
    kept_age_s: float
    """At the fastest pace that is possible, when no answer is lost."""
    age_s: float
    """At the slowest pace, with one lost answer."""
    least_age_s: float
    """At the fastest pace that is possible, with one lost answer."""
    stale_after_s: float
    """What the bench allows: for the board, its lease where that is less."""


def freshness(types: DeviceTypes, bench: BenchSpec) -> tuple[Freshness, ...]:
    """Every source that is polled, in the order of the bench file; a session's messages come by themselves."""
    lines = _lines(types, bench)
    found: list[Freshness] = []
    for source, roles in _roles(bench).items():
        mine = [(talkers, talker) for talkers in lines.values() for talker in talkers if talker.role in roles]
        if not mine:
            continue
        spec = bench.devices[source]
        allowed_ns = min(spec.stale_after_ns, bench.lease_ns) if source == "board" else spec.stale_after_ns
        cycle_ns = max(_response_ns(talkers, talker, _late, 0) for talkers, talker in mine)
        others = dict.fromkeys(other.role for talkers, _ in mine for other in talkers if other.role not in roles)
        found.append(
            Freshness(
                source,
                tuple(others),
                cycle_ns / 1e9,
                _kept_age_ns(mine, _prompt) / 1e9,
                _age_ns(mine, _late) / 1e9,
                _age_ns(mine, _prompt) / 1e9,
                allowed_ns / 1e9,
            )
        )
    return tuple(found)


def unmet(ages: tuple[Freshness, ...], document: Document) -> list[Problem]:
    """Sources that go stale although every answer comes, and as fast as it can."""
    return [
        _problem(document, age, "stale before its next reading", age.kept_age_s)
        for age in ages
        if age.kept_age_s > age.stale_after_s
    ]


def barely_met(ages: tuple[Freshness, ...], document: Document) -> list[Problem]:
    """Sources that go stale by one lost answer: however fast the devices are, or as slow as their files allow."""
    problems: list[Problem] = []
    for age in ages:
        if age.kept_age_s <= age.stale_after_s < age.age_s:
            surely = age.least_age_s > age.stale_after_s
            why = f"one lost answer {'would make it stale' if surely else 'may make it stale, where answers are slow'}"
            problems.append(_problem(document, age, why, age.age_s))
    return problems


def _problem(document: Document, age: Freshness, why: str, least_s: float) -> Problem:
    found = _seconds(age.stale_after_s)
    if age.shares:
        found = f"{found}, sharing a line with {', '.join(age.shares)}"
    expected = f"at least {_seconds(least_s)}, or shorter time-outs{' or a line of its own' if age.shares else ''}"
    return document.problem(why, ("devices", age.source, "stale_after"), found, expected)


# ------------------------------------------------------------------ the model


@dataclass(frozen=True, slots=True)
class _Talker:
    """One device on a line."""

    role: str
    period_ns: int
    exchanges: int
    """Questions of one reading."""
    prompt_ns: int
    """One exchange with its gap, at the fastest."""
    late_ns: int
    """One exchange with its gap, at the slowest."""
    lost_ns: int
    """What a lost answer costs until the next question may be sent."""
    asked_again: bool
    """Whether the port repeats a question whose answer was lost."""
    commanded: bool = False
    """Whether set-points are written to it while it is read."""
    fastest_ns: int = 0
    """Its period while things move fast, which the others on its line have to bear; 0: the usual one."""


_Pace = Callable[[_Talker], int]


def _late(talker: _Talker) -> int:
    return talker.late_ns


def _prompt(talker: _Talker) -> int:
    return talker.prompt_ns


def _response_ns(talkers: list[_Talker], asked: _Talker, pace: _Pace, lost_ns: int) -> int:
    """From the instant at which a reading is due to its last answer, when `lost_ns` are lost on the way."""
    turns_ns = sum(asked.exchanges * pace(other) for other in talkers if other.commanded)
    alone_ns = asked.exchanges * pace(asked) + turns_ns + lost_ns
    response_ns = alone_ns
    for _ in range(_ROUNDS_MAX):
        # Of every other device: as many exchanges as its own readings have, or one for each of ours.
        waited_ns = sum(
            min(asked.exchanges, (_ceil(response_ns, other.fastest_ns or other.period_ns) + 1) * other.exchanges)
            * pace(other)
            for other in talkers
            if other is not asked
        )
        if alone_ns + waited_ns == response_ns:
            break
        response_ns = alone_ns + waited_ns
    return response_ns


def _age_ns(mine: list[tuple[list[_Talker], _Talker]], pace: _Pace) -> int:
    """The oldest that a reading becomes before the next one is there: the worse of losing in this one or the next.

    A source of two devices (a BMS and its cell tap) has a reading when both have answered.
    """
    period_ns = mine[0][1].period_ns
    whole_ns = max(_response_ns(talkers, talker, pace, 0) for talkers, talker in mine)
    ages = [_kept_age_ns(mine, pace)]
    for talkers, talker in mine:
        for other in talkers:
            hurt_ns = max(whole_ns, _response_ns(talkers, talker, pace, other.lost_ns))
            first, then = max(1, _ceil(whole_ns, period_ns)), max(1, _ceil(hurt_ns, period_ns))
            if other is talker and not talker.asked_again:
                ages.append(period_ns * (first + then) + whole_ns)
            else:
                ages += [period_ns * first + hurt_ns, period_ns * then + whole_ns]
    return max(ages)


def _kept_age_ns(mine: list[tuple[list[_Talker], _Talker]], pace: _Pace) -> int:
    """The oldest that a reading becomes before the next one is there, when every answer comes."""
    period_ns = mine[0][1].period_ns
    whole_ns = max(_response_ns(talkers, talker, pace, 0) for talkers, talker in mine)
    return period_ns * max(1, _ceil(whole_ns, period_ns)) + whole_ns


def _ceil(value_ns: int, step_ns: int) -> int:
    return -(-value_ns // step_ns)


# ----------------------------------------------------------- what is on a line


def _roles(bench: BenchSpec) -> dict[Source, tuple[str, ...]]:
    """Each source of the snapshot, and the devices that it is read from."""
    bms = ("bms",) if bench.cell_tap is None else ("bms", "cell_tap")
    return {"cycler": ("cycler",), "bms": bms, "board": ("board",), **{role: (role,) for role in bench.fitted}}


def _lines(types: DeviceTypes, bench: BenchSpec) -> dict[str, list[_Talker]]:
    """Every line with the devices on it. The longest gap that any of them needs holds for all."""
    known = types.by_role
    sharing: dict[str, list[tuple[DeviceSpec, DeviceType | None]]] = {}
    for role, name in line_names(bench).items():
        device = known.get(role)
        if device is None or device.driver not in SESSIONS:
            sharing.setdefault(name, []).append((bench.devices[role], device))
    lines: dict[str, list[_Talker]] = {}
    for name, devices in sharing.items():
        gap_ns = max(0 if device is None else device.line.gap_ns for _, device in devices)
        lines[name] = [
            _board(bench, spec, gap_ns) if device is None else _talker(spec, device, gap_ns) for spec, device in devices
        ]
    return lines


def _board(bench: BenchSpec, spec: DeviceSpec, gap_ns: int) -> _Talker:
    """The interlock board: one heartbeat a period, whose answer is the reading."""
    late_ns = gap_ns + spec.reply_timeout_ns
    return _Talker("board", bench.heartbeat_period_ns, 1, gap_ns, late_ns, spec.reply_timeout_ns, asked_again=False)


def _talker(spec: DeviceSpec, device: DeviceType, gap_ns: int) -> _Talker:
    blocks = device.group("poll")
    exchanges = device.line.exchanges or max(1, len(blocks))
    baudrate = _baudrate(spec, device)
    frames_ns = 0
    if baudrate and blocks:
        fixed = exchanges * (_MODBUS_REQUEST_BYTES + _MODBUS_REPLY_BYTES)
        frames_ns = (fixed + 2 * sum(block.count for block in blocks)) * _BITS_A_BYTE * 1_000_000_000 // baudrate
    prompt_ns = gap_ns + frames_ns // exchanges
    late_ns = gap_ns + min(spec.reply_timeout_ns, frames_ns // exchanges + device.line.turnaround_ns)
    if kept_ns := _kept_up_ns(device, baudrate):
        late_ns = max(prompt_ns, kept_ns // exchanges + max(0, gap_ns - device.line.gap_ns))
    # Where replies carry an id, a late one is known by it: nothing is quarantined (drivers/factory.modbus_link).
    quiet_ns = 0 if scheme_of(spec) == "modbus+tcp" else device.line.turnaround_ns
    return _Talker(
        spec.role,
        spec.poll_period_ns,
        exchanges,
        prompt_ns,
        late_ns,
        spec.reply_timeout_ns + quiet_ns,
        asked_again=True,
        commanded=spec.role == "cycler" and device.driver not in PROGRAMMED,
        fastest_ns=spec.poll_fast_ns,
    )


def _kept_up_ns(device: DeviceType, baudrate: int) -> int:
    """The time of one reading that the device's file vouches for, at this baud rate; 0: it does not."""
    slower = max(1.0, device.line.baudrate / baudrate) if baudrate else 1.0
    return round(device.capabilities.min_period_s * slower * 1e9)


def _baudrate(spec: DeviceSpec, device: DeviceType) -> int:
    """Of the line, or of the line behind a gateway as the device's file has it; 0: a network, that takes no time."""
    scheme, url = scheme_of(spec), spec.url.removeprefix(EMULATED)
    if scheme in ("serial", "pty") and "://" in url:
        return parse_url(url, default_baudrate=device.line.baudrate).serial.baudrate
    return device.line.baudrate if scheme in ("serial", "pty", "rtu+tcp") else 0


def _seconds(seconds: float) -> str:
    return f"{seconds * 1e3:.4g} ms" if seconds < 1.0 else f"{seconds:.4g} s"
