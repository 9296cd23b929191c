"""The profiles that are broken in one place each, the files beside them, and how a mutation is written.

`§` in a replacement marks where the problem must point.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from packbench.core.errors import InputError, Problem
from packbench.profile.plan import SourceFile

BASE = """\
profile: base
title: {en: Base, zh: 基准}
limits: {temperature_max: 45 degC}
record: {dt: 5 s}
result:
  capacity_of: discharge
  temperature: [17 degC, 37 degC]
steps:
  - loop:
      repeat: 5
      until: capacity within 3 % of rated for 2 cycles
      steps:
        - cccv_charge:
            label: charge
            current: 1 I3
            voltage: pack_full
            end_current: 0.05 I1
            on_cell_limit: {at: cell_full, action: taper, end_current: 0.05 I1}
        - rest: {for: 30 min}
        - cc_discharge:
            label: discharge
            current: 1 I5
            until:
              - cell_min <= cell_cutoff
              - {when: voltage <= pack_cutoff, for: 1 s}
        - rest: {label: cool, for: 30 min}
  - end: {verdict: pass}
"""
"""A capacity: loop, agreement, CC-CV, discharge."""

CHARGE = "steps[1].loop.steps[1].cccv_charge"
REST = "steps[1].loop.steps[2].rest"
DISCHARGE = "steps[1].loop.steps[3].cc_discharge"

RICH = """\
profile: rich
title: {en: Rich, zh: 全}
parameters: {rate: 1 I3, target: 50 %, stay: 1 h 30 min}
record: {dt: 5 s, around: {before: 1 s, after: 5 s, dt: 200 ms}}
steps:
  - pause:
      label: look
      prompt: {en: Is it sound?, zh: 外观是否完好?}
      answers:
        sound: {en: It is, zh: 完好}
        damaged: {en: It is not, zh: 异常, goto: rejected}
  - soak: {label: warm, temperature: 25 degC, within: 2 K, stable_for: 1 h}
  - profile: {label: full, use: charge, with: {current: $rate}}
  - set: {used: 0 Ah, rounds: 0}
  - loop:
      label: levels
      each: {soc: [90 %, 50 %, 10 %], hit_rate: [0.2C, 0.3C, 0.1C]}
      steps:
        - cc_discharge:
            label: down
            current: $rate
            until:
              - step_ah >= (1 - $soc) * rated - $used
              - any:
                  - cell_min <= cell_cutoff
                  - voltage <= pack_cutoff
                goto: empty
        - rest: {label: settle, until: {when: abs(dV/dt) <= 1 V/h, over: 10 min}, for: 1 h}
        - pulse:
            label: hit
            train:
              - {discharge: $hit_rate, for: 10 s}
              - {rest: 40 s}
              - {charge: 0.75 * $hit_rate, for: 10 s, read_outs: [1 s, 10 s]}
            read_outs: [2 s, 10 s]
        - set:
            used: $used + ah(down) + ah(hit)
            rounds: $rounds + 1
            ohm: resistance(hit, 10 s)
  - goto: {to: hot, when: temperature_max >= 40 degC}
  - power_profile:
      label: drive
      points: [[0 s, -5 kW], [60 s, 2 kW], [90 s, 0 W]]
      peak: 20 %Pmax
      repeat: 5
      until:
        all: [cell_min <= 3.1 V, step_time >= 1 min]
  - cp_discharge: {label: steady, power: 10 kW, for: 10 min, until: cell_min <= 3.1 V}
  - cr_discharge: {resistance: 15 ohm, for: 10 min, until: cell_min <= 3.1 V}
  - cv_charge:
      voltage: 340 V
      current: 0.2C
      end_current: 0.05C
      on_cell_limit: {at: cell_full, action: end}
  - rest: {label: hot, until: step_time >= $stay}
  - chamber: {stop: true}
  - end: {label: empty}
  - end: {label: rejected, verdict: fail, reason: {en: It was damaged, zh: 外观异常}}
"""
"""Everything else: questions, chamber, sub-profile, variables, pulses, tables, jumps."""

LEVELS = "steps[5].loop"
DOWN = f"{LEVELS}.steps[1].cc_discharge"
HIT = f"{LEVELS}.steps[3].pulse"
DRIVE = "steps[7].power_profile"

FILES = {
    "charge": """\
profile: charge
title: {en: Charge, zh: 充电}
parameters: {current: 1 I3, end: 0.05 I1}
limits: {temperature_max: 43 degC}
steps:
  - cccv_charge:
      label: cccv
      current: $current
      voltage: pack_full
      end_current: $end
      on_cell_limit: {at: cell_full, action: taper, end_current: $end}
  - rest: {label: rest, for: 30 min}
  - set: {charged: ah(cccv)}
  - end
""",
    "itself": "profile: itself\ntitle: {en: I, zh: 我}\nsteps:\n  - profile: {use: itself}\n",
    "one": "profile: one\ntitle: {en: One, zh: 一}\nsteps:\n  - profile: {use: other}\n",
    "other": "profile: other\ntitle: {en: Two, zh: 二}\nsteps:\n  - profile: {use: one}\n",
    "broken": "profile: broken\ntitle: {en: B, zh: 坏}\nsteps:\n  - rest: {for: 30}\n",
    "wide": "profile: wide\ntitle: {en: W, zh: 宽}\nlimits: {temperature_max: 70 degC}\nsteps:\n  - rest: {for: 1 s}\n",
    "too-much": "profile: m\ntitle: {en: M, zh: 多}\nsteps:\n  - cc_charge: {current: 9C, for: 1 s}\n",
    "nothing": "profile: nothing\ntitle: {en: None, zh: 无}\nsteps: [end]\n",
    "no-table.csv": "t,p\n0,1\n",
    "semicolons.csv": "time_s;power_w\n0;1,5\n1;0\n",
    "backwards.csv": "time_s,power_w\n0,-1000\n2,500\n1,0\n",
    "late.csv": "time_s,power_w\n1,-1000\n2,500\n",
    "text.csv": "time_s,power_w\n0,-1000\n1,much\n2,0\n",
    "comma.csv": "time_s,power_w\n0,-1000\n1,5,0\n",
    "short.csv": "time_s,power_w\n0,-1000\n",
    "zeros.csv": "time_s,power_w\n0,0\n1,0\n",
    "huge.csv": "time_s,power_w\n0,-1000\n1,-90000\n2,0\n",
    "bom.csv": "\ufefftime_s,power_w\r\n0,-1000\r\n1.5,5e2\r\n\r\n2,0\r\n",
}
"""What the profiles may name."""


@dataclass(frozen=True)
class Broken:
    """Replace `old` by `new` in `base`; the problem at `§` has this field, found and expected."""

    name: str
    old: str
    new: str
    field: str
    found: str
    expected: str
    base: str = BASE
    file: str = ""
    """Where the problem is, when it is in another file; `place` then says where."""
    place: tuple[int, int] | None = None


def beside(name: str, user: str) -> SourceFile:
    """The library of the tests."""
    if name not in FILES:
        raise InputError(Problem("no such file", file=user, found=repr(name), expected="one of the test's files"))
    text = FILES[name]
    return SourceFile(name, text, hashlib.sha256(text.encode()).hexdigest())
