"""What a trial is to do, and the command that does it again.

Owns that description. Must not run anything.
"""

from __future__ import annotations

from dataclasses import dataclass

from packbench_sim.campaign.draw import Draw


@dataclass(frozen=True, slots=True)
class TrialSpec:
    """What a trial is to do."""

    seed: int
    minutes: float
    rows: tuple[str, ...]
    """The faults that may be drawn, in the catalogue's order."""
    pairs: bool = False
    """Two faults a life."""
    only: tuple[tuple[Draw, ...], ...] | None = None
    """These instead of what the seed draws, life by life: what a violation is shrunk to."""
    spoken_to: bool = True
    """Whether an operator may say something in the middle of a life."""

    def words(self) -> str:
        """What is the same in all trials of a campaign."""
        return f"{self.minutes:g} min, pairs {self.pairs}, {','.join(self.rows)}"

    def command(self) -> str:
        """What runs this trial again."""
        faults = "all" if len(self.rows) > 8 else ",".join(self.rows)
        pairs = " --pairs" if self.pairs else ""
        return (
            f"packbench campaign --seeds 1 --first-seed {self.seed} --minutes {self.minutes:g} --faults {faults}{pairs}"
        )
