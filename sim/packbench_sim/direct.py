"""Drivers without bytes: the "object level" of a simulation.

Owns the step from the parts' readings to the drivers' samples, skipping codec and transport and
nothing else: same plant, same instrument errors, same faults. Must not hold logic that a real
driver would not have. It exists for sweeps and validation, where a run must take seconds.
"""

from __future__ import annotations

from packbench.clock import Clock
from packbench.core.errors import ReplyTimeout
from packbench.core.samples import BmsSample, ChamberSample, CyclerSample, FloatArray, MeterSample, bms_sample
from packbench.core.specs import DeviceSpec
from packbench.drivers.protocols import Identity, Setpoint
from packbench_sim.chamber import ClimateChamber
from packbench_sim.mains import Mains
from packbench_sim.plant import Plant

ENERGY_METERS = ("eastron-sdm",)
"""Meters on the bench's mains; every other one is on the pack."""


class DirectCycler:
    """Implements drivers.protocols.Cycler over the plant's cycler."""

    def __init__(self, plant: Plant, clock: Clock) -> None:
        self._plant, self._clock = plant, clock
        self._cycler = plant.cycler
        self._faults = plant.faults
        self._timeout_ns = plant.bench.cycler.reply_timeout_ns

    async def identify(self) -> Identity:
        """Who it is."""
        await self._heard()
        return Identity(f"{self._plant.bench.cycler.device} (object level)", "SIM-CYCLER", "1")

    async def prepare(self) -> None:
        """Output off, set-points zero."""
        await self.off()

    async def read(self) -> CyclerSample:
        """One reading. Raises ReplyTimeout while comms.cycler_lost is active."""
        if self._faults.cycler_silent:
            await self._heard()
        cycler = self._cycler
        t_ns = self._clock.now_ns()
        voltage_v, current_a = cycler.meters(t_ns)
        return CyclerSample(t_ns, voltage_v, current_a, cycler.output_on, cycler.regulation())

    async def apply(self, setpoint: Setpoint) -> None:
        """Set-points and output on."""
        await self._heard()
        current_a = setpoint.current_a
        self._cycler.command(
            self._clock.now_ns(),
            output_on=True,
            voltage_v=setpoint.voltage_v,
            source_current_a=max(current_a, 0.0),
            sink_current_a=max(-current_a, 0.0),
        )

    async def off(self) -> None:
        """Output off."""
        await self._heard()
        self._cycler.command(
            self._clock.now_ns(), output_on=False, voltage_v=0.0, source_current_a=0.0, sink_current_a=0.0
        )

    async def release(self) -> None:
        """Output off."""
        await self.off()

    async def _heard(self) -> None:
        """A silent device costs the reply time-out, then says nothing."""
        if self._faults.cycler_silent:
            await self._clock.sleep_until(self._clock.now_ns() + self._timeout_ns)
            raise ReplyTimeout("cycler: no reply")


class DirectBms:
    """Implements drivers.protocols.Bms over the plant's BMS."""

    def __init__(self, plant: Plant, clock: Clock) -> None:
        self._plant, self._clock = plant, clock
        self._bms = plant.bms
        self._faults = plant.faults
        self._timeout_ns = plant.bench.bms.reply_timeout_ns
        self._temperatures: FloatArray | None = None
        self._temperature_tuple: tuple[float, ...] = ()

    async def identify(self) -> Identity:
        """Who it is."""
        await self._heard()
        return Identity(f"{self._plant.bench.bms.device} (object level)", "SIM-BMS", "1")

    async def read(self) -> BmsSample:
        """One reading. Raises ReplyTimeout while comms.bms_lost is active."""
        if self._faults.bms_silent:
            await self._heard()
        t_ns = self._clock.now_ns()
        cells, voltage_v, current_a, temperatures, soc, soh, cycles, alarms, charge_a, discharge_a, balancing = (
            self._bms.measurement(t_ns)
        )
        if temperatures is not self._temperatures:
            self._temperatures = temperatures
            self._temperature_tuple = tuple(temperatures.tolist())
        return bms_sample(
            t_ns,
            cells,
            self._temperature_tuple,
            voltage_v=voltage_v,
            current_a=current_a,
            soc=soc,
            soh=soh,
            cycles=cycles,
            alarms=alarms,
            charge_limit_a=charge_a,
            discharge_limit_a=discharge_a,
            balancing=balancing,
        )

    async def _heard(self) -> None:
        if self._faults.bms_silent:
            await self._clock.sleep_until(self._clock.now_ns() + self._timeout_ns)
            raise ReplyTimeout("BMS: no reply")


class DirectChamber:
    """Implements drivers.protocols.Chamber over a chamber of its own, whose air is the plant's ambient."""

    def __init__(self, plant: Plant, clock: Clock, spec: DeviceSpec) -> None:
        self.chamber = ClimateChamber(plant.bench.ambient_c, plant.set_ambient)
        """What is behind it."""
        self._clock, self._spec = clock, spec
        self._faults = plant.faults

    async def identify(self) -> Identity:
        """Who it is."""
        await self._heard()
        return Identity(f"{self._spec.device} (object level)", "SIM-CHAMBER", "1")

    async def read(self) -> ChamberSample:
        """One reading. Raises ReplyTimeout while comms.chamber_lost is active; its air goes on either way."""
        t_ns = self._clock.now_ns()
        temperature_c = self.chamber.temperature_c(t_ns)
        await self._heard()
        return ChamberSample(t_ns, temperature_c, self.chamber.goal_c, self.chamber.running)

    async def hold(self, temperature_c: float) -> None:
        """Set-point, and run."""
        await self._heard()
        t_ns = self._clock.now_ns()
        self.chamber.set_goal(t_ns, temperature_c)
        self.chamber.run(t_ns, True)

    async def stop(self) -> None:
        """Stop conditioning."""
        await self._heard()
        self.chamber.run(self._clock.now_ns(), False)

    async def _heard(self) -> None:
        if self._faults.chamber_silent:
            await self._clock.sleep_until(self._clock.now_ns() + self._spec.reply_timeout_ns)
            raise ReplyTimeout("chamber: no reply")


class DirectMeter:
    """Implements drivers.protocols.Meter: the plant's insulation as it is, or the counters of its mains."""

    def __init__(self, plant: Plant, clock: Clock, spec: DeviceSpec) -> None:
        self._plant, self._clock, self._spec = plant, clock, spec
        self._mains = Mains(plant.energy_in_j) if spec.device in ENERGY_METERS else None
        counters = frozenset({"ac_import_wh", "ac_export_wh"})
        self.quantities = frozenset({"insulation_ohm"}) if self._mains is None else counters

    async def identify(self) -> Identity:
        """Who it is."""
        await self._heard()
        return Identity(f"{self._spec.device} (object level)", "SIM-METER", "1")

    async def read(self) -> MeterSample:
        """One reading. Raises ReplyTimeout while comms.meter_lost is active."""
        await self._heard()
        t_ns = self._clock.now_ns()
        if self._mains is None:
            return MeterSample(t_ns, {"insulation_ohm": self._plant.insulation_ohm(t_ns)})
        imported_wh, exported_wh = self._mains.counters_wh(t_ns)
        return MeterSample(t_ns, {"ac_import_wh": imported_wh, "ac_export_wh": exported_wh})

    async def _heard(self) -> None:
        if self._plant.faults.meter_silent:
            await self._clock.sleep_until(self._clock.now_ns() + self._spec.reply_timeout_ns)
            raise ReplyTimeout("meter: no reply")
