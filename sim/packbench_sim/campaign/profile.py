"""What a campaign's bench does: every state that a bench can be in, in under three minutes.

Owns the job. A low-voltage pack in a climate chamber with an insulation meter: every part that a fault can touch is
there, and the cells are few, so that an hour of the bench takes seconds.
"""

from __future__ import annotations

from packbench.app.job import Job, Texts, job_of_texts, read_source
from packbench.store.meta import Source
from packbench.store.sources import Remembering, library_of

PACK = "lfp-16s"
BENCH = "sim-climate-lv"
INSULATION = "insulation_min: 100 kohm"
NAME = "campaign.yaml"
PROFILE = """\
profile: campaign
title: {en: "Every state of a bench in under three minutes", zh: "三分钟内经历台架的每种状态"}
record: {dt: 500 ms}
result: {capacity_of: down, temperature: [0 degC, 60 degC]}
limits: {pack_voltage_max: 54.5 V}
steps:
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
      until:
        - cell_min <= cell_cutoff
        - voltage <= pack_cutoff
  - rest: {label: relax, for: 10 s}
  - end
"""
STEP_SECONDS = {"settle": 10.0, "up": 60.0, "between": 15.0, "down": 60.0, "relax": 10.0}
"""How long each step lasts, undisturbed."""


def campaign_texts() -> Texts:
    """The texts that the job is made of; faults of configuration change them."""
    pack = read_source("packs", PACK)
    # The shipped low-voltage pack asks for no insulation: nobody measures it on a bench for 60 V.
    pack = Source(name=pack.name, text=pack.text.replace("temperature_sensors:", f"{INSULATION}\ntemperature_sensors:"))
    return Texts(Source(name=NAME, text=PROFILE), pack, read_source("benches", BENCH), (), ())


def campaign_job(texts: Texts | None = None) -> Job:
    """The job. Raises InputError for texts that are refused."""
    texts = texts or campaign_texts()
    return job_of_texts(texts, Remembering(library_of((), texts.profile.name), texts.profile.name))
