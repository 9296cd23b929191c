"""What an EA PSB 9000/10000 is, whatever language it is told things in: registers, control, alarms, watchdog.

Owns the device's one state behind all of its interfaces: who controls it, the set values (as counts of the rating,
also those told in volts), what is accepted and not yet executed, alarms that latch, and the communication watchdog.
Must not know frames or texts: `ea_psb.py` speaks Modbus to it, `ea_psb_scpi.py` SCPI.

What the guide leaves open and is played so: that a protocol whose coil is off is not answered; that the watchdog
leaves remote control and switches off unless "DC after leaving remote" (coil 425) says otherwise; that the TCP
keep-alive, when on, replaces the idle close.
"""

from __future__ import annotations

from typing import Final, Literal

from packbench.maps.codec import Layout, compile_block
from packbench.maps.schema import DeviceType
from packbench.wire.scpi.device import ErrorQueue
from packbench_sim.devices.ea_psb_counts import ALARM_COUNTERS, TOTALS, EaCounts
from packbench_sim.devices.modbus_slave import ACCESS_DENIED, ILLEGAL_ADDRESS, ILLEGAL_VALUE, Refuse
from packbench_sim.devices.registers import RegisterSpace
from packbench_sim.parts import CyclerPart, CyclerReading

IN_LOCAL: Final = 0x17
SET_MAX: Final = 0xD0E5
PROTECT_MAX: Final = 0xE147
FULL: Final = 0xCCCC
S_NS: Final = 1_000_000_000

LOCATION: Final = {"usb": 3, "ethernet": 6}
FREE_BY_TIMEOUT: Final = 0x1C
_LOCAL: Final = 1
_STATE_2: Final = (511, 2)
"""Share-bus alarm, derating, SEMI F47: none of them happens here."""
_MASTER_SLAVE: Final = (650, 13)
"""A device alone: no totals of others, no slaves."""
_AFTER_POWER_UP: Final = 408
_CONTROLLER_SPEED: Final = 427
_AREAS: Final = (
    (0, 211),
    (_AFTER_POWER_UP, 1),
    (_CONTROLLER_SPEED, 1),
    (498, 12),
    _STATE_2,
    ALARM_COUNTERS,
    (550, 29),
    _MASTER_SLAVE,
    (9000, 10),
    (10566, 8),
    (10889, 1),
    TOTALS,
)
POWER_UP_OFF: Final = 0xFFFF
POWER_UP_RESTORE: Final = 0xFFFE
_SERIAL_GAP: Final = 10566
_IDLE_CLOSE: Final = (10889, 10573)
"""The built-in Ethernet port's, and that of an interface module: one time is behind both here."""
_REGULATION: Final = {"cv": 0b00, "cr": 0b01, "cc": 0b10, "cp": 0b11}
_LIMITS_OF: Final = {498: (None, 9005), 499: (9009, 9008), 500: (9001, 9000), 501: (9003, 9002), 502: (None, 9004)}
"""Set value to its lower and upper adjust limit."""

Interface = Literal["usb", "ethernet"]


class EaMachine:
    """The device behind its interfaces.

    Args:
        device: The map `ea-psb`.
        part: The simulated cycler; its ratings are the device's.
        interface: Which of its interfaces is played: the control location that it shows.
        limited: The compliance setting when it is switched on; see the attribute.
        execution_delay_ns: From the acceptance of a write to its execution.
        joint_read: Whether state and actual values may be read at once (unsure for the real device).
        remote_bit: Whether bit 11 of the state shows remote control; the guide's own example has it 0.
        switches_off: What an expired watchdog does while coil 425 says "off".
    """

    def __init__(
        self,
        device: DeviceType,
        part: CyclerPart,
        *,
        interface: Interface,
        limited: bool = True,
        execution_delay_ns: int = 3_000_000,
        joint_read: bool = True,
        remote_bit: bool = True,
        switches_off: bool = True,
    ) -> None:
        self.part = part
        self.coils = dict(device.coils)
        self.joint_read = joint_read
        self.switches_off = switches_off
        self._location = LOCATION[interface]
        self._remote_bit = remote_bit
        self._delay_ns = execution_delay_ns
        self._alarm_bit = {name: bit for bit, name in device.fields["alarms"].names}
        self.ratings = {
            "rated_voltage_v": part.rated_voltage_v,
            "rated_current_a": part.rated_current_a,
            "rated_power_w": part.rated_power_w,
        }
        self.space = RegisterSpace(device, _AREAS, self.ratings)
        self._live: Layout = compile_block(device, device.block("actuals"), self.ratings)
        self._live_area = self.space.area(505, 5)
        self._live_at = 2 * (505 - self._live_area.address)
        self.space.set({"device_class": 58, "model": "PSB simulated", "article": "00000000", "serial": "SIM0000001"})
        self.space.set({"firmware": "V3.02 simulated", **self.ratings})
        for number in (550, 553, 556, 569, 570):
            self._put(number, PROTECT_MAX)
        for number in (9000, 9002, 9004, 9005, 9006, 9007, 9008):
            self._put(number, SET_MAX)
        for number in (498, 502):
            self._put(number, FULL)
        self._put(_AFTER_POWER_UP, POWER_UP_OFF)
        self._put(_SERIAL_GAP, 5)
        for number in _IDLE_CLOSE:
            self._put(number, 5)
        self._over_voltage_v = self._over_current_a = self._sink_over_current_a = 0.0
        self._take_protections()
        self.remote = False
        self.local = False
        """Somebody holds the front panel in local control."""
        self.output_on = False
        self.keep_alive = False
        self.limited = limited
        """Coil 10013 is off, compliance "Limited": unit 0 alone, two bytes for a coil. On ("Full"): units 0 and 1."""
        self.speaks_modbus = True
        self.speaks_scpi = True
        self.on_after_power_fail = False
        self.resistance_mode = False
        """Coil 409 (UIR). Kept and shown; the simulated cycler regulates no resistance."""
        self.counts = EaCounts()
        self.on_after_remote = False
        """Coil 425: the output stays as it is when remote control ends."""
        self.latched: set[str] = set()
        self._present: set[str] = set()
        self._due: list[tuple[int, bool]] = []
        """Accepted and not yet executed: (instant, output on)."""
        self.monitored = False
        """The communication watchdog is armed."""
        self.monitor_s = 5
        self.timed_out = False
        """Control is free because the watchdog expired."""
        self._heard_ns = 0
        self.errors = ErrorQueue()
        """SCPI errors, whoever caused them."""
        self.events = 0
        """Bits of SCPI's questionable register that were set since it was last asked for."""

    # ---------------------------------------------------------------- time

    def advance(self, t_ns: int) -> int | None:
        """Execute what is due, and see whether the client has fallen silent; when to be called again."""
        monitored = self.monitored and self.remote
        if not self._due and not monitored:
            return None
        while self._due and self._due[0][0] <= t_ns:
            due_ns, on = self._due.pop(0)
            self._command(due_ns, on and self.output_on)
        wanted = [self._due[0][0]] if self._due else []
        if monitored:
            expires_ns = self._heard_ns + self.monitor_s * S_NS
            if t_ns >= expires_ns:
                self.remote, self.timed_out = False, True
                if self.switches_off and not self.on_after_remote:
                    self.output_on = False
                    self._command(t_ns, False)
            else:
                wanted.append(expires_ns)
        return min(wanted, default=None)

    def heard(self, t_ns: int) -> None:
        """A whole message came: the watchdog starts anew."""
        self._heard_ns = t_ns

    @property
    def idle_close_ns(self) -> int:
        """How long a TCP client may say nothing; 0: for ever."""
        return 0 if self.keep_alive else self.register(_IDLE_CLOSE[0]) * S_NS

    # ------------------------------------------------------------- control

    def require_remote(self) -> None:
        """Raises Refuse when set values may not be written."""
        if self.local:
            raise Refuse(IN_LOCAL)
        if not self.remote:
            raise Refuse(ACCESS_DENIED)

    def set_remote(self, t_ns: int, on: bool) -> None:
        """Take remote control, or give it back. Raises Refuse in local control."""
        if self.local:
            raise Refuse(IN_LOCAL)
        if self.remote and not on and not self.on_after_remote:
            self.switch(t_ns, False)
        self.remote = on
        self.timed_out = False

    def switch(self, t_ns: int, on: bool) -> None:
        """Output on or off, a little later."""
        self.output_on = on
        self._due.append((t_ns + self._delay_ns, on))

    # -------------------------------------------------------------- alarms

    def set_alarm(self, t_ns: int, name: str, *, present: bool, sink: bool = False) -> None:
        """Make the cause of an alarm appear (latches, is counted, output off) or go away (stays latched)."""
        if present:
            if name not in self._present:
                self.counts.alarm(name, sink=sink)
            self._present.add(name)
            self.latched.add(name)
            self.output_on = False
            self._command(t_ns, False)
        else:
            self._present.discard(name)

    def acknowledge(self) -> None:
        """Forget the alarms whose cause has gone."""
        self.latched &= self._present

    # ----------------------------------------------------------- registers

    def read(self, t_ns: int, address: int, count: int) -> bytes:
        """Registers as they are now. Raises Refuse."""
        area = self.space.area(address, count)
        if address + count > 505 and area is self._live_area:
            if not self.joint_read and address < 507 < address + count:
                raise Refuse(ILLEGAL_ADDRESS)
            self._live.encode_into(area.data, self._live_at, self._values(t_ns))
        elif area.address == ALARM_COUNTERS[0]:
            area.write(area.address, self.counts.alarm_registers())
        elif area.address == TOTALS[0]:
            self.measure(t_ns)
            area.write(area.address, self.counts.total_registers())
        return area.read(address, count)

    def write(self, t_ns: int, address: int, payload: bytes) -> None:
        """Accept registers. Raises Refuse for what the device rejects; then none of them is taken."""
        self.require_remote()
        area = self.space.area(address, len(payload) // 2)
        for index in range(len(payload) // 2):
            self._check(address + index, int.from_bytes(payload[2 * index : 2 * index + 2], "big"))
        area.write(address, payload)
        if 550 <= address <= 570:
            self._take_protections()
        if 498 <= address <= 504:
            self._due.append((t_ns + self._delay_ns, self.output_on))
        if address in _IDLE_CLOSE:
            for number in _IDLE_CLOSE:
                self._put(number, int.from_bytes(payload, "big"))

    def register(self, number: int) -> int:
        """One register's raw value."""
        return int.from_bytes(self.space.area(number, 1).read(number, 1), "big")

    def measure(self, t_ns: int) -> CyclerReading:
        """What the meters show; the device looks at its own protections with it."""
        reading = self.part.reading(t_ns)
        self.counts.flow(t_ns, reading)
        if not self.output_on:
            return reading
        if reading.voltage_v > self._over_voltage_v:
            self.set_alarm(t_ns, "over_voltage", present=True)
            self._present.discard("over_voltage")
        if not -self._sink_over_current_a <= reading.current_a <= self._over_current_a:
            self.set_alarm(t_ns, "over_current", present=True, sink=reading.current_a < 0)
            self._present.discard("over_current")
        return reading

    # -------------------------------------------------------------- inside

    def _check(self, number: int, value: int) -> None:
        """Refuse what the device rejects."""
        low, high = 0, SET_MAX
        if number in _LIMITS_OF:
            lower, upper = _LIMITS_OF[number]
            low = 0 if lower is None else self.register(lower)
            high = min(self.register(upper), SET_MAX)
        elif number in (550, 553, 556, 569, 570):
            high = PROTECT_MAX
        elif number == _SERIAL_GAP:
            low, high = 5, 0xFFFF
        elif number == _AFTER_POWER_UP:
            low, high = POWER_UP_RESTORE, POWER_UP_OFF
        elif number in (*_IDLE_CLOSE, _CONTROLLER_SPEED):
            high = 0xFFFF
        elif not 9000 <= number <= 9009:
            raise Refuse(ILLEGAL_ADDRESS)
        if not low <= value <= high:
            raise Refuse(ILLEGAL_VALUE)

    def _put(self, number: int, value: int) -> None:
        self.space.area(number, 1).write(number, value.to_bytes(2, "big"))

    def _command(self, t_ns: int, on: bool) -> None:
        # It counts for itself up to here: no reply shows this reading.
        self.counts.flow(t_ns, self.part.reading(t_ns, given=False))
        ratings = self.ratings
        self.part.command(
            t_ns,
            output_on=on,
            voltage_v=self.register(500) * ratings["rated_voltage_v"] / FULL,
            source_current_a=self.register(501) * ratings["rated_current_a"] / FULL,
            sink_current_a=self.register(499) * ratings["rated_current_a"] / FULL,
        )

    def _take_protections(self) -> None:
        volt, ampere = (self.ratings[name] / FULL for name in ("rated_voltage_v", "rated_current_a"))
        self._over_voltage_v = self.register(550) * volt
        self._over_current_a = self.register(553) * ampere
        self._sink_over_current_a = self.register(569) * ampere

    @property
    def location(self) -> int:
        """Control location of the state word."""
        if self.remote:
            return self._location
        return _LOCAL if self.local else FREE_BY_TIMEOUT if self.timed_out else 0

    def _values(self, t_ns: int) -> dict[str, int | float]:
        reading = self.measure(t_ns)
        state = self.location | self.output_on << 7 | (reading.current_a < 0) << 12
        state |= (self.remote and self._remote_bit) << 11
        if self.output_on:
            state |= _REGULATION.get(reading.regulation, 0) << 9
        if self.latched:
            state |= 1 << 15
            for name in self.latched:
                state |= 1 << self._alarm_bit[name]
        ratings = self.ratings
        top = 0xFFFF / FULL
        voltage_v = min(max(reading.voltage_v, 0.0), ratings["rated_voltage_v"] * top)
        current_a = min(abs(reading.current_a), ratings["rated_current_a"] * top)
        power_w = min(abs(reading.voltage_v * reading.current_a), ratings["rated_power_w"] * top)
        return {"state": state, "voltage_v": voltage_v, "current_a": current_a, "power_w": power_w}
