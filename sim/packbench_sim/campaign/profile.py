"""What a campaign's bench does: every state that a bench can be in, in under three minutes.

Owns the job. A low-voltage pack in a climate chamber with an insulation meter: every part that a fault can touch is
there, and the cells are few, so that an hour of the bench takes seconds.
"""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random
from typing import NamedTuple

from packbench.app.job import Job, Texts, job_of_texts, read_source
from packbench.core.limits import LimitSet
from packbench.core.specs import BenchSpec, PackSpec
from packbench.store.meta import Source
from packbench.store.sources import Remembering, library_of
from packbench_sim.campaign.draw import LASTS_S, Draw

PACK = "lfp-16s"
BENCH = "sim-climate-lv"
INSULATION = "insulation_min: 100 kohm"
NAME = "campaign.yaml"
_PROFILE = """\
profile: campaign
title: {en: "Every state of a bench in under three minutes", zh: "三分钟内经历台架的每种状态"}
record: {dt: 500 ms}
result: {capacity_of: down, temperature: [0 degC, 60 degC]}
limits: {pack_voltage_max: 53.9 V}
steps:
  - chamber: {temperature: CHAMBER degC}
  - rest: {label: settle, for: 10 s}
  - cccv_charge:
      label: up
      current: 0.5C
      voltage: 53.7 V
      for: 60 s
      end_current: 0.05C
      on_cell_limit: {at: cell_full, action: taper, end_current: 0.05C}
  - rest: {label: between, for: 15 s}
  - cc_discharge:
      label: down
      current: 0.5C
      for: 60 s
      until: [cell_min <= cell_cutoff, voltage <= pack_cutoff]
  - rest: {label: relax, for: 10 s}
  - end
"""
CHAMBER_C = 25.0
PROFILE = _PROFILE.replace("CHAMBER", f"{CHAMBER_C:g}")
IN_ROUNDS = """\
  - loop:
      repeat: 3
      steps:
        - cc_discharge:
            label: down
            current: 0.5C
            for: 20 s
            until: [cell_min <= cell_cutoff, voltage <= pack_cutoff]
"""
WITHIN = "resume: {within: 3 min}\n"
AWAY_NS = 200_000_000_000
"""Longer than that."""
STEP_SECONDS = {"settle": 10.0, "up": 60.0, "between": 15.0, "down": 60.0, "relax": 10.0}
"""How long each step lasts, undisturbed."""
ROW_S = 0.5
"""How far apart rows are."""
LOW_CELL_LIMIT_V = 3.352
"""Every pack of the campaign has a cell that gets there while it is charged, and most of the others do not."""
PROTECT_C = 45.0
END_CHARGE_A = 5.0
SLOW_A_S = 1250.0
"""A cycler that takes 40 ms for the test's current, and 80 ms for the pack's largest: the board waits as long."""


class Variant(NamedTuple):
    """What differs from seed to seed: a bug that one bench hides shows on another."""

    tapers: bool = False
    """A cell comes to the profile's limit while the pack is charged."""
    protects: bool = False
    """The pack must stay cooler than its file says; only the steps' own limits know."""
    rounds: bool = False
    """The discharge comes in rounds of a loop."""
    slow: bool = False
    """The cycler's current takes its time."""

    @property
    def cell_limit_v(self) -> float | None:
        """At which a charge is stepped down, where a cell gets there."""
        return LOW_CELL_LIMIT_V if self.tapers else None

    @property
    def protect(self) -> LimitSet:
        """What the steps allow at most."""
        return LimitSet(temperature_max_c=PROTECT_C) if self.protects else LimitSet()

    def placed(self, draw: Draw) -> Draw:
        """Where a cell's limit steps the charge down, its voltage is never held: what was to be then comes before."""
        if not self.tapers or draw.state not in ("charge_cc", "charge_cv"):
            return draw
        if draw.row == "sensor.frozen":
            # Its budget is of the test's whole current: with less, nothing has to move for longer.
            return replace(draw, state="discharge")
        longer = STEP_SECONDS["up"] / LASTS_S[draw.state]
        return replace(draw, state="charge_cc", after_s=draw.after_s * longer)

    def world(self, bench: BenchSpec, pack: PackSpec) -> tuple[BenchSpec, PackSpec]:
        """Bench and pack as they are, which no file has to say."""
        if self.slow:
            settings = {**bench.cycler.settings, "slew_a_s": SLOW_A_S}
            bench = replace(bench, cycler=replace(bench.cycler, settings=settings))
        if self.protects:
            pack = replace(pack, limits=replace(pack.limits, temperature_max_c=PROTECT_C))
        return bench, pack


PLAIN = Variant()


def variant_of(seed: int) -> Variant:
    """Drawn from a seed."""
    rng = Random(f"variant {seed}")
    return Variant(rng.random() < 0.25, rng.random() < 0.5, rng.random() < 0.5, rng.random() < 0.5)


def campaign_texts(variant: Variant = PLAIN) -> Texts:
    """The texts that the job is made of; faults of configuration change them."""
    profile = PROFILE
    if variant.tapers:
        profile = profile.replace("at: cell_full", f"at: {LOW_CELL_LIMIT_V:g} V")
    if variant.rounds:
        profile = (
            profile[: profile.index("  - cc_discharge")]
            + IN_ROUNDS
            + profile[profile.index("  - rest: {label: relax") :]
        )
    if variant.protects:
        within = f"protect: {{temperature_max: {PROTECT_C:g} degC}}"
        profile = re.sub(r"(- rest: .*)}", rf"\1, {within}}}", profile)
        profile = re.sub(r"^( +)(for: [26]0 s)$", rf"\1\2\n\1{within}", profile, flags=re.MULTILINE)
    pack = read_source("packs", PACK)
    # The shipped low-voltage pack asks for no insulation: nobody measures it on a bench for 60 V.
    pack = Source(name=pack.name, text=pack.text.replace("temperature_sensors:", f"{INSULATION}\ntemperature_sensors:"))
    bench = read_source("benches", BENCH)
    bench = Source(name=bench.name, text=bench.text + WITHIN)
    return Texts(Source(name=NAME, text=profile), pack, bench, (), ())


def campaign_job(texts: Texts | None = None) -> Job:
    """The job. Raises InputError for texts that are refused."""
    texts = texts or campaign_texts()
    return job_of_texts(texts, Remembering(library_of((), texts.profile.name), texts.profile.name))
