"""A JBD board on its serial port, backed by the simulated pack.

Owns the family's habits: EEPROM registers open in factory mode alone, and what was written there is kept or
forgotten when it is left; MOS control moves the plant's switches; a bad request is refused or not answered, as
the board's firmware has it; some boards put A5 where a reply's register belongs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from packbench.core.errors import InputError, Problem
from packbench.wire.jbd import frames as jbd
from packbench.wire.jbd.data import ALARMS, COUNTERS, Basic, Cells, Counts, Extension, Model, alarm_bits
from packbench.wire.jbd.frames import JbdRequest
from packbench_sim.devices.framed import FramedDevice
from packbench_sim.devices.jbd_eeprom import factory_settings, storable_ah
from packbench_sim.parts import BmsPart, BmsReading
from packbench_sim.playing import Player, Playing, Silent, Switches

WRONG_PASSWORD: Final = 0x81
"""Status of a board that wants a password first (fl4p/batmon-ha#4)."""
CELLS_MAX: Final = 32
_BALANCE_ODD, _BALANCE_EVEN = 0x55555555, 0xAAAAAAAA
_TEMPERATURE_ALARMS: Final = ("over_temperature", "under_temperature")


@dataclass(frozen=True, slots=True)
class Plate:
    """What is printed on a board, and what its firmware does differently."""

    model: str = "JBD-SP20S004-L16S-150A-B"
    made: tuple[int, int, int] = (2022, 3, 28)
    version: int = 0x27
    nominal_ah: float = 100.0
    remaining_ah: float | None = None
    """What it believes to be left; None: by its state of charge."""
    extended: bool = False
    """The nine bytes that newer firmware appends."""
    header: Literal["register", "request"] = "register"
    on_bad: Literal["refuse", "silent"] = "refuse"
    password: bytes = b""
    """Asked for before factory mode; empty: any will do."""


class JbdDevice(FramedDevice[JbdRequest]):
    """`parts.WireDevice` of a JBD board.

    Args:
        part: The simulated BMS.
        plate: What is printed on the board.
        switches: What its MOSFETs do to the plant.
        silent: See FramedDevice.
    """

    def __init__(
        self,
        part: BmsPart,
        plate: Plate | None = None,
        *,
        switches: Switches | None = None,
        silent: Silent | None = None,
    ) -> None:
        super().__init__(silent=silent)
        self._part = part
        self._plate = plate or Plate()
        self._switches = switches
        self.charge_on = self.discharge_on = True
        """What MOS control has ordered."""
        self._balance_test = 0
        self._unlocked = not self._plate.password
        self.factory = False
        reading = part.reading(0)
        if reading.cell_voltages_v.size > CELLS_MAX:
            raise InputError(f"a JBD board holds {CELLS_MAX} cells, not {reading.cell_voltages_v.size}")
        self._saved = factory_settings(
            reading, self._plate.model, self._plate.made, self._plate.nominal_ah, int(reading.cell_voltages_v.size)
        )
        self._eeprom = dict(self._saved)
        self._correction_ah = 0.0
        """What a written remaining capacity has added to the plant's."""
        self._protection = 0
        self._counts = [0] * (len(COUNTERS) + 1)

    def take(self, buffer: bytearray) -> JbdRequest | None:
        return jbd.take_request(buffer)

    def answer(self, t_ns: int, request: JbdRequest) -> bytes:
        header = jbd.READ if self._plate.header == "request" else None
        status, data = self._write(t_ns, request) if request.write else self._read(t_ns, request)
        if status == jbd.REFUSED and self._plate.on_bad == "silent":
            return b""
        return jbd.reply_frame(request.register, data, status=status, header=header)

    # -------------------------------------------------------------- reading

    def _read(self, t_ns: int, request: JbdRequest) -> tuple[int, bytes]:
        register = request.register
        if register in jbd.EEPROM:
            return (jbd.OK, self._eeprom[register]) if self.factory else (jbd.REFUSED, b"")
        match register:
            case jbd.BASIC:
                return jbd.OK, self._basic(self._part.reading(t_ns)).encode()
            case jbd.CELLS:
                return jbd.OK, Cells(tuple(self._part.reading(t_ns).cell_voltages_v.tolist())).encode()
            case jbd.MODEL:
                return jbd.OK, Model(self._plate.model).encode()
            case jbd.ERROR_COUNTS:
                self._basic(self._part.reading(t_ns))
                return jbd.OK, Counts(tuple(self._counts)).encode()
            case _:
                return jbd.REFUSED, b""

    def _basic(self, reading: BmsReading) -> Basic:
        plate = self._plate
        remaining_ah = self._remaining_ah(reading)
        protection = self._protections(reading)
        soc = remaining_ah / plate.nominal_ah if self._correction_ah else reading.soc
        charge = self.charge_on and reading.charge_limit_a > 0
        discharge = self.discharge_on and reading.discharge_limit_a > 0
        extension = Extension(0, 0, plate.nominal_ah, remaining_ah, 0.0) if plate.extended else None
        return Basic(
            voltage_v=min(max(reading.voltage_v, 0.0), 655.35),
            current_a=min(max(reading.current_a, -327.68), 327.67),
            remaining_ah=remaining_ah,
            nominal_ah=plate.nominal_ah,
            cycles=reading.cycles,
            made=plate.made,
            balancing=self._balancing(reading),
            protection=protection,
            version=plate.version,
            soc_percent=round(100 * min(max(soc, 0.0), 1.0)),
            fets=charge | discharge << 1,
            cell_count=int(reading.cell_voltages_v.size),
            temperatures_c=tuple(reading.temperatures_c.tolist()),
            extension=extension,
        )

    def _remaining_ah(self, reading: BmsReading) -> float:
        if self._plate.remaining_ah is not None and not self._correction_ah:
            return self._plate.remaining_ah
        return min(max(reading.soc * self._plate.nominal_ah + self._correction_ah, 0.0), 655.35)

    def _protections(self, reading: BmsReading) -> int:
        """The bits, and the count of those that are new."""
        direction = "charge" if reading.current_a > 0 else "discharge"
        names = tuple(f"{direction}_{name}" if name in _TEMPERATURE_ALARMS else name for name in reading.alarms)
        bits = alarm_bits(names)
        if not (self.charge_on and self.discharge_on):
            bits |= alarm_bits(("mos_software_lock",))
        for bit, name in enumerate(ALARMS):
            if bits & ~self._protection & 1 << bit and name in COUNTERS:
                self._counts[COUNTERS.index(name)] += 1
        self._protection = bits
        return bits

    def _balancing(self, reading: BmsReading) -> int:
        cells = reading.cell_voltages_v
        if self._balance_test:
            return self._balance_test & (1 << cells.size) - 1
        # Which cells the plant's BMS bleeds is not told: the highest one stands for them.
        return 1 << int(cells.argmax()) if reading.balancing else 0

    # -------------------------------------------------------------- writing

    def _write(self, t_ns: int, request: JbdRequest) -> tuple[int, bytes]:
        register, data = request.register, request.data
        if register in jbd.EEPROM:
            return self._write_eeprom(register, data), b""
        match register, len(data):
            case (jbd.FACTORY_ENTER, 2) if data == jbd.FACTORY_KEY:
                self.factory = self._unlocked
                return (jbd.OK if self.factory else WRONG_PASSWORD), b""
            case (jbd.FACTORY_LEAVE, 2) if data in (jbd.LEAVE_SAVING, jbd.LEAVE_DISCARDING):
                self._leave_factory(save=data == jbd.LEAVE_SAVING)
                return jbd.OK, b""
            case (jbd.USE_PASSWORD, 7):
                self._unlocked = self._plate.password in (b"", data[1:])
                return (jbd.OK if self._unlocked else WRONG_PASSWORD), b""
            case (jbd.FETS, 2):
                self.charge_on, self.discharge_on = jbd.fets_of(data)
                if self._switches is not None:
                    self._switches(t_ns, self.charge_on, self.discharge_on)
                return jbd.OK, b""
            case (jbd.REMAINING, 2):
                plant_ah = self._part.reading(t_ns).soc * self._plate.nominal_ah
                self._correction_ah = int.from_bytes(data, "big") / 100 - plant_ah
                return jbd.OK, b""
            case (jbd.BALANCE_TEST, 2):
                self._balance_test = {1: _BALANCE_ODD, 2: _BALANCE_EVEN}.get(data[1], 0)
                return jbd.OK, b""
            case _:
                return jbd.REFUSED, b""

    def _write_eeprom(self, register: int, data: bytes) -> int:
        size = 1 + data[0] if register in jbd.TEXTS and data else 2
        if not self.factory or len(data) != size:
            return jbd.REFUSED
        self._eeprom[register] = data
        return jbd.OK

    def _leave_factory(self, *, save: bool) -> None:
        if self.factory and save:
            self._saved = dict(self._eeprom)
            self._counts = [0] * len(self._counts)
        self._eeprom = dict(self._saved)
        self.factory = False
        self._balance_test = 0


def _make(playing: Playing) -> JbdDevice:
    plate = Plate(
        nominal_ah=storable_ah(playing.pack.rated_capacity_ah),
        extended=playing.option("extended", 0) != 0,
        header="request" if _is(playing, "header", "register", "request") else "register",
        on_bad="silent" if _is(playing, "on_bad", "refuse", "silent") else "refuse",
        password=playing.text("password", "").encode("ascii", "replace"),
    )
    return JbdDevice(playing.bms, plate, switches=playing.switches, silent=playing.silent)


def _is(playing: Playing, name: str, default: str, other: str) -> bool:
    """Whether an option has its other word. Raises InputError for a third."""
    word = playing.text(name, default)
    if word not in (default, other):
        raise InputError(Problem("", field=f"--set {name}", found=word, expected=f"{default} or {other}"))
    return word == other


play_jbd = Player(
    _make,
    {
        "header": "request: replies have A5 where their register belongs, as older boards do (default register)",
        "on_bad": "silent: a bad request is not answered (default refuse: status 80)",
        "extended": "1: the basic information has the nine bytes more of newer firmware",
        "password": "six characters that must come before factory mode",
    },
)
