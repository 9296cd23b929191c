"""The judge: (state, snapshot, limits, now) -> (state, trip or None).

Owns the memory the rules need: since when a violation lasts, how fast the temperature moves, and
the latch. A trip latches: from then on every judgement returns it, until a named person clears it
with a new run. Asked on every new sample, and at every heartbeat for what only time brings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from packbench.core.limits import Limits
from packbench.core.records import Trip
from packbench.core.samples import BmsSample, Snapshot
from packbench.core.specs import Fitted
from packbench.safety.rules import RULES
from packbench.safety.view import Expectation, Finding, Reaction, View, Violation

RATE_WINDOW_NS = 60_000_000_000
"""dT/dt is taken over a minute: a 1 K sensor step must not look like 60 K/min."""


_Asked = tuple[tuple[int, Callable[[View], Finding]], ...]
"""Rules by index, and what each asks."""


def _asked(*sources: str, fitted: tuple[Fitted | None, ...] = (None,)) -> _Asked:
    return tuple(
        (index, rule.check) for index, rule in enumerate(RULES) if rule.source in sources and rule.fitted in fitted
    )


@cache
def _asked_of_fitted(fitted: tuple[Fitted, ...], *, chamber: bool, meter: bool) -> _Asked:
    """The rules on what only some benches have, by whether it has a new sample. Other benches do not pay for them."""
    news = [source for source, new in (("chamber", chamber), ("meter", meter)) if new]
    return _asked("time", *news, fitted=fitted)


_ASKED = {
    (False, False): _asked("time"),
    (True, False): _asked("time", "cycler", "pair"),
    (False, True): _asked("time", "bms", "pair"),
    (True, True): _asked("time", "cycler", "bms", "pair"),
}
"""Which rules to ask on every bench, by (new cycler sample, new BMS sample)."""


FLOWS_A = 1.0
"""Less than this moves nothing."""
READINGS_APART = 10
"""Readings of the BMS whose mean is held against the pack's voltage where none is comparable by itself."""


@dataclass(frozen=True, slots=True)
class Latched:
    """A trip and how to react to it."""

    trip: Trip
    reaction: Reaction


class Pending(NamedTuple):
    """A violation that lasts."""

    rule: int
    """Index into RULES."""
    since_ns: int
    violation: Violation
    """As it was seen last."""


class Drift(NamedTuple):
    """A voltage's newest reading, and how fast it moved from the one before."""

    t_ns: int = -1
    voltage_v: float = 0.0
    v_per_s: float = 0.0


class SafetyState(NamedTuple):
    """What the judge remembers."""

    started_ns: int
    cycler_ns: int = -1
    """Instant of the newest cycler sample already judged."""
    bms_ns: int = -1
    """Instant of the newest BMS sample already judged."""
    pending: tuple[Pending, ...] = ()
    """Violations that wait for their delay."""
    temperatures: tuple[tuple[int, float], ...] = ()
    """(t_ns, hottest degC): one point every few seconds over the rate window."""
    latched: Latched | None = None
    chamber_ns: int = -1
    """Instant of the newest chamber sample already judged."""
    meter_ns: int = -1
    """Instant of the newest meter sample already judged."""
    apart: tuple[float, ...] = ()
    """How far the sum of the cells stood from the pack's voltage, of the last readings of the BMS."""
    said: BmsSample | None = None
    """The newest reading of the BMS."""
    same_ns: int = -1
    """Since when each of its readings under current has been bit for bit the same; -1: the newest two differ."""
    same_ah: float = 0.0
    """What has flowed since then."""
    pack: Drift = Drift()
    """Of the pack's voltage by the cycler."""
    cells: Drift = Drift()
    """Of the cells' sum."""


def judge(
    state: SafetyState,
    snapshot: Snapshot,
    limits: Limits,
    expected: Expectation,
    lost: tuple[tuple[str, str], ...] = (),
) -> SafetyState:
    """Judge one moment. The new state's `latched` is the verdict: None means go on."""
    if state.latched is not None:
        return state
    cycler_ns = -1 if snapshot.cycler is None else snapshot.cycler.t_ns
    bms_ns = -1 if snapshot.bms is None else snapshot.bms.t_ns
    temperatures, rate = state.temperatures, float("nan")
    new_bms = bms_ns > state.bms_ns
    if new_bms and snapshot.bms is not None:
        temperatures, rate = _moved(temperatures, bms_ns, snapshot.bms.temperature_max_c)
    apart, said, same_ns, same_ah = state.apart, state.said, state.same_ns, state.same_ah
    if new_bms:
        apart = _apart(apart, snapshot, expected)
        said, same_ns, same_ah = _same(state, snapshot)
    mean = sum(apart) / READINGS_APART if len(apart) == READINGS_APART else float("nan")
    same_s = 0.0 if same_ns < 0 else (bms_ns - same_ns) / 1e9
    pack, cells = state.pack, state.cells
    if cycler_ns > state.cycler_ns:
        pack = _drifted(pack, cycler_ns, snapshot.pack_voltage_v)
    if new_bms and snapshot.bms is not None:
        cells = _drifted(cells, bms_ns, snapshot.bms.cell_sum_v)
    drift_v_s = max(abs(pack.v_per_s), abs(cells.v_per_s))
    view = View(snapshot, limits, expected, rate, lost, mean, same_s, same_ah, drift_v_s)
    asked = _ASKED[cycler_ns > state.cycler_ns, new_bms]
    chamber_ns = meter_ns = -1
    if expected.fitted:
        chamber_ns = -1 if snapshot.chamber is None else snapshot.chamber.t_ns
        meter_ns = -1 if snapshot.meter is None else snapshot.meter.t_ns
        new_chamber, new_meter = chamber_ns > state.chamber_ns, meter_ns > state.meter_ns
        asked = (*asked, *_asked_of_fitted(expected.fitted, chamber=new_chamber, meter=new_meter))
    found: list[tuple[int, Violation]] = []
    undecided: set[int] = set()
    for index, check in asked:
        finding = check(view)
        if isinstance(finding, Violation):
            found.append((index, finding))
        elif finding is not None:
            undecided.add(index)
    if not found and not state.pending:
        return SafetyState(
            state.started_ns,
            cycler_ns,
            bms_ns,
            (),
            temperatures,
            None,
            chamber_ns,
            meter_ns,
            apart,
            said,
            same_ns,
            same_ah,
            pack,
            cells,
        )
    decided = {index for index, _ in asked} - undecided
    pending = _merged(state.pending, found, decided, snapshot.t_ns)
    latched = _due(pending, snapshot.t_ns, state.started_ns, expected.cycler_lag_ns)
    return SafetyState(
        state.started_ns,
        cycler_ns,
        bms_ns,
        pending,
        temperatures,
        latched,
        chamber_ns,
        meter_ns,
        apart,
        said,
        same_ns,
        same_ah,
        pack,
        cells,
    )


def _drifted(before: Drift, t_ns: int, voltage_v: float) -> Drift:
    """With one more reading; one that is no number tells nothing of how fast it moves."""
    apart_v = voltage_v - before.voltage_v
    known = before.t_ns >= 0 and apart_v == apart_v  # noqa: PLR0124 - not a number
    return Drift(t_ns, voltage_v, apart_v * 1e9 / (t_ns - before.t_ns) if known else 0.0)


def _apart(before: tuple[float, ...], snapshot: Snapshot, expected: Expectation) -> tuple[float, ...]:
    """The last readings with a new one of the BMS; none while the cycler does not stand at the pack."""
    voltage_v, bms = snapshot.pack_voltage_v, snapshot.bms
    if bms is None or not expected.contactor_closed or not voltage_v > 0.0:
        return ()
    return (*before[-READINGS_APART + 1 :], bms.cell_sum_v / voltage_v - 1.0)


def _same(state: SafetyState, snapshot: Snapshot) -> tuple[BmsSample | None, int, float]:
    """The newest reading of the BMS, since when nothing in it has moved although current flows, and how many Ah did."""
    bms, before, cycler = snapshot.bms, state.said, snapshot.cycler
    if bms is None or before is None or cycler is None or abs(cycler.current_a) <= FLOWS_A:
        return bms, -1, 0.0
    # The quick questions first: a reading of a live sensor fails one of them.
    same = (
        bms.cell_sum_v == before.cell_sum_v
        and bms.current_a == before.current_a
        and bms.voltage_v == before.voltage_v
        and bms.soc == before.soc
        and bms.temperatures_c == before.temperatures_c
        and bool((bms.cell_voltages_v == before.cell_voltages_v).all())
    )
    if not same:
        return bms, -1, 0.0
    moved_ah = abs(cycler.current_a) * (bms.t_ns - before.t_ns) / 3.6e12
    return bms, before.t_ns if state.same_ns < 0 else state.same_ns, state.same_ah + moved_ah


def _merged(
    before: tuple[Pending, ...], found: list[tuple[int, Violation]], decided: set[int], now_ns: int
) -> tuple[Pending, ...]:
    """Violations that last: those seen again keep their beginning, those nothing was said of stay as they were."""
    since = {pending.rule: pending.since_ns for pending in before}
    kept = [pending for pending in before if pending.rule not in decided]
    kept += [Pending(index, since.get(index, now_ns), violation) for index, violation in found]
    return tuple(sorted(kept, key=lambda pending: pending.rule))


def _due(pending: tuple[Pending, ...], now_ns: int, started_ns: int, lag_ns: int) -> Latched | None:
    """A violation whose delay is over, as a trip: the first that is stopped at once, else the first of all."""
    later: Latched | None = None
    for index, since_ns, violation in pending:
        rule = RULES[index]
        if now_ns - since_ns >= rule.delay_ns + violation.patience_ns + (lag_ns if rule.compares else 0):
            trip = Trip(
                rule.name,
                rule.fault_id,
                now_ns - started_ns,
                violation.value,
                violation.limit,
                violation.unit,
                violation.text_en,
                violation.text_zh,
            )
            if rule.reaction == "S0":
                return Latched(trip, rule.reaction)
            later = later or Latched(trip, rule.reaction)
    return later


def _moved(
    points: tuple[tuple[int, float], ...], t_ns: int, hottest_c: float
) -> tuple[tuple[tuple[int, float], ...], float]:
    """The window with a new point, and the rate over it in K/min (NaN while it is shorter than the window)."""
    if points and t_ns - points[-1][0] < RATE_WINDOW_NS // 12:
        if t_ns - points[0][0] < RATE_WINDOW_NS:
            return points, float("nan")
        return points, (hottest_c - points[0][1]) / ((t_ns - points[0][0]) / 60e9)
    points = (*points, (t_ns, hottest_c))
    while len(points) > 1 and t_ns - points[1][0] >= RATE_WINDOW_NS:
        points = points[1:]
    if t_ns - points[0][0] < RATE_WINDOW_NS:
        return points, float("nan")
    return points, (hottest_c - points[0][1]) / ((t_ns - points[0][0]) / 60e9)
