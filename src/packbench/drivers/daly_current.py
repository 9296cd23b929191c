"""Which way a Daly board's current flows, and the check that nobody has it the wrong way round.

Owns the option `raw_above_30000` and the comparison with the board's own word for what it is doing; both Daly drivers
share it. It exists because the sources contradict each other: the A5 document and the vendor's Modbus sheet say that a
raw current above 30000 discharges, captures of D2 and p81 boards show it charging, and a sign that is wrong turns every
current limit into its opposite.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from packbench.core.errors import BadReply, InputError, Problem
from packbench.wire.daly.a5_data import CHARGING, DISCHARGING, HigherRaw

OPTION: Final = "raw_above_30000"
CERTAIN_FROM_A: Final = 1.0
"""Below this a board may call itself idle, or what it did a moment ago."""


def higher_raw(settings: Mapping[str, Any]) -> HigherRaw:
    """The option's value. Raises InputError for a word that is none of the two."""
    match settings[OPTION]:
        case "charge":
            return "charge"
        case "discharge":
            return "discharge"
        case other:
            raise InputError(Problem("", field=OPTION, found=repr(other), expected="charge or discharge"))


def check_direction(activity: int, current_a: float) -> None:
    """Hold a current (positive charges) against the board's state. Raises BadReply when they contradict each other."""
    opposite = {CHARGING: current_a < -CERTAIN_FROM_A, DISCHARGING: current_a > CERTAIN_FROM_A}
    if opposite.get(activity, False):
        doing = "charging" if activity == CHARGING else "discharging"
        raise BadReply(
            f"the board says that it is {doing}, its current reads as {current_a:+.1f} A (positive charges): if that "
            f"stays so, the option {OPTION} is the wrong way round for this board"
        )
