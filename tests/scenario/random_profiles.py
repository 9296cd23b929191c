"""Random legal profiles, put together a step at a time, and random packs and benches to run them on.

Owns the text of a profile that is being written (`Draft`) and the strategies for its parts. What it writes is meant
to be legal; what the compiler or the check refuses nevertheless is thrown away by who asked for it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st

from packbench.config.bench import load_bench
from packbench.config.pack import load_pack
from packbench.core.limits import LimitSet
from packbench.core.specs import BenchSpec, PackSpec

CONFIGS = Path(__file__).parents[2] / "configs"
S = 1_000_000_000

Json = dict[str, Any]


def _pack(name: str) -> PackSpec:
    return load_pack((CONFIGS / f"packs/{name}.yaml").read_text(encoding="utf-8"), name)


def _bench(name: str) -> BenchSpec:
    return load_bench((CONFIGS / f"benches/{name}.yaml").read_text(encoding="utf-8"), name)


_NMC_CELLS = replace(
    _pack("nmc-96s"),
    name="nmc-4s",
    series=4,
    rated_capacity_ah=50.0,
    rated_energy_wh=4 * 3.65 * 50.0,
    temperature_sensors=2,
    max_power_w=2000.0,
    limits=replace(_pack("nmc-96s").limits, pack_voltage_max_v=4 * 4.23, pack_voltage_min_v=4 * 2.7),
)
PACKS: dict[str, tuple[PackSpec, BenchSpec]] = {
    "lfp-16s": (_pack("lfp-16s"), _bench("sim-lv")),
    "nmc-4s": (_NMC_CELLS, _bench("sim-lv")),
    "lmo-25ah": (_pack("lmo-25ah"), _bench("sim-cell")),
}
FAST = 2.0
"""The makers of these packs allow twice the rated current, so that a run is over sooner."""


@dataclass(frozen=True, slots=True, repr=False)
class Setting:
    """What a profile is run on."""

    pack: PackSpec
    bench: BenchSpec
    perfect: bool
    seed: int
    tight: bool
    """Limits of temperature and of the cells' spread that many runs come to."""

    def __repr__(self) -> str:
        return (
            f"setting({self.pack.name!r}, {dict(self.pack.plant)}, {self.bench.ambient_c:g}, "
            f"perfect={self.perfect}, seed={self.seed}, tight={self.tight})"
        )


@st.composite
def settings_of(draw: st.DrawFn) -> Setting:
    """A pack between new and worn, on a bench at a temperature between 8 and 38 degC."""
    name = draw(st.sampled_from(sorted(PACKS)))
    pack, _ = PACKS[name]
    worn = draw(st.booleans())
    plant: Json = {
        "soh": draw(st.sampled_from([0.56, 1.04]) | st.floats(0.56, 1.04)),
        "capacity_spread": draw(st.sampled_from([0.0, 0.005, 0.01])),
        "resistance_factor": 2.2 if worn else draw(st.floats(0.7, 1.6)),
        "resistance_spread": 0.02 if worn else draw(st.sampled_from([0.0, 0.05])),
        "imbalance_sd": draw(st.sampled_from([0.0, 0.004, 0.008])),
        "initial_soc": draw(st.floats(0.08, 0.95)),
        "seed": draw(st.integers(1, 1000)),
    }
    if pack.series > 1 and draw(st.booleans()):
        resistance_factor = 1.0 if worn else 1.25
        cell = {"cell": draw(st.integers(1, pack.series)), "capacity_factor": 0.95}
        plant["weak_cells"] = ({**cell, "resistance_factor": resistance_factor},)
    ambient_c, perfect, seed = draw(st.integers(8, 38)), draw(st.booleans()), draw(st.integers(1, 99))
    return setting(name, plant, ambient_c, perfect=perfect, seed=seed, tight=draw(chance(30)))


def setting(
    name: str, plant: Json, ambient_c: float, *, perfect: bool = True, seed: int = 1, tight: bool = False
) -> Setting:
    """One pack on its bench; in this form it is written when something was found."""
    pack, bench = PACKS[name]
    most_a = FAST * pack.rated_capacity_ah
    limits = replace(
        pack.limits,
        charge_current_max_a=most_a,
        discharge_current_max_a=most_a,
        temperature_max_c=46.0 if tight else 70.0,
        temperature_min_c=-10.0,
        temperature_rate_max_k_min=10.0,
        cell_spread_max_v=0.2 if tight else 0.9,
    )
    max_power_w = 1.3 * FAST * pack.rated_energy_wh
    pack = replace(pack, limits=limits, plant=MappingProxyType(plant), max_power_w=max_power_w)
    return Setting(pack, _eased(bench, pack, ambient_c), perfect, seed, tight)


def _eased(bench: BenchSpec, pack: PackSpec, ambient_c: float) -> BenchSpec:
    """A bench that can do all of the pack's, and asks less often: what is looked for does not hang on it."""
    wide = LimitSet(
        pack_voltage_max_v=5.5 * pack.series,
        pack_voltage_min_v=0.5,
        charge_current_max_a=3.0 * FAST * pack.rated_capacity_ah,
        discharge_current_max_a=3.0 * FAST * pack.rated_capacity_ah,
    )
    rated = {
        "rated_voltage_v": 6.0 * pack.series,
        "rated_current_a": 3.0 * FAST * pack.rated_capacity_ah,
        "rated_power_w": 20.0 * FAST * pack.rated_energy_wh,
    }
    cycler = replace(
        bench.cycler,
        poll_period_ns=S,
        stale_after_ns=5 * S // 2,
        settings=MappingProxyType({**bench.cycler.settings, **rated}),
    )
    return replace(
        bench,
        ambient_c=float(ambient_c),
        cycler=cycler,
        bms=replace(bench.bms, stale_after_ns=5 * S),
        heartbeat_period_ns=S // 4 - S // 100,
        limits=MappingProxyType(dict.fromkeys(bench.limits, wide)),
    )


@dataclass(slots=True)
class Draft:
    """A profile as far as it has been written."""

    blocks: list[list[Json]] = field(default_factory=lambda: [[]])
    """Open lists of steps: the profile's, and those of the loops that are open."""
    loops: list[Json] = field(default_factory=list[Json])
    """What the open loops will be, the outermost first."""
    labels: list[str] = field(default_factory=list[str])
    """Of steps that a formula may look back at, wherever it stands."""
    driven: list[str] = field(default_factory=list[str])
    variables: list[str] = field(default_factory=list[str])
    """Charges, by `set`."""
    rounds: list[str] = field(default_factory=list[str])
    """Variables of open loops: currents."""
    waiting: list[str] = field(default_factory=list[str])
    """Labels that a jump goes to, and that no step has yet."""
    count: int = 0

    def label(self) -> str:
        """A new one."""
        self.count += 1
        return f"s{self.count}"

    def bring(self, step: Json) -> None:
        """Begin with a pack that is full, or empty."""
        (kind,) = step
        self.driven.append(self.add(kind, **step[kind]))

    def add(self, kind: str, **keys: Any) -> str:
        """One more step, at the end of what is open. Returns its label."""
        label = keys.pop("label", None) or self.label()
        self.blocks[-1].append({kind: {"label": label, **keys}})
        return label

    def text(self) -> str:
        """The whole profile; what is open is closed, what is waited for comes at its end."""
        while self.loops:
            self.close()
        for label in self.waiting:
            self.blocks[0].append({"rest": {"label": label, "for": "3 s"}})
        self.waiting = []
        steps = self.blocks[0] or [{"rest": {"for": "1 s"}}]
        title = {"en": "random", "zh": "随机"}
        return json.dumps({"profile": "random", "title": title, "record": {"dt": "10 s"}, "steps": steps}, indent=1)

    def open(self, **keys: Any) -> None:
        """A loop begins."""
        self.loops.append(keys)
        self.blocks.append([])

    def close(self) -> None:
        """The innermost loop ends."""
        keys, steps = self.loops.pop(), self.blocks.pop()
        for name in keys.get("each", {}):
            self.rounds.remove(name)
        if steps:
            self.blocks[-1].append({"loop": {**keys, "steps": steps}})


CURRENTS = st.sampled_from(["C/3", "0.5C", "0.8C", "1C", "1.5C", "1.9C"])
TIMES = st.sampled_from(["7 s", "30 s", "2 min", "5 min 30 s", "12 min", "20 min"])
SHORT = st.sampled_from(["1 s", "4 s", "10 s", "40 s"])


def chance(percent: int) -> st.SearchStrategy[bool]:
    """True so often; it shrinks to False."""
    return st.integers(0, 99).map(lambda drawn: drawn >= 100 - percent)


FULL: Json = {
    "cccv_charge": {
        "current": "1C",
        "voltage": "pack_full",
        "end_current": "0.1C",
        "on_cell_limit": {"at": "cell_full", "action": "taper", "end_current": "0.1C"},
    }
}
EMPTY: Json = {"cc_discharge": {"current": "1C", "until": ["cell_min <= cell_cutoff", "voltage <= pack_cutoff"]}}
"""What brings a pack to where much is known of it."""


@st.composite
def conditions(draw: st.DrawFn, draft: Draft, kind: str) -> list[Any]:
    """Ends of a step: `kind` is "rest", "charge", "discharge" or "wave"."""
    several: list[Any] = []
    for _ in range(draw(st.integers(0, 2))):
        condition: Any = draw(_test(draft, kind))
        if draw(chance(20)):
            condition = {"all": [condition, draw(_test(draft, kind))]}
        extras: Json = {}
        if draw(chance(15)):
            extras["for"] = draw(SHORT)
        if draw(chance(15)):
            target = draw(st.sampled_from([*draft.waiting, ""])) or draft.label()
            if target not in draft.waiting:
                draft.waiting.append(target)
            extras["goto"] = target
        several.append({"when": condition, **extras} if extras else condition)
    return several


def _test(draft: Draft, kind: str) -> st.SearchStrategy[str]:
    tests = [
        st.sampled_from(["temperature_max >= 45 degC", "temperature_max <= 26 degC", "cell_spread >= 60 mV"]),
        st.sampled_from(["abs(dV/dt) <= 1 mV/min", "soc >= 80 %", "test_time >= 40 min", "test_ah >= 0.3 * rated"]),
    ]
    if kind in ("charge", "discharge"):
        tests += [
            _charge(draft).map(lambda amount: f"step_ah >= {amount}"),
            _charge(draft).map(lambda amount: f"cycle_ah >= {amount}"),
            st.sampled_from(["step_wh >= 0.1 * rated_energy", "current <= 0.1C"]),
            st.just("step_time >= 4 s"),
        ]
    if draft.loops:
        tests.append(st.sampled_from(["cycle >= 2", "cycle_time >= 10 min"]))
    if kind != "discharge":
        tests.append(
            st.sampled_from(["voltage >= pack_full", "cell_max >= cell_full", "cell_max >= cell_full - 60 mV"])
        )
    if kind != "charge":
        tests.append(
            st.sampled_from(["voltage <= pack_cutoff", "cell_min <= cell_cutoff", "cell_any <= cell_cutoff + 200 mV"])
        )
    return st.one_of(tests)


def _charge(draft: Draft) -> st.SearchStrategy[str]:
    """An amount of charge."""
    choices = ["0.02 * rated", "0.1 * rated", "0.3 * rated"]
    choices += [f"0.5 * ${name}" for name in draft.variables] + [f"0.7 * ah({label})" for label in draft.driven]
    return st.sampled_from(choices)


@st.composite
def ends(draw: st.DrawFn, draft: Draft, sign: int) -> Json:
    """The keys that end a step with current: seldom none but its cell limit, mostly a time as well."""
    keys: Json = {}
    until = draw(conditions(draft, "charge" if sign > 0 else "discharge"))
    if sign < 0 and draw(chance(80)):
        until += ["cell_min <= cell_cutoff", "voltage <= pack_cutoff"]
    if sign > 0 and draw(chance(75)):
        end = {"at": "cell_full", "action": draw(st.sampled_from(["taper", "end"]))}
        if end["action"] == "taper":
            end["end_current"] = "0.1C"
        keys["on_cell_limit"] = end
    if sign > 0 and draw(chance(30)):
        until.append("voltage >= pack_full")
    if draw(chance(60)) or not (until or keys):
        keys["for"] = draw(TIMES)
    if until:
        keys["until"] = until
    if draw(chance(8)) and "for" not in keys:
        keys["max_time"] = "15 min"
    return keys


def current_of(draft: Draft) -> st.SearchStrategy[str]:
    """A set-point, now and then a formula."""
    choices: list[st.SearchStrategy[str]] = [CURRENTS]
    if draft.variables:
        choices.append(st.sampled_from([f"${name} / 1 h" for name in draft.variables]))
    if draft.rounds:
        choices.append(st.sampled_from([f"${name}" for name in draft.rounds]))
    return st.one_of(choices)
