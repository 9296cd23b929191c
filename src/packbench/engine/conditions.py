"""End conditions: comparing readings with their bounds, and how long that has held.

Owns the comparison and the debounce. What a variable means is `readings`'.

How long a condition has held is counted between the readings that show it, by their own times: a single reading is no
stretch of time, however long ago it was.
"""

from __future__ import annotations

from packbench.core.samples import Snapshot
from packbench.engine.evaluate import read_by, value_of
from packbench.engine.readings import READERS, Reading, Source, read_ns, reader_of, source_of
from packbench.engine.state import NOT_HELD
from packbench.profile.plan import SLOPE_WINDOW_NS, Condition, Test

_LOWEST = frozenset({"cell_min"})
_HIGHEST = frozenset({"cell_max"})


def holds(operator: str, value: float, bound: float) -> bool:
    """`value operator bound`; false for NaN."""
    if operator == ">=":
        return value >= bound
    if operator == "<=":
        return value <= bound
    return value > bound if operator == ">" else value < bound


def left_of(test: Test, reading: Reading) -> float:
    """The value of the test's variable."""
    if test.left is not None:
        return value_of(test.left, reading)
    reader = READERS.get(test.variable)
    if reader is not None:
        return reader(reading)
    if test.variable == "cell_any":
        return READERS["cell_max" if test.rising else "cell_min"](reading)
    return reader_of(test.variable)(reading)


def is_met(test: Test, reading: Reading) -> bool:
    """Whether a test is true at a moment."""
    bound = test.value if isinstance(test.value, float) else value_of(test.value, reading)
    return holds(test.operator, left_of(test, reading), bound)


def condition_holds(condition: Condition, reading: Reading) -> bool:
    """Whether all tests of a condition are true at a moment."""
    if condition.window_ns != SLOPE_WINDOW_NS:
        reading = reading._replace(window_ns=condition.window_ns)
    return all(is_met(test, reading) for test in condition.tests)


def names_of(test: Test) -> tuple[str, ...]:
    """The readings that a test looks at."""
    own = (test.variable,) if test.left is None else read_by(test.left)
    return (*own, *read_by(test.value))


def shown_ns(condition: Condition, reading: Reading) -> int:
    """The instant for which a condition has been looked at: of the oldest reading in it; now, for time alone."""
    sources: set[Source] = {source_of(name) for test in condition.tests for name in names_of(test)}
    read = [at_ns for source in sources if (at_ns := read_ns(source, reading.state, reading.snapshot)) is not None]
    return min(read, default=reading.now_ns)


def cell_behind(condition: Condition, snapshot: Snapshot) -> int | None:
    """The cell that made a condition true, from 1; None when no single cell did."""
    bms = snapshot.bms
    if bms is None:
        return None
    for test in condition.tests:
        name = test.variable
        if name == "cell_any":
            name = "cell_max" if test.rising else "cell_min"
        if name in _LOWEST:
            return bms.cell_min_index
        if name in _HIGHEST:
            return bms.cell_max_index
    return None


def first_met(
    conditions: tuple[Condition, ...], held_since_ns: tuple[int, ...], reading: Reading
) -> tuple[Condition | None, tuple[int, ...]]:
    """The first condition that has held long enough, and since when each one holds.

    Returns the given tuple itself when nothing changed.
    """
    changed: list[int] | None = None
    for position, condition in enumerate(conditions):
        since_ns = held_since_ns[position]
        if not condition_holds(condition, reading):
            if since_ns != NOT_HELD:
                changed = changed if changed is not None else list(held_since_ns)
                changed[position] = NOT_HELD
            continue
        at_ns = shown_ns(condition, reading) if condition.for_ns else reading.now_ns
        if since_ns == NOT_HELD:
            since_ns = at_ns
            changed = changed if changed is not None else list(held_since_ns)
            changed[position] = since_ns
        if at_ns - since_ns >= condition.for_ns:
            return condition, tuple(changed) if changed is not None else held_since_ns
    return None, tuple(changed) if changed is not None else held_since_ns
