"""Configuration that is wrong in the ways in which configuration goes wrong.

Owns the changes to a job's texts. Each must be refused, with a place, before anything is switched on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from packbench.app.job import Texts
from packbench.core.errors import InputError
from packbench.store.meta import Source
from packbench_sim.campaign.profile import campaign_job

Change = Callable[[str], str]


def mutated(row: str, texts: Texts) -> Iterator[Texts]:
    """The texts with each fault of a row in turn: a mistake in one place is refused in that place alone."""
    for which, change in _CHANGES[row]:
        source: Source = getattr(texts, which)
        changed = change(source.text)
        if changed == source.text:
            raise AssertionError(f"{row} changes nothing in the {which}")
        yield replace(texts, **{which: Source(name=source.name, text=changed)})


def refusal(row: str, texts: Texts) -> str:
    """What the last of a row's faults was refused with; empty when one of them was accepted."""
    refused = ""
    for changed in mutated(row, texts):
        try:
            campaign_job(changed)
        except InputError as error:
            refused = str(error)
        else:
            return ""
    return refused


def _sub(pattern: str, instead: str) -> Change:
    return lambda text: re.sub(pattern, instead, text, count=1, flags=re.MULTILINE)


TEXTS = frozenset({"config.yaml", "config.limit"})
"""The rows that are made true here."""
_CHANGES: dict[str, tuple[tuple[str, Change], ...]] = {
    # What YAML would read as 90 seconds, as False, as text; a key that stands twice; a unit that is not there.
    "config.yaml": (
        ("profile", _sub(r"for: 10 s", "for: 1:30")),
        ("profile", _sub(r"current: 0.5C", "current: off")),
        ("profile", _sub(r"voltage: 53.7 V", "voltage: 1e3")),
        ("profile", _sub(r"for: 15 s", "for: 15")),
        ("profile", _sub(r"^record: (.*)$", r"record: \1\nrecord: {dt: 2 s}")),
        ("bench", _sub(r"poll: 500 ms", "poll: 500")),
        ("bench", _sub(r"^ambient: (.*)$", r"ambient: \1\nambient: 30 degC")),
        ("pack", _sub(r"^rated_capacity: 100 Ah", "rated_capacity: 100")),
    ),
    # A limit that nobody states, or that is beyond what the next layer allows.
    "config.limit": (
        *(
            ("pack", _sub(rf"^  {name}: .*\n", ""))
            for name in (
                "cell_voltage_max",
                "cell_voltage_min",
                "temperature_max",
                "temperature_min",
                "temperature_rate_max",
                "cell_spread_max",
            )
        ),
        ("bench", _sub(r"charge_current_max: 340 A", "charge_current_max: 900 A")),
        ("profile", _sub(r"voltage: 53.7 V", "voltage: 70 V")),
        ("profile", _sub(r"current: 0.5C", "current: 20C")),
    ),
}
