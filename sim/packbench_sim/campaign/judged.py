"""Whether a row's promise was kept: the reaction that was seen, against the one in the catalogue, within its budget.

Owns that judgement. It looks at what the world saw (watch.py) and at how the life ended, never at the host's state.
Times run from the first instant at which the fault could be seen to the command; a contactor's release comes on top.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from packbench_sim.campaign.report import Injection
from packbench_sim.campaign.watch import Watch
from packbench_sim.faults.active import FORBIDS, PASSING
from packbench_sim.faults.catalogue import CURRENT, FORM_BUDGETS_NS, Row
from packbench_sim.faults.injector import Injected

NS = 1_000_000_000
REFUSE_NS = 1 * NS
"""What a REFUSE without a budget of its own is given where the contactor was closed already."""
AT_PROOF = frozenset({"power.weld", "host.mcu_hang"})
"""Rows that the board's proof finds where they are true before it."""
OPENS_HOT = frozenset({"power.opened_hot", "power.mains", "store.fsync", "store.full"})
"""Rows of category 1 with which the contactor may still open under load."""
OPENS_COLD = frozenset({"comms.host_dead", "comms.loop_stuck", "host.reboot", "host.exception", "store.power_cut"})
"""Rows upon which the board acts alone, and the cycler obeys its enable: it waits until no current flows."""
UNDONE = frozenset({"net.rogue_writer", "power.setpoint", "power.load_dump"})
"""With the host's next command nothing is left to be seen of what another master has written; without current, of an
output that gives too little or a pack that has opened."""
OVER_CURRENT = "power.overcurrent"
COMMAND_LOST = "comms.link_lost"
"""A command whose answer is none is not known to have been taken: the run stops, as for `comms.half_write`. What is
borne is a reading that is none."""
FROZEN_AH, FROZEN_NS = 0.5, 3 * NS
"""`sensor.frozen`: five thousandths of the pack's charge, which its 48 s are at 37.5 A, and three readings."""
NEARLY = 0.99
AT_ONCE_NS = 20_000_000
OPEN_NS = 1 * NS
"""From the first command to the coil (I2: within a second)."""


@dataclass(frozen=True, slots=True)
class Life:
    """What is known of a life when it is over."""

    number: int
    began_ns: int
    """Of the trial's clock; and its end."""
    ended_ns: int
    verdict: str
    """Of its result; "killed", "refused", "error"."""
    trip: str
    """The fault id of its trip; empty: none."""
    marked: bool
    """Its record says that something was not as it should be."""
    watch: Watch
    opened_hot: bool = False
    """The contact opened while current flowed."""
    told_board_ns: int | None = None
    """When the host first told the board to trip; None: it did not."""
    moved_by_ns: Callable[[int, float], int | None] = lambda _from_ns, _ah: None
    """When so much charge had flowed since an instant; None: it never did."""


def judged(row: Row, injected: Injected, life: Life, origin_ns: int) -> Injection:
    """The injection with what came of it."""
    shown_ns = injected.shown_ns
    if shown_ns is None or shown_ns > life.ended_ns:
        own = life.trip == row.id or life.trip in row.rules
        if own and row.id == OVER_CURRENT and _stands_for_it_wrongly(row, injected, life):
            return _told(row, injected, life, origin_ns, None, False, f"too much current was stopped as {life.trip}")
        found = f"before that: {life.trip}" if own else "the run ended before it could be seen"
        return _told(row, injected, life, origin_ns, 0.0 if own else None, True, found)
    if injected.form == PASSING:
        return _gone_on(row, injected, life, origin_ns)
    budget_ns = row.budget_ns or 0
    if row.id in UNDONE and not life.trip and life.watch.told(shown_ns, shown_ns + budget_ns):
        return _told(row, injected, life, origin_ns, None, True, "the run's own next command undid it")
    if row.id in AT_PROOF and injected.state == "connecting":
        # The board proves that it opens before anything is driven.
        by_itself = life.verdict == "aborted" and not life.trip and row.id != "power.weld"
        refused = by_itself or life.trip == row.id or life.verdict in ("refused", "error")
        held = refused and not life.watch.flowed(shown_ns, life.ended_ns)
        if row.id != "power.weld":
            held = held and life.watch.coil_off_for_good_ns(shown_ns, life.ended_ns) is not None
        return _told(row, injected, life, origin_ns, None, held, life.trip or life.verdict)
    if row.reaction in ("DISCARD", "NONE", "MARKED"):
        return _gone_on(row, injected, life, origin_ns)
    if row.reaction == "REFUSE" and injected.state in ("connecting", "precharge"):
        # A wrong sign is found by a pulse: the contactor may have closed, and the test has not begun.
        refused = life.verdict != "pass" and not life.watch.flowed(shown_ns, life.ended_ns)
        return _told(row, injected, life, origin_ns, None, refused, life.verdict)
    return _stopped(row, injected, life, origin_ns, shown_ns)


def _stands_for_it_wrongly(row: Row, injected: Injected, life: Life) -> bool:
    """Whether a stop of category 1 stands for one of category 0: the voltage may be told, where it was first.

    (One reading that shows both is of category 0.) The board's own limit is not reached by what is judged here.
    """
    if life.trip == row.id:
        return False
    off_ns = life.watch.first_off_ns(injected.t_ns, life.ended_ns)
    return off_ns is not None and life.watch.read_beyond(injected.t_ns, off_ns)


def goes_on(injected: Injected, life: Life) -> bool:
    """Whether the cycler was told to deliver after a command to it had got no answer.

    Whoever asks waits for the answer until its time is over: what comes within `AT_ONCE_NS` is that command itself.
    """
    shown_ns = injected.shown_ns
    return shown_ns is not None and any(shown_ns + AT_ONCE_NS < at_ns <= life.ended_ns for at_ns in life.watch.ons)


def _gone_on(row: Row, injected: Injected, life: Life, origin_ns: int) -> Injection:
    """A fault that is to be borne: no trip of its making."""
    if row.reaction == "MARKED":
        marked = life.marked
        return _told(row, injected, life, origin_ns, None, marked, "marked" if marked else "the result counts")
    borne = not life.trip or life.trip in row.along or (injected.of_command() and life.trip == COMMAND_LOST)
    return _told(row, injected, life, origin_ns, None, borne, "borne" if borne else f"tripped: {life.trip}")


def _stopped(row: Row, injected: Injected, life: Life, origin_ns: int, shown_ns: int) -> Injection:
    """A fault that is to end the current, and open the contactor, for the rest of this life."""
    watch, budget_ns = life.watch, REFUSE_NS if row.budget_ns is None else row.budget_ns
    if row.id == "sensor.frozen":
        # Where the current ends just before that, the bench's own count may have been there already.
        moved_ns = life.moved_by_ns(shown_ns, FROZEN_AH) or life.moved_by_ns(shown_ns, NEARLY * FROZEN_AH)
        budget_ns = max(budget_ns, 0 if moved_ns is None else moved_ns - shown_ns + FROZEN_NS)
    budget_ns = FORM_BUDGETS_NS.get(_form(row, injected), budget_ns)
    open_ns = watch.coil_off_for_good_ns(shown_ns, life.ended_ns)
    ends_ns = watch.off_for_good_ns(shown_ns, life.ended_ns)
    if injected.form == FORBIDS and not life.trip and ends_ns is not None and ends_ns <= shown_ns + budget_ns:
        return _told(row, injected, life, origin_ns, None, True, "the step was over before that")
    if open_ns is None:
        return _told(row, injected, life, origin_ns, None, False, "the contactor stayed closed")
    off_ns = watch.off_for_good_ns(shown_ns, life.ended_ns) if row.by == "off" else None
    safe_ns = open_ns if off_ns is None else min(off_ns, open_ns)
    latency_ns = safe_ns - shown_ns
    held, found = True, life.trip or life.verdict
    own = life.trip == row.id or life.trip in row.rules
    if own and row.states <= CURRENT and off_ns is not None and latency_ns <= budget_ns:
        stop_ns = watch.first_off_ns(max(open_ns - OPEN_NS, off_ns), open_ns)
        if stop_ns is not None and stop_ns > off_ns + OPEN_NS:
            # Its budget is of current that flows, and the step was over first.
            return _told(row, injected, life, origin_ns, None, True, f"the step was over before that: {life.trip}")
    if life.trip and not own:
        held, found = False, f"stopped for another reason: {life.trip}"
    if latency_ns > budget_ns:
        held, found = False, f"after {latency_ns / NS:.3f} s, {budget_ns / NS:g} s promised"
    elif open_ns > max(safe_ns + OPEN_NS, shown_ns + budget_ns) and row.reaction != "HOLD":
        held, found = False, f"the contactor opened {(open_ns - safe_ns) / NS:.3f} s after the current's end"
    if held and row.reaction == "S1" and life.opened_hot and row.id not in OPENS_HOT:
        held, found = False, "the contactor opened under load"
    if held and life.opened_hot and row.id in OPENS_COLD:
        held, found = False, "the board opened the contactor under load"
    told_ns = life.told_board_ns
    if held and row.reaction == "S1" and life.trip == row.id and told_ns is not None and watch.told_on_at(told_ns):
        # The board spares the contact by its own wait: it is the second to do so.
        held, found = row.id in OPENS_HOT, "the board was told to open before the cycler was told to stop"
    if not held and row.refuses and life.verdict != "pass" and not watch.flowed(life.began_ns, life.ended_ns):
        return _told(row, injected, life, origin_ns, None, True, "refused")
    return _told(row, injected, life, origin_ns, latency_ns / NS, held, found)


def _told(
    row: Row, injected: Injected, life: Life, origin_ns: int, latency_s: float | None, held: bool, found: str
) -> Injection:
    shown_ns = injected.shown_ns
    return Injection(
        row=row.id,
        state=injected.state,
        life=life.number,
        t_s=(injected.t_ns - origin_ns) / NS,
        shown_s=None if shown_ns is None else (shown_ns - origin_ns) / NS,
        latency_s=latency_s,
        held=held,
        found=found,
        form=name if (name := _form(row, injected)) in FORM_BUDGETS_NS else "",
    )


def _form(row: Row, injected: Injected) -> str:
    return f"{row.id}/{injected.form}"
