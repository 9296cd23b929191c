"""One cell on the simulated bench, and the same cell as PyBaMM's Thevenin model is given it.

Owns the cell of the comparison: without hysteresis, self-discharge and heat, on a bench whose instruments have no
errors. What runs it is the production engine in virtual time, at the level of objects.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from packbench.app.job import effective_limits
from packbench.app.virtual import NoJournal
from packbench.config.bench import load_bench
from packbench.core.limits import LimitSet
from packbench.core.records import StepRecord
from packbench.core.specs import BenchSpec, PackSpec
from packbench.files import find_config
from packbench.profile.language.compiler import compile_profile
from packbench.run.bench import BenchRun, RunOutcome
from packbench_sim.chemistry import SOC_GRID, SOC_GRID_STEP, chemistry
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.world import build_parts, direct_devices

CAPACITY_AH = 25.0
FULL_V = {"nmc": 4.2, "lfp": 3.65, "lmo": 4.2}
CUTOFF_V = {"nmc": 3.0, "lfp": 2.5, "lmo": 2.7}


@dataclass(slots=True)
class Ours(NoJournal):
    """What a run of ours came to."""

    steps: list[StepRecord] = field(default_factory=list)

    def put_step(self, record: StepRecord) -> int:
        self.steps.append(record)
        return 0


def run_ours(text: str, kind: str, *, initial_soc: float, sample_s: float) -> list[StepRecord]:
    """Run a profile's text on a cell of this chemistry, the cycler read every `sample_s`."""
    pack = cell_pack(kind, initial_soc)
    bench = cell_bench(sample_s)
    plan = compile_profile(text, "differential.yaml", pack)
    limits = effective_limits(plan, pack, bench)
    ours = Ours()

    async def main(clock: VirtualClock) -> RunOutcome:
        world = build_parts(bench, pack, start_ns=clock.now_ns(), seed=1, perfect=True)
        devices = direct_devices(world, clock, limits)
        return await BenchRun(clock, devices, plan, limits, bench, pack, ours, lambda *_: None).run(token=1)

    outcome = run_virtual(main)
    assert (outcome.finish.verdict, outcome.trip) == ("pass", None), outcome
    return ours.steps


def cell_pack(kind: str, initial_soc: float) -> PackSpec:
    """A pack of one cell; its limits stand where no profile here goes."""
    plant = {
        "initial_soc": initial_soc,
        "capacity_spread": 0.0,
        "resistance_spread": 0.0,
        "self_discharge_per_day": 0.0,
        "hysteresis": False,
        "entropic_heat": False,
        "thermal_tau_s": 1e-3,
    }
    return PackSpec(
        name="cell",
        title="a cell",
        chemistry=kind,
        series=1,
        parallel=1,
        rated_capacity_ah=CAPACITY_AH,
        rated_energy_wh=90.0,
        cell_cutoff_v=CUTOFF_V[kind],
        cell_full_v=FULL_V[kind],
        temperature_sensors=1,
        max_power_w=250.0,
        limits=LimitSet(
            pack_voltage_max_v=FULL_V[kind] + 0.2,
            pack_voltage_min_v=CUTOFF_V[kind] - 0.5,
            cell_voltage_max_v=FULL_V[kind] + 0.2,
            cell_voltage_min_v=CUTOFF_V[kind] - 0.5,
            charge_current_max_a=2.0 * CAPACITY_AH,
            discharge_current_max_a=2.0 * CAPACITY_AH,
            temperature_max_c=55.0,
            temperature_min_c=0.0,
            temperature_rate_max_k_min=2.0,
            cell_spread_max_v=0.5,
        ),
        plant=MappingProxyType(plant),
    )


def cell_bench(sample_s: float) -> BenchSpec:
    """The simulated cell bench at 25 degC, its cycler read every `sample_s`; its own limits left to the cell's."""
    path = find_config("benches", "sim-cell")
    bench = load_bench(path.read_text(encoding="utf-8"), str(path))
    cycler = replace(bench.cycler, poll_period_ns=round(sample_s * 1e9))
    return replace(bench, cycler=cycler, ambient_c=25.0, limits=MappingProxyType({}))


def thevenin_cell(kind: str, *, capacity: float = 1.0, r0: float = 1.0) -> dict[str, Any]:
    """The chemistry's tables as tests/contract/thevenin.py takes them; factors to show that a test can fail."""
    ocv_v, _, r1, r2, r0_ohm_ah, *_ = chemistry(kind).columns()
    return {
        "capacity_ah": capacity * CAPACITY_AH,
        "soc": SOC_GRID.tolist(),
        "soc_middle": (SOC_GRID + 0.5 * SOC_GRID_STEP).tolist(),
        "ocv_v": ocv_v.tolist(),
        "r0_ohm": (r0 * r0_ohm_ah / CAPACITY_AH).tolist(),
        "r1_ohm": (r1 / CAPACITY_AH).tolist(),
        "r2_ohm": (r2 / CAPACITY_AH).tolist(),
        "tau1_s": chemistry(kind).tau1_s,
        "tau2_s": chemistry(kind).tau2_s,
    }
