"""A pack, a bench and a clock for the tests of the simulated plant."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Literal

from packbench.core.limits import LimitSet
from packbench.core.specs import Accuracy, BenchSpec, DeviceSpec, Instrument, PackSpec
from packbench_sim.errors import InstrumentErrors
from packbench_sim.faults import Injection
from packbench_sim.plant import Plant

S = 1_000_000_000
FULL_V = {"nmc": 4.2, "lfp": 3.65, "lmo": 4.2}
CUTOFF_V = {"nmc": 2.8, "lfp": 2.5, "lmo": 2.7}
ALIKE: dict[str, Any] = {"capacity_spread": 0.0, "resistance_spread": 0.0, "self_discharge_per_day": 0.0}
"""Plant keys of a pack whose cells are all the same."""


def make_pack(chemistry: str = "nmc", series: int = 12, rated_ah: float = 100.0, **plant: Any) -> PackSpec:
    return PackSpec(
        name="test-pack",
        title="test pack",
        chemistry=chemistry,
        series=series,
        parallel=1,
        rated_capacity_ah=rated_ah,
        rated_energy_wh=3.6 * rated_ah * series,
        cell_cutoff_v=CUTOFF_V[chemistry],
        cell_full_v=FULL_V[chemistry],
        temperature_sensors=max(1, series // 6),
        max_power_w=50_000.0,
        limits=LimitSet(
            cell_voltage_max_v=FULL_V[chemistry] + 0.05,
            cell_voltage_min_v=CUTOFF_V[chemistry] - 0.3,
            charge_current_max_a=rated_ah,
            discharge_current_max_a=2.0 * rated_ah,
            temperature_max_c=55.0,
            temperature_min_c=0.0,
        ),
        plant=MappingProxyType({"seed": 7, **plant}),
    )


CYCLER_ACCURACIES = {
    "current_a": Accuracy(0.001, 0.05, resolution=0.01, noise=0.01),
    "voltage_v": Accuracy(0.0005, 0.06, resolution=0.02, noise=0.01),
    "time": Accuracy(5e-5, 0.0),
}
BMS_ACCURACIES = {
    "cell_voltage_v": Accuracy(0.0002, 0.002, resolution=0.001, noise=0.0003),
    "temperature_c": Accuracy(0.0, 1.0, resolution=0.1, noise=0.05),
    "voltage_v": Accuracy(0.001, 0.2, resolution=0.1, noise=0.02),
    "current_a": Accuracy(0.005, 0.2, resolution=0.1, noise=0.05),
}


def make_bench(
    sense_point: Literal["pack", "cycler"] = "cycler",
    cycler: dict[str, Accuracy] | None = None,
    bms: dict[str, Accuracy] | None = None,
    **ratings: float,
) -> BenchSpec:
    settings = {"rated_voltage_v": 500.0, "rated_current_a": 180.0, "rated_power_w": 30_000.0, **ratings}

    def device(role: Literal["cycler", "bms", "board"], name: str, poll_ns: int) -> DeviceSpec:
        return DeviceSpec(
            role, name, "emulated:pty", 1, poll_ns, 5 * S // 2, S // 5,
            MappingProxyType(dict(settings) if role == "cycler" else {}),
        )  # fmt: skip

    def instrument(name: str, quantities: dict[str, Accuracy]) -> Instrument:
        return Instrument(name, "1", "none", "2026-01-01", "2035-01-01", MappingProxyType(quantities))

    return BenchSpec(
        name="test-bench",
        title="test bench",
        cycler=device("cycler", "ea-psb", S // 2),
        bms=device("bms", "modbus-hv-bms", S),
        board=device("board", "packbench-board", S // 5),
        heartbeat_period_ns=S // 5,
        lease_ns=S // 2,
        contactor_release_ns=20_000_000,
        sense_point=sense_point,
        cable_resistance_ohm=0.004,
        cable_resistance_u_ohm=0.0002,
        ambient_c=25.0,
        limits=MappingProxyType({}),
        setpoint_tolerance_a=2.0,
        setpoint_delay_ns=2 * S,
        instruments=(
            instrument("cycler", CYCLER_ACCURACIES if cycler is None else cycler),
            instrument("bms", BMS_ACCURACIES if bms is None else bms),
        ),
    )


def make_plant(
    spec: PackSpec | None = None,
    bench: BenchSpec | None = None,
    errors: InstrumentErrors | None = None,
    *,
    seed: int = 1,
    injections: tuple[Injection, ...] = (),
    bms_period_ns: int | None = None,
    closed: bool = True,
) -> Plant:
    """A plant with perfect instruments and its contactor closed, one second old."""
    spec = make_pack() if spec is None else spec
    plant = Plant(
        spec,
        make_bench() if bench is None else bench,
        InstrumentErrors.none(spec.series) if errors is None else errors,
        seed=seed,
        injections=injections,
        bms_period_ns=bms_period_ns,
    )
    if closed:
        plant.contactor.drive(0, closed=True)
    plant.advance_to(S)
    return plant


def drive(plant: Plant, current_a: float, voltage_v: float | None = None) -> None:
    """Command a signed current, by default with a voltage that never takes over."""
    if voltage_v is None:
        voltage_v = 499.0 if current_a > 0.0 else 0.0
    plant.cycler.command(
        plant.now_ns,
        output_on=True,
        voltage_v=voltage_v,
        source_current_a=max(current_a, 0.0),
        sink_current_a=max(-current_a, 0.0),
    )


def pass_time(plant: Plant, seconds: float, step_s: float = 0.5) -> None:
    """Poll the plant every step_s for that long."""
    step_ns = round(step_s * S)
    for _ in range(round(seconds / step_s)):
        plant.advance_to(plant.now_ns + step_ns)


def switch_off(plant: Plant) -> None:
    plant.cycler.command(plant.now_ns, output_on=False, voltage_v=0.0, source_current_a=0.0, sink_current_a=0.0)


class ManualClock:
    """A clock that moves when told to, or when someone sleeps on it."""

    boot_id = "test"

    def __init__(self, now_ns: int = S) -> None:
        self.t_ns = now_ns

    def now_ns(self) -> int:
        return self.t_ns

    async def sleep_until(self, t_ns: int) -> None:
        self.t_ns = max(self.t_ns, t_ns)

    def call_at(self, t_ns: int, callback: Callable[[], object]) -> None:
        raise AssertionError("a direct driver sets no timers")

    def wall(self):
        raise AssertionError("the plant has no use for a wall clock")
