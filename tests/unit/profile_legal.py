"""Subtle but legal: profiles that look wrong, and are accepted, on the pack and bench named."""

from __future__ import annotations

from dataclasses import dataclass

from tests.unit.profile_mutants.bases import BASE, RICH


@dataclass(frozen=True)
class Legal:
    """A profile, most often one of the bases with `old` replaced by `new`."""

    name: str
    old: str
    new: str
    base: str = BASE
    pack: str = "nmc-96s"
    bench: str = "sim-climate"

    @property
    def text(self) -> str:
        """The profile itself."""
        assert self.base.count(self.old) == 1 or not self.old, f"{self.name}: {self.old!r} must stand once"
        return self.base.replace(self.old, self.new) if self.old else self.base


def steps(name: str, text: str, head: str = "", pack: str = "nmc-96s", bench: str = "sim-climate") -> Legal:
    """A profile of these steps alone."""
    whole = f"profile: t\ntitle: {{en: T, zh: 测}}\n{head}steps:\n{text}"
    return Legal(name, "", "", whole, pack, bench)


REST = "- rest: {for: 30 min}"
SETTLE = "until: {when: abs(dV/dt) <= 1 V/h, over: 10 min}"
DISCHARGE = "until: [cell_min <= cell_cutoff, voltage <= pack_cutoff]"

LEGAL = [
    Legal("loop of one, without agreement", "until: capacity within 3 % of rated for 2 cycles", "label: once"),
    Legal("agreement in ampere hours", "within 3 % of rated", "within 4.5 Ah"),
    Legal("exponent inside a quantity", "current: 1 I5", "current: 3e1 A"),
    Legal(
        "number with a signed exponent, quoted trap words",
        "title: {en: Base, zh: 基准}",
        "title: {en: 'off', zh: \"1:30\"}",
    ),
    Legal("until as one text", "- rest: {for: 30 min}", "- rest: {until: step_time >= 30 min}"),
    Legal(
        "until as one mapping with debounce",
        "- rest: {for: 30 min}",
        "- rest: {until: {when: temperature_max <= 30 degC, for: 10 s}}",
    ),
    Legal("for and until together", "- rest: {for: 30 min}", "- rest: {for: 2 h, until: temperature_max < 26 degC}"),
    Legal("goto the next step", "for: 1 s}", "for: 1 s, goto: cool}"),
    Legal("goto out of the loop to the end", "for: 1 s}", "for: 1 s, goto: end}"),
    Legal("compound time", "for: 30 min}\n        - cc", "for: 1 h 30 min}\n        - cc"),
    Legal("end as a bare word", "- end: {verdict: pass}", "- end"),
    Legal("end left out", "  - end: {verdict: pass}\n", ""),
    Legal("unicode comparison", "- cell_min <= cell_cutoff", "- cell_min ≤ cell_cutoff"),
    Legal("cut-off exactly at the maker's", "- cell_min <= cell_cutoff", "- cell_min <= 2.8 V"),
    Legal(
        "limits exactly at the pack's", "temperature_max: 45 degC", "temperature_max: 55 degC, charge_current_max: 1 I1"
    ),
    Legal(
        "nested loop", "        - rest: {for: 30 min}\n", "        - loop: {repeat: 2, steps: [rest: {for: 15 min}]}\n"
    ),
    Legal("charge to less than full", "voltage: pack_full", "voltage: 390 V"),
    Legal("rate as a limit", "temperature_max: 45 degC", "discharge_current_max: C/2"),
    Legal("record by voltage", "record: {dt: 5 s}", "record: {dt: 5 s, dV: 10 mV, dI: 1 A}"),
    Legal(
        "protect with a delay",
        "current: 1 I5",
        "current: 1 I5\n            protect: {temperature_max: 40 degC, delay: 5 s}",
    ),
    Legal("comment with a tab", "current: 1 I5", "current: 1 I5  #\ta tab in a comment"),
    Legal(
        "block text for the title", "title: {en: Base, zh: 基准}", "title:\n  en: >-\n    Base,\n    folded\n  zh: 基准"
    ),
    # Values and formulas.
    Legal("a magnitude of a formula", "current: 1 I5", "current: abs(-30 A)"),
    Legal("a rate over a rate of time", "current: 1 I5", "current: rated / 5 h"),
    Legal("a formula that comes to a literal", "voltage: pack_full", "voltage: 96 * (cell_full - 5 mV)"),
    Legal("min of a word and a literal", "current: 1 I5", "current: 'min(1 I5, 40 A)'"),
    Legal("minutes and hours in one parameter", "stay: 1 h 30 min", "stay: 90 min", RICH),
    Legal("a time of a formula", "until: step_time >= $stay", "until: step_time >= 2 * $stay - 1 h 30 min", RICH),
    Legal("a temperature and a difference", "temperature: 25 degC, within", "temperature: 20 degC + 5 K, within", RICH),
    Legal(
        "a variable named as a reading",
        "set: {used: 0 Ah, rounds: 0}",
        "set: {used: 0 Ah, rounds: 0, voltage: voltage}",
        RICH,
    ),
    Legal("a quoted n for a variable", "set: {used: 0 Ah, rounds: 0}", "set: {used: 0 Ah, rounds: 0, 'n': 0}", RICH),
    Legal(
        "one variable after another",
        "set: {used: 0 Ah, rounds: 0}",
        "set: {used: 0 Ah, rounds: 0, twice: 2 * $rounds}",
        RICH,
    ),
    Legal("the share of the maker's power with a space", "power: 10 kW", "power: 20 % Pmax", RICH),
    Legal("an eighth of the maker's power as a formula", "power: 10 kW", "power: Pmax / 8", RICH),
    Legal("kelvin by the hour", SETTLE, "until: {when: dT/dt <= 0.5 K/h, over: 30 min}", RICH),
    Legal("a falling rate", SETTLE, "until: {when: dV/dt >= -20 mV/min, over: 10 min}", RICH),
    Legal(
        "a bound that moves with another reading", SETTLE, "until: temperature_max <= chamber_temperature + 2 K", RICH
    ),
    Legal("one cell by its number", SETTLE, "until: cell_96 >= 3.3 V", RICH),
    Legal("any cell, from below and from above", SETTLE, "until: [cell_any >= 4.1 V, cell_any <= 2.9 V]", RICH),
    Legal("insulation by the volt", SETTLE, "until: insulation <= 100 ohm * voltage / 1 V", RICH),
    Legal("the last of three rounds", SETTLE, "until: cycle >= 3", RICH),
    Legal("all of one", SETTLE, "until: {all: [soc <= 99 %], for: 10 s}", RICH),
    Legal(
        "groups in groups",
        SETTLE,
        "until: {any: [{all: [soc >= 20 %, {any: [cell_min <= 3 V, cell_max >= 4 V]}]}, step_time >= 10 min]}",
        RICH,
    ),
    Legal("touching bounds", SETTLE, "until: {all: [cell_min >= 3.3 V, cell_max <= 3.3 V]}", RICH),
    Legal("no spaces around an operator", "- cell_min <= cell_cutoff", "- cell_min<=2.8V"),
    # Jumps, loops, ends.
    Legal("a jump of each answer", "sound: {en: It is, zh: 完好}", "sound: {en: It is, zh: 完好, goto: warm}", RICH),
    Legal(
        "an unnamed answer to go on",
        "      answers:\n        sound: {en: It is, zh: 完好}\n        damaged: {en: It is not, zh: 异常, goto: "
        "rejected}\n",
        "",
        RICH.replace("  - end: {label: rejected, verdict: fail, reason: {en: It was damaged, zh: 外观异常}}\n", ""),
    ),
    Legal(
        "a jump over a whole loop",
        "- set: {used: 0 Ah, rounds: 0}",
        "- set: {used: 0 Ah, rounds: 0}\n  - goto: {to: hot, when: soc <= 20 %}",
        RICH,
    ),
    Legal(
        "a jump to the beginning of a loop",
        "- set: {used: 0 Ah, rounds: 0}",
        "- set: {used: 0 Ah, rounds: 0}\n  - goto: {to: levels, when: soc <= 20 %}\n  - rest: {for: 1 h}",
        RICH,
    ),
    Legal(
        "an end that is left out, twice aimed at",
        "  - end: {label: empty}\n",
        "  - goto: end\n",
        RICH.replace("goto: empty", "goto: end"),
    ),
    Legal(
        "a jump to the end of this round",
        "        - rest: {label: cool, for: 30 min}",
        "        - rest: {label: cool, for: 30 min, until: {when: temperature_max <= 30 degC, goto: over}}\n    "
        "    - rest: {for: 1 h}\n        - rest: {label: over, for: 1 s}",
    ),
    steps(
        "a loop that a condition leaves",
        "  - loop: {repeat: 100, until: temperature_max >= 40 degC, steps: [rest: {for: 1 min}]}\n",
    ),
    steps(
        "a loop of one value",
        "  - loop: {each: {x: [5 A]}, steps: [rest: {for: 1 min}, cc_discharge: {current: $x, for: 1 min, "
        "until: cell_min <= cell_cutoff}]}\n",
    ),
    steps(
        "the same variable in two loops",
        "  - loop: {each: {x: [5 A, 6 A]}, steps: [cc_discharge: {current: $x, for: 1 min, until: cell_min <= "
        "cell_cutoff}]}\n  - loop: {each: {x: [1 h, 2 h]}, steps: [rest: {until: step_time >= $x}]}\n",
    ),
    steps(
        "what the round before came to",
        "  - loop: {repeat: 3, steps: [cc_discharge: {label: d, current: C/3, for: 1 h, until: [cell_min <= "
        "cell_cutoff, step_ah >= 0.9 * ah(d)]}, rest: {for: 1 h}]}\n",
    ),
    steps(
        "an energy that agrees",
        f"  - loop: {{repeat: 4, until: energy of d within 0.5 kWh for 3 cycles, steps: [cccv_charge: "
        f"{{current: C/3, voltage: pack_full, end_current: 0.05C, on_cell_limit: {{at: cell_full, action: "
        f"end}}}}, cc_discharge: {{label: d, current: C/3, {DISCHARGE}}}]}}\n",
    ),
    steps("nothing but an end", "  - end\n"),
    steps("an end of a failure alone", "  - end: {verdict: fail, reason: {en: not this one, zh: 不合格}}\n"),
    steps("a key without a value that is a step", "  - rest: {for: 1 s}\n  - end:\n"),
    # Sub-profiles.
    Legal("a sub-profile's own variable outside", "used: 0 Ah, rounds: 0", "used: 0 * $full.charged, rounds: 0", RICH),
    Legal("a sub-profile's step outside", "used: 0 Ah, rounds: 0", "used: 0 * ah(full.cccv), rounds: 0", RICH),
    Legal(
        "a sub-profile twice",
        "- set: {used: 0 Ah, rounds: 0}",
        "- profile: {use: charge}\n  - set: {used: 0 Ah, rounds: 0}",
        RICH,
    ),
    Legal(
        "a sub-profile as the first step of a loop",
        "      steps:\n        - cc_discharge:\n            label: down",
        "      steps:\n        - profile: {use: charge, with: {current: 0.9 * $rate}}\n        - "
        "cc_discharge:\n            label: down",
        RICH,
    ),
    steps(
        "a result of a sub-profile's discharge",
        f"  - profile: {{label: full, use: charge}}\n  - cc_discharge: {{label: d, current: 1 I5, {DISCHARGE}}}\n",
        "result: {capacity_of: d, temperature: [17 degC, 37 degC], min_soh: 80 %}\n",
    ),
    # Waveforms.
    Legal(
        "a read-out after its pulse, in the rest",
        "{discharge: $hit_rate, for: 10 s}",
        "{discharge: $hit_rate, for: 10 s, read_outs: [1 s, 10 s, 10.5 s, 40 s]}",
        RICH.replace("resistance(hit, 10 s)", "resistance(hit, 40 s)").replace(
            "            read_outs: [2 s, 10 s]\n", ""
        ),
    ),
    Legal("a read-out of a rest's own edge", "{rest: 40 s}", "{rest: 40 s, read_outs: [1 s, 30 s]}", RICH),
    Legal(
        "a read-out of the second round",
        "read_outs: [2 s, 10 s]",
        "read_outs: [2 s, 10 s]\n            repeat: 2",
        RICH.replace("resistance(hit, 10 s)", "'resistance(hit, 10 s, 4)'"),
    ),
    Legal("a table of a file from Windows", "points: [[0 s, -5 kW], [60 s, 2 kW], [90 s, 0 W]]", "file: bom.csv", RICH),
    Legal("a peak that varies from round to round", "peak: 20 %Pmax", "peak: $rounds * 5 %Pmax", RICH),
    steps("a table of rates", "  - current_profile: {points: [[0 s, -0.2C], [1 min, 0.1C], [90 s, 0 A]], repeat: 3}\n"),
    steps("a soak that ends by a time", "  - soak: {temperature: 40 degC, within: 2 K, stable_for: 1 h, for: 10 h}\n"),
    # Other packs and benches.
    steps(
        "a cell as a pack of one",
        f"  - cccv_charge: {{current: C/2, voltage: pack_full, end_current: 0.02C}}\n  - rest: {{for: 1 h}}\n  "
        f"- cc_discharge: {{current: 1C, {DISCHARGE}}}\n",
        "",
        "lmo-25ah",
        "sim-cell",
    ),
    steps(
        "a pack's voltage as its cell's, of one cell",
        "  - cc_discharge: {current: C/5, until: cell_min <= 1 * pack_cutoff}\n",
        "",
        "lmo-25ah",
        "sim-cell",
    ),
    steps(
        "cell_1 of a pack of one",
        "  - cc_discharge: {current: C/5, until: cell_1 <= 2.9 V}\n",
        "",
        "lmo-25ah",
        "sim-cell",
    ),
    steps(
        "an LFP plateau watched by energy",
        "  - cc_discharge: {current: 0.3C, until: [step_wh >= 0.5 * rated_energy, cell_min <= cell_cutoff, "
        "voltage <= pack_cutoff]}\n",
        "",
        "lfp-16s",
        "sim-lv",
    ),
    steps(
        "the sixteenth cell",
        "  - cc_charge: {current: 0.3C, until: cell_16 >= 3.6 V, on_cell_limit: {at: 3.6 V, action: end}}\n",
        "",
        "lfp-16s",
        "sim-lv",
    ),
    steps(
        "a discharge in constant resistance",
        f"  - cr_discharge: {{resistance: 4 ohm, {DISCHARGE}}}\n",
        "",
        "lfp-45s-176ah",
        "sim-mv",
    ),
]
