"""What the record of a life that is over says: its trips, whether the BMS balanced, and what it comes to.

Owns these questions. Must not know what the life's fault was: whether an answer is right is the trial's to say, save
for what no result may ever be.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from packbench.app.conclude import DATA_NAME, conclude
from packbench.core.errors import InputError, VerificationFailed
from packbench.store.reader import RunReader

EDGES = 0.55 / 20.0
"""What a reading more or less at the edges of the campaign's shortest discharge may come to: where one is lost right
after a slow cycler's first, half of a second is a trapezoid's guess."""
UNSEEN_SHARE = 0.005
_SUMS = re.compile(r"stored samples give (-?[\d.]+) \w+, the count during the run (-?[\d.]+)")


def balanced(folder: Path) -> bool:
    """Whether the BMS balanced at any time of the run."""
    with RunReader.open(folder / DATA_NAME) as reader:
        return any(event.data.get("active") for event in reader.events("balancing"))


def tripped(folder: Path) -> str:
    """The trips in the record, whatever the run's outcome says; empty: none."""
    with suppress(InputError, VerificationFailed), RunReader.open(folder / DATA_NAME) as reader:
        return ", ".join(trip.fault_id for trip in reader.trips())
    return ""


def unsound(folder: Path) -> list[tuple[str, str]]:
    """(of what, in words) of a result that hides something. Writes the result beside the record.

    A run that has recorded nothing, or whose disk failed before the seal, has no result.
    """
    try:
        result = conclude(folder, "en", with_report=False).result
    except (InputError, VerificationFailed):
        return []
    found: list[tuple[str, str]] = []
    reasons = result.invalid_reasons
    if result.trips and (result.verdict != "ABORTED" or not _says(reasons, "stopped by safety")):
        found.append(("result", f"{result.verdict}, although it was stopped by safety"))
    if balanced(folder) and result.steps and not _says(reasons, "the BMS balanced"):
        found.append(("pack.balancing", "nothing says that the BMS balanced"))
    if result.verdict != "ABORTED" and _hidden(folder) and not _says(reasons, "flowed unseen"):
        found.append(("I8", "a resumed discharge counts, although much of it may have flowed unseen"))
    for reason in reasons:
        # The profile's own sums and the samples are of the same readings, whatever the readings are worth.
        sums = _SUMS.search(reason)
        if sums is not None and abs(float(sums[1]) - float(sums[2])) > EDGES * abs(float(sums[2])):
            found.append(("I8", reason))
    return found


def _hidden(folder: Path) -> bool:
    """Whether more of the discharge may have flowed in gaps than a result may leave open."""
    with RunReader.open(folder / DATA_NAME) as reader:
        gaps, steps = reader.gaps(), reader.steps()
    # Of several rounds the last one counts.
    for step in [step for step in steps if step.kind == "cc_discharge"][-1:]:
        inside = [gap for gap in gaps if gap.ended_ns > step.started_ns and gap.started_ns < step.ended_ns]
        return sum(gap.unseen_ah or 0.0 for gap in inside) > UNSEEN_SHARE * -step.charge_ah
    return False


def _says(reasons: tuple[str, ...], words: str) -> bool:
    return any(words in reason for reason in reasons)
