"""I2, I9 and I12: limits are kept, set-points stay within them, and nothing delays a stop.

Owns a merge of the limits of its own and a clock for each limit that a delivered reading has passed. Must not use
`merge_limits`, the rules of `safety`, or anything the host concluded.

I2. Seen: readings that were delivered (lines.py), then the commands that reach the cycler, its true current and the
    coil. From the delivery: off command within 100 ms, |I| < 1 A within 500 ms, coil off within 1 s (the contact's
    release comes on top, and a welded one cannot open). Added to all three: the rule's stated delay (spread, sum of
    cells: 1 s, and one period of the readings, since a delay ends with a reading) and 50 ms, within which the rest of
    a poll's replies comes and which an "off" may wait behind another device's exchange. Margins, because what the host
    has in hand was rounded by the protocol: three times the reading's noise and one step of its resolution; currents
    also the bench's set-point tolerance, as its rule has it. A value that no pack can have is no reading and has no
    limit. Where the cycler's line does not carry what is sent (or the cycler ignores it), the current's budget ends
    with the contactor's. The pack's voltage counts once the board says that its sequence is done; the sum of cells
    once the set-point has stood for 3 s. Not judged: a step's own `protect`, rates, and the dynamic limits of a BMS
    unless asked.
I9. Seen: every command that reaches the cycler. With the output on, both currents and the voltage lie within the
    tightest limits; tolerance: one step of a 16-bit register over the rating, and the cable's drop on the voltage.
    `refusal_missing` tells whether a bench without a limit was refused.
I12. As I2, and an operator's stop (output off within 100 + 50 ms), while the disk or the screen is in trouble
    (`impaired`): the same budgets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from math import isfinite

from packbench.core.errors import InputError
from packbench.core.limits import LimitSet
from packbench_board.codes import Phase
from packbench_sim.bms import Measurement
from packbench_sim.invariants.board import FLOWS_A, BoardWatch
from packbench_sim.invariants.lines import Delivered
from packbench_sim.invariants.violation import MS, NEVER_NS, Report, S, Violation
from packbench_sim.world import World

OFF_NS, CURRENT_NS, OPEN_NS = 100 * MS, 500 * MS, 1000 * MS
LINE_NS = 50 * MS
DELAY_NS = 1 * S
REGISTER_STEPS = 50_000
"""The coarsest register of a cycler has about so many steps to its rating."""
SUM_SHARE = 0.012
STEADY_NS = 3 * S
CELL_V = (0.0, 6.0)
"""What a cell can have: outside of it a value is a sentinel."""
HURT_NS = 2 * S
POLL_NS = 200 * MS
"""Replies of one poll of the BMS are less apart than this."""
_DONE = int(Phase.DONE)


def tightest(layers: Mapping[str, LimitSet]) -> dict[str, float | None]:
    """Each limit's tightest value over the layers; None: nobody states it."""
    found: dict[str, float | None] = {}
    for field in fields(LimitSet):
        stated = [value for layer in layers.values() if (value := getattr(layer, field.name)) is not None]
        pick = max if field.name.endswith(("_min_v", "_min_c")) else min
        found[field.name] = pick(stated) if stated else None
    return found


def refusal_missing(name: str, layers: Mapping[str, LimitSet], start: Callable[[], object]) -> Violation | None:
    """I9, second half: `start` begins a run with these layers, of which none states `name`. It must refuse."""
    if tightest(layers)[name] is not None:
        raise ValueError(f"{name} is stated by a layer: nothing is to be refused")
    try:
        start()
    except InputError:
        return None
    return Violation("I9", 0, f"a run was begun although no layer states {name}", {"limit": name})


@dataclass(slots=True)
class Passed:
    """A limit that a delivered reading was beyond, and what must have happened by when."""

    rule: str
    since_ns: int
    value: float
    limit: float
    delay_ns: int
    off_by_ns: int
    current_by_ns: int
    open_by_ns: int
    invariant: str


class LimitWatch:
    """Follows one bench's limits. `due_ns`: when it wants to be asked (`overdue`)."""

    def __init__(
        self, world: World, layers: Mapping[str, LimitSet], board: BoardWatch, report: Report, *, dynamic: bool
    ) -> None:
        plant = world.plant
        self._plant, self._cycler, self._contactor = plant, plant.cycler, plant.contactor
        self._board, self._report = board, report
        self._bench, errors = plant.bench, plant.errors
        self._dynamic = dynamic
        self.limits = tightest(layers)
        """The tightest of each, by name."""
        rating = plant.cycler.rating
        self._step_v, self._step_a = rating.voltage_v / REGISTER_STEPS, rating.current_a / REGISTER_STEPS
        self._margin_v = self._step_v + 3.0 * errors.cycler_voltage.noise + errors.cycler_voltage.resolution
        self._margin_a = self._bench.setpoint_tolerance_a + self._step_a + errors.cycler_current.resolution
        self._margin_cell_v = max(3.0 * errors.bms_cell.noise + 0.001, 0.002)
        self._margin_k = 1.0
        self._cable_ohm = self._bench.cable_resistance_ohm if self._bench.sense_point == "cycler" else 0.0
        self._passed: dict[str, Passed] = {}
        self._fine: set[str] = set()
        """Rules that a reply of the poll under way was within."""
        self._bms_ns = -NEVER_NS
        self._pack_v: tuple[int, float] | None = None
        self._charge_a = self._discharge_a = float("inf")
        self._asked_on = False
        self._disobeyed = False
        self._stepped_ns = 0
        self._told = (0.0, 0.0)
        self._closed_ns = NEVER_NS
        self.impaired = False
        """The disk, the screen or another bystander is in trouble."""
        self.cycler_hurt: Callable[[int, int], bool] = lambda _now_ns, _within_ns: False
        """Whether the cycler's line has lately not carried what was sent."""
        self.due_ns = NEVER_NS

    # -- readings ----------------------------------------------------------------------------

    def on_delivered(self, reading: Delivered) -> None:
        """The host has a reading in hand, and a plausible one."""
        if reading.given.role == "cycler":
            self._on_cycler(reading.t_ns, *reading.given.values)
        else:
            self._on_bms(reading.t_ns, reading.given.values)

    def _on_cycler(self, t_ns: int, voltage_v: float, current_a: float) -> None:
        pack_v = voltage_v - current_a * self._cable_ohm
        limit, most = self.limits, self._margin_a
        self._above(t_ns, "charge_current", current_a, self._least(limit["charge_current_max_a"], self._charge_a), most)
        down_a = self._least(limit["discharge_current_max_a"], self._discharge_a)
        self._above(t_ns, "discharge_current", -current_a, down_a, most)
        done = self._board.phase == _DONE and not self._board.proving and self._contactor.closed
        self._pack_v = (t_ns, pack_v) if done and t_ns > self._closed_ns + S else None
        if self._pack_v is not None:
            self._above(t_ns, "pack_voltage_max", pack_v, limit["pack_voltage_max_v"], self._margin_v)
            self._below(t_ns, "pack_voltage_min", pack_v, limit["pack_voltage_min_v"], self._margin_v)

    def _on_bms(self, t_ns: int, reading: Measurement) -> None:
        if t_ns - self._bms_ns > POLL_NS:
            self._fine.clear()
        self._bms_ns = t_ns
        cells, temperatures, limit = reading[0], reading[3], self.limits
        high, low = float(cells.max()), float(cells.min())
        hot, cold = float(temperatures.max()), float(temperatures.min())
        margin_v = self._margin_cell_v
        self._above(t_ns, "cell_max", high, limit["cell_voltage_max_v"], margin_v)
        self._below(t_ns, "cell_min", low, limit["cell_voltage_min_v"], margin_v)
        self._above(t_ns, "temperature_max", hot, limit["temperature_max_c"], self._margin_k)
        self._below(t_ns, "temperature_min", cold, limit["temperature_min_c"], self._margin_k)
        delay_ns = DELAY_NS + self._bench.bms.poll_period_ns
        self._above(t_ns, "cell_spread", high - low, limit["cell_spread_max_v"], 2.0 * margin_v, delay_ns)
        self._sum(t_ns, float(cells.sum()), len(cells), delay_ns)
        if self._dynamic:
            self._charge_a, self._discharge_a = reading[8], reading[9]

    def _sum(self, t_ns: int, sum_v: float, count: int, delay_ns: int) -> None:
        pack, steady = self._pack_v, t_ns - self._stepped_ns > STEADY_NS
        if count != self._plant.spec.series or pack is None or not steady or not pack[1] > 0.0:
            self._passed.pop("cell_sum", None)
            return
        delay_ns += self._bench.cycler.poll_period_ns
        self._above(t_ns, "cell_sum", abs(sum_v - pack[1]), SUM_SHARE * pack[1], self._margin_v, delay_ns)

    @staticmethod
    def _least(stated: float | None, dynamic: float) -> float | None:
        return dynamic if stated is None and isfinite(dynamic) else stated if stated is None else min(stated, dynamic)

    def _below(self, t_ns: int, rule: str, value: float, limit: float | None, margin: float) -> None:
        self._judge(t_ns, rule, limit is not None and value < limit - margin, value, limit, 0)

    def _above(self, t_ns: int, rule: str, value: float, limit: float | None, margin: float, delay_ns: int = 0) -> None:
        self._judge(t_ns, rule, limit is not None and value > limit + margin, value, limit, delay_ns)

    def _judge(self, t_ns: int, rule: str, beyond: bool, value: float, limit: float | None, delay_ns: int) -> None:
        passed = self._passed.get(rule)
        if not beyond or limit is None:
            # A poll of several replies: the host may have taken these values from this one, and the next poll tells.
            self._fine.add(rule)
            if passed is not None and t_ns < passed.since_ns + passed.delay_ns + LINE_NS:
                # What the host has of this poll may be of the reading that was not beyond.
                del self._passed[rule]
        elif passed is None and rule not in self._fine:
            self._start(rule, t_ns, value, limit, delay_ns)

    def _start(self, rule: str, t_ns: int, value: float, limit: float, delay_ns: int) -> None:
        from_ns = t_ns + delay_ns + LINE_NS
        invariant = "I12" if self.impaired else "I2"
        self._passed[rule] = Passed(
            rule, t_ns, value, limit, delay_ns, from_ns + OFF_NS, from_ns + CURRENT_NS, from_ns + OPEN_NS, invariant
        )
        self.due_ns = min(self.due_ns, from_ns + OFF_NS)

    def operator_stops(self, t_ns: int) -> None:
        """An operator has said "abort": the output must go off, whatever else is in trouble."""
        by_ns = t_ns + LINE_NS + OFF_NS
        self._passed["operator_stop"] = Passed("operator_stop", t_ns, 0.0, 0.0, 0, by_ns, NEVER_NS, NEVER_NS, "I12")
        self.due_ns = min(self.due_ns, by_ns)

    def operator_refused(self) -> None:
        """What an operator said was not taken, and binds nobody."""
        self._passed.pop("operator_stop", None)

    def forget(self) -> None:
        """Whoever had these readings is gone."""
        self._passed.clear()
        self.due_ns = NEVER_NS

    # -- commands ----------------------------------------------------------------------------

    def on_command(self, t_ns: int, output_on: bool, voltage_v: float, source_a: float, sink_a: float) -> None:
        """A command reaches the cycler."""
        self._disobeyed = False
        self._asked_on = output_on
        if abs(source_a - self._told[0]) + abs(sink_a - self._told[1]) > self._bench.setpoint_tolerance_a:
            self._stepped_ns = t_ns
        self._told = (source_a, sink_a)
        if not output_on:
            return
        limit, drop_v = self.limits, max(source_a, sink_a) * self._cable_ohm + self._step_v
        checks = (
            ("charge_current_max_a", source_a, 1.0, self._step_a),
            ("discharge_current_max_a", sink_a, 1.0, self._step_a),
            ("pack_voltage_max_v", voltage_v, 1.0, drop_v),
            ("pack_voltage_min_v", voltage_v, -1.0, drop_v),
        )
        for name, value, sign, tolerance in checks:
            stated = limit[name]
            if stated is None:
                self._report(Violation("I9", t_ns, f"the output goes on although no layer states {name}"))
            elif sign * (value - stated) > tolerance:
                text = f"the cycler is told {value:.3f}, the tightest {name} is {stated:.3f}"
                self._report(Violation("I9", t_ns, text, {"limit": name, "value": value, "stated": stated}))

    def on_move(self, t_ns: int, closes: bool) -> None:
        """The contact moves."""
        self._closed_ns = t_ns if closes else NEVER_NS

    # -- time --------------------------------------------------------------------------------

    def overdue(self, now_ns: int) -> None:
        """Time has come to `now_ns`, later than `due_ns`."""
        due_ns = NEVER_NS
        for passed in list(self._passed.values()):
            if now_ns > passed.off_by_ns:
                passed.off_by_ns = NEVER_NS
                self._require_off(passed, now_ns)
            if now_ns > passed.current_by_ns:
                passed.current_by_ns = NEVER_NS
                self._require_no_current(passed, now_ns)
            if now_ns > passed.open_by_ns:
                passed.open_by_ns = NEVER_NS
                if self._contactor.coil:
                    self._blame(passed, now_ns, "the contactor's coil is still on")
            next_ns = min(passed.off_by_ns, passed.current_by_ns, passed.open_by_ns)
            if next_ns == NEVER_NS:
                # Still beyond it, and still switched on, would begin anew with the next reading.
                del self._passed[passed.rule]
            due_ns = min(due_ns, next_ns)
        self.due_ns = due_ns

    def _require_off(self, passed: Passed, now_ns: int) -> None:
        if self._asked_on and self._cycler.enabled and not self.cycler_hurt(now_ns, HURT_NS):
            self._blame(passed, now_ns, "the cycler was not told to switch off")

    def _require_no_current(self, passed: Passed, now_ns: int) -> None:
        current_a = self._board.flowing_a(now_ns)
        if abs(current_a) < FLOWS_A:
            return
        disobeys = self._cycler.output_on and not (self._asked_on and self._cycler.enabled)
        late_ns = passed.open_by_ns + self._bench.contactor_release_ns
        if passed.open_by_ns != NEVER_NS and (disobeys or self.cycler_hurt(now_ns, HURT_NS)):
            passed.current_by_ns = late_ns
            return
        self._blame(passed, now_ns, f"{current_a:.1f} A still flow")

    def _blame(self, passed: Passed, now_ns: int, what: str) -> None:
        after_s = (now_ns - passed.since_ns) / 1e9
        invariant = "I12" if self.impaired else passed.invariant
        text = f"{passed.rule} at {passed.value:.4g} (limit {passed.limit:.4g}): {what} {after_s:.3f} s later"
        data = {"rule": passed.rule, "value": passed.value, "limit": passed.limit, "after_s": after_s}
        self._report(Violation(invariant, now_ns, text, data))


def plausible(reading: Measurement) -> bool:
    """Whether a measurement of the BMS is one that a pack can have."""
    cells, temperatures = reading[0], reading[3]
    if not len(cells) or not len(temperatures):
        return False
    low, high = float(cells.min()), float(cells.max())
    return (
        CELL_V[0] < low <= high < CELL_V[1] and -60.0 < float(temperatures.min()) <= float(temperatures.max()) < 200.0
    )
