"""Every row of the faults catalogue: what it is, what is promised, where it can be made true.

Owns the table. Must not know how a fault is made true (injector.py) nor how a rule reacts. Words and budgets are the
catalogue's; times run from the first sample or missed message that shows the fault to the command (coil, cycler off).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Reaction = Literal["S0", "S1", "HOLD", "REFUSE", "DISCARD", "NONE", "MARKED"]
State = Literal["connecting", "precharge", "rest", "charge_cc", "charge_cv", "discharge", "stopping", "tripped"]

S = 1_000_000_000
MS = 1_000_000

CURRENT: frozenset[str] = frozenset({"charge_cc", "charge_cv", "discharge"})
CLOSED: frozenset[str] = CURRENT | {"rest"}
STARTING: frozenset[str] = frozenset({"connecting", "precharge"})
ALIVE: frozenset[str] = CLOSED | STARTING | {"stopping"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row."""

    id: str
    title: str
    reaction: Reaction
    budget_ns: int | None
    """None: a REFUSE where nothing flows yet, or nothing has to be done."""
    states: frozenset[str]
    """Of the controller, in which it can occur."""
    by: Literal["off", "coil"] = "coil"
    """Which command the budget runs to: a cycler that ignores "off" is stopped by the coil alone."""
    rules: tuple[str, ...] = ()
    """Fault ids by which a run may report it besides its own."""
    along: tuple[str, ...] = ()
    """Fault ids of stops that may come along with one that is to be borne."""
    pending: str = ""
    """Why it cannot be made true yet."""
    refuses: bool = False
    """Seen before the test has begun, it refuses the run; the budget is for one that runs."""
    not_held: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    """States in which the promise is not kept, and why."""

    @property
    def part(self) -> str:
        """What breaks: the word before the dot."""
        return self.id.partition(".")[0]


NOTHING: Mapping[str, str] = MappingProxyType({})


def _row(
    name: str,
    title: str,
    reaction: Reaction,
    budget_s: float | None,
    states: frozenset[str],
    *rules: str,
    by: Literal["off", "coil"] = "off",
    along: tuple[str, ...] = (),
    refuses: bool = False,
    not_held: Mapping[str, str] = NOTHING,
) -> Row:
    budget_ns = None if budget_s is None else round(budget_s * S)
    return Row(name, title, reaction, budget_ns, states, by, rules, along, refuses=refuses, not_held=not_held)


def _pending(name: str, title: str, reaction: Reaction, why: str) -> Row:
    return Row(name, title, reaction, None, frozenset(), pending=why)


MATCHED = (
    "the cycler brings its terminals to the pack's voltage before precharge: the contactor closes on less than its "
    "threshold, and a relay that does not close is not seen"
)
AT_CLAMP = "within 0.5 % of the voltage clamp less current than asked is right: nothing tells the two apart"
STEP_AFTER = (
    "3 % off, and a step of the current within half a second of the first wrong reading: the jump itself counts as "
    "how fast the voltage moves, and the next reading comes a little late; up to 1.1 s"
)
NO_API = "the HTTP interface does not exist yet"
NO_LINE = "the production line's interfaces do not exist yet"
NO_CAN = "the campaign's bench has no CAN bus; tests/scenario/test_gbt27930_run.py has one"


TRIPPED = ("power.board_tripped",)
CYCLER_GONE = ("comms.cycler_lost", "comms.link_lost")
BOARD_GONE = ("power.board_tripped", "comms.board_lost")
NONSENSE = (
    "comms.bms_lost",
    "sensor.thermo_open",
    "sensor.weak_cell",
    "sensor.cells_missing",
    "sensor.scale",
    "pack.bms_alarm",
)
"""What values that are none may be reported as: some are plausible by chance."""

ROWS: tuple[Row, ...] = (
    _row("comms.host_dead", "the controller's process dies", "S0", 0.6, ALIVE, by="coil"),
    _row(
        "comms.loop_stuck",
        "the control loop stands still, its supervisor lives",
        "S0",
        0.9,
        CLOSED,
        "comms.board_lost",
        *CYCLER_GONE,
        by="coil",
    ),
    _row(
        "comms.nuisance",
        "a slow disk must not trip the board",
        "NONE",
        None,
        CLOSED,
        along=("sensor.cells_missing",),
    ),
    _row("comms.cycler_lost", "the cycler's link is lost", "S0", 2.0, ALIVE, "comms.link_lost"),
    _row("comms.bms_lost", "the BMS's link is lost", "S1", 3.5, ALIVE),
    _row("comms.late_reply", "a reply comes after its time-out", "DISCARD", None, CLOSED),
    _row("comms.wrong_unit", "a reply names another unit", "DISCARD", None, CLOSED),
    _row("comms.noise", "a reply arrives damaged, with noise before it", "DISCARD", None, ALIVE),
    _row("comms.reconnect", "the cycler's link is lost and comes back", "S0", 2.0, CURRENT, *CYCLER_GONE),
    _row(
        "comms.half_write",
        "a command to the cycler is lost, doubled or half done",
        "DISCARD",
        None,
        CLOSED,
        along=("comms.link_lost",),
    ),
    _pending("comms.can_off", "CAN bus-off", "S1", NO_CAN),
    _row("sensor.frozen", "the BMS repeats its values with fresh stamps", "S1", 48.0, CURRENT, "sensor.scale"),
    _row(
        "sensor.sentinel",
        "a cell reads 65.535 V, or the cycler 125 %",
        "S1",
        3.5,
        ALIVE,
        "comms.bms_lost",
        "comms.cycler_lost",
        "comms.link_lost",  # a set-point that reads back so was not taken
    ),
    _row("sensor.sign", "the board's shunt is reversed", "REFUSE", None, frozenset({"connecting"})),
    _row("sensor.word_order", "the BMS's registers come with their bytes swapped", "S1", 3.5, ALIVE, *NONSENSE),
    _row(
        "sensor.scale",
        "the cycler's voltage is off by a factor of ten",
        "S1",
        1.0,
        CLOSED,
        "pack.deep_cell",
        "power.load_dump",
        refuses=True,
        not_held=dict.fromkeys(CLOSED, STEP_AFTER),
    ),
    _row("sensor.thermo_open", "a temperature sensor is open", "S1", 5.0, ALIVE, "comms.bms_lost"),
    _row(
        "sensor.sense_lead", "a sense lead of the cycler is open", "S1", 0.1, CURRENT, "pack.deep_cell", "sensor.scale"
    ),
    _row("sensor.cells_missing", "13 of 16 cells are reported", "S1", 1.0, ALIVE),
    _row(
        "sensor.weak_cell",
        "one cell passes its limit",
        "S1",
        1.0,
        CURRENT | {"rest", "connecting"},
        "sensor.scale",
        "power.load_dump",  # at the clamp it lifts the pack beyond its limit, and the cycler is read more often
    ),
    _row("power.ignores_off", 'the cycler ignores "off"', "S0", 0.5, CURRENT, by="coil"),
    _row("power.weld", "the contactor welds", "MARKED", None, CLOSED | {"connecting"}, "power.board_tripped"),
    _row("power.opened_hot", "the contactor opens under load", "S1", 0.2, CURRENT, "power.board_tripped"),
    _row(
        "power.precharge",
        "precharge fails",
        "REFUSE",
        None,
        STARTING,
        not_held=dict.fromkeys(STARTING, MATCHED),
    ),
    _row("power.load_dump", "the pack opens its contactor", "S1", 3.0, CURRENT, "power.setpoint", "sensor.scale"),
    _row("power.reversed", "the pack is connected the wrong way round", "REFUSE", None, frozenset({"connecting"})),
    _row(
        "power.reclose", "old frames are sent to the board again", "NONE", None, frozenset({"tripped"}), along=TRIPPED
    ),
    _row(
        "power.overcurrent",
        "the cycler delivers more than the shunt's limit",
        "S0",
        0.02,
        CURRENT,
        "power.board_tripped",
        "power.load_dump",  # at the clamp it is the pack's voltage that is beyond its limit first
    ),
    _row("power.mains", "the cycler loses its supply", "HOLD", 3.0, CURRENT, "sensor.scale", *CYCLER_GONE),
    _row("power.cooling", "the cooling fails: 3 K/min", "S1", 10.0, CLOSED, "pack.runaway", "pack.bms_alarm"),
    _row(
        "power.setpoint",
        "the output settles at 80 % of its set-point",
        "S1",
        3.0,
        frozenset({"charge_cc", "discharge"}),
        not_held={"charge_cc": AT_CLAMP},
    ),
    _row("pack.runaway", "gas, and 20 K/min", "S0", 0.1, CLOSED, "power.board_tripped", by="coil"),
    _row("pack.insulation", "50 kohm to the case", "S1", 1.0, ALIVE, "comms.meter_lost", refuses=True),
    _row("pack.deep_cell", "a deeply discharged cell", "REFUSE", None, frozenset({"connecting"}), "sensor.weak_cell"),
    _row("pack.bms_reset", "the BMS resets: ten seconds of silence", "S1", 3.5, CLOSED, "comms.bms_lost"),
    _row("pack.balancing", "the BMS balances", "MARKED", None, CLOSED),
    _row("pack.hvil", "interlock loop, door or emergency stop", "S0", 0.1, ALIVE, "power.board_tripped", by="coil"),
    _row("host.clock_jump", "the wall clock jumps", "NONE", None, ALIVE),
    _row("host.tick_wrap", "the board's 32-bit tick wraps", "NONE", None, frozenset()),
    _row("host.reboot", "the machine restarts", "S0", 0.6, CLOSED, by="coil"),
    _row("host.port_swap", "the system swaps the names of two ports", "REFUSE", None, frozenset({"connecting"})),
    _row("host.exception", "an error that nobody foresaw", "S0", 0.9, CLOSED, by="coil"),
    _row(
        "host.mcu_hang",
        "the board's microcontroller hangs; while a bench is connected, its clock is slow",
        "S0",
        0.25,
        CLOSED | {"connecting"},
        *BOARD_GONE,
        by="coil",
    ),
    _row("store.power_cut", "the power fails during a write", "S0", 0.6, CLOSED, by="coil"),
    _row("store.fsync", "the disk reports an error", "S1", 6.0, CLOSED, "comms.link_lost"),
    _row("store.full", "the disk is full", "S1", 60.0, CLOSED, "comms.link_lost"),
    _row("store.corrupt", "a letter of the finished record changes", "MARKED", None, frozenset({"stopping"})),
    _row("config.yaml", "a file that YAML reads otherwise than meant", "REFUSE", None, frozenset({"connecting"})),
    _row("config.limit", "a limit that nobody states", "REFUSE", None, frozenset({"connecting"})),
    _row("config.mismatch", "the board holds another configuration", "REFUSE", None, frozenset({"connecting"})),
    _row("config.resume", "a resumption without a person's word", "REFUSE", None, frozenset({"connecting"})),
    _pending("net.csrf", "CSRF, DNS rebinding", "REFUSE", NO_API),
    _pending("net.lan_trust", "trust by LAN address", "REFUSE", NO_API),
    _row(
        "net.rogue_writer",
        "another master writes to the cycler",
        "S1",
        3.0,
        CURRENT,
        "power.setpoint",
        "power.overcurrent",
        "power.load_dump",
        "sensor.scale",
    ),
    _row("net.malformed", "garbage on a device's line", "DISCARD", None, ALIVE),
    _pending("net.traversal", "path traversal, key timing", "REFUSE", NO_API),
    _pending("net.default_login", "default credentials", "REFUSE", NO_API),
    _pending("line.serial", "blank, duplicate or wrong serial", "REFUSE", NO_LINE),
    _pending("line.mes_down", "the MES is down", "HOLD", NO_LINE),
    _pending("line.pass_early", "PASS before it is stored", "MARKED", NO_LINE),
    _pending("line.plc_stuck", "a PLC's permit bit is stuck", "S1", NO_LINE),
)

BY_ID = {row.id: row for row in ROWS}
FORM_BUDGETS_NS: Mapping[str, int] = MappingProxyType({"power.overcurrent/forbids": 520 * MS})
"""Forms (faults.active) whose budget is not the row's. A current that the BMS allows no longer is known with the next
reading of the cycler, half a second later on the campaign's bench."""
BUDGETS_NS: Mapping[str, int | None] = MappingProxyType({**{row.id: row.budget_ns for row in ROWS}, **FORM_BUDGETS_NS})
INJECTABLE = tuple(row.id for row in ROWS if not row.pending)


def states_table() -> str:
    """Where each row can occur, as Markdown."""
    states: tuple[State, ...] = (
        "connecting", "precharge", "rest", "charge_cc", "charge_cv", "discharge", "stopping", "tripped",
    )  # fmt: skip
    lines = ["| row | reaction | budget | " + " | ".join(states) + " |", "|---|---|---|" + "---|" * len(states)]
    for row in ROWS:
        budget = "" if row.budget_ns is None else f"{row.budget_ns / S:g} s"
        marks = ["x" if state in row.states else "" for state in states]
        where = " | ".join(marks) if not row.pending else f"pending: {row.pending}" + " |" * (len(states) - 1)
        lines.append(f"| `{row.id}` | {row.reaction} | {budget} | {where} |")
    return "\n".join(lines)
