"""How a verification is shown to a person: each step's charge and energy by its rows, and what does not hold."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from packbench.analysis.closure import Closed
from packbench.app.verifying import Whole

_STEPS_MAX = 60
"""Longer runs are told by --json in full; here the steps that do not hold are, and the first ones."""


def closure_table(whole: Whole) -> Table:
    """One line a step."""
    table = Table(box=None, pad_edge=False)
    headings = ("Step", "", "Rows", "Longest", "Ah", "rows differ by", "Wh", "rows differ by", "explained")
    for index, heading in enumerate(headings):
        table.add_column(heading, no_wrap=True, justify="left" if index == 1 else "right")
    spacing = {one.number: one for one in whole.continuity.spacing}
    for step in whole.closure.steps[:_STEPS_MAX]:
        charge, energy = step.charge_ah, step.energy_wh
        holds = charge.holds and energy.holds
        table.add_row(
            str(step.number),
            step.label,
            f"{step.rows:,}",
            f"{spacing[step.number].longest_ns / 1e9:.3f} s",
            f"{charge.stored:.4f}",
            _off(charge),
            f"{energy.stored:.3f}",
            _off(energy),
            f"{energy.allowed:.3g}",
            style=None if holds else "red",
        )
    left = len(whole.closure.steps) - _STEPS_MAX
    if left > 0:
        table.add_row("", f"and {left} more", *[""] * (len(headings) - 2))
    return table


def told(whole: Whole) -> list[Text]:
    """What does not hold, one a line; what could not be checked."""
    texts = [Text(f"{found.where}: {found.what}", style="red") for found in whole.findings]
    if whole.unchecked is not None:
        texts.append(Text(f"The rows' spacing was not checked: {whole.unchecked}", style="yellow"))
    return texts


def _off(closed: Closed) -> str:
    return f"{closed.difference:+.2g}"
