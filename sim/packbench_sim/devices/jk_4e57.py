"""A JK BMS that speaks "4E57", backed by the simulated pack.

Owns the family's habits: it may be asleep until it is activated, takes its time to answer, hears nothing for a
while after it has spoken, and lets itself be written to after its password alone (as its document has it;
its maker says never). Whatever it does not understand it does not answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from packbench.core.errors import BadReply, InputError
from packbench.drivers.options import one_of
from packbench.wire.jk_4e57 import frames as jk
from packbench.wire.jk_4e57.frames import JkRequest
from packbench.wire.jk_4e57.items import (
    ALARM_BITS,
    CELLS,
    CHARGE_SWITCH,
    CURRENT,
    DISCHARGE_SWITCH,
    ITEMS,
    SOC,
    STATES,
    TEMPERATURES,
    VERSION,
    JkConventions,
    Raw,
    alarm_bits,
    decode_table,
    encode_item,
)
from packbench_sim.devices.framed import FramedDevice
from packbench_sim.parts import BmsPart, BmsReading
from packbench_sim.playing import Player, Playing, Silent, Switches

CELLS_MAX: Final = 32
PASSWORD: Final = b"123456"
_PASSWORD_CODE: Final = 0xB2
_WRITE_ONLY: Final = range(0xBB, VERSION)
_ORDERS: Final = frozenset((0xBB, 0xBC, 0xBD))
"""Restart, factory reset, upgrade: not played."""
_CHEMISTRY: Final = {"lfp": 0, "nmc": 1, "lmo": 1}

SETTINGS: Final[dict[int, Raw]] = {
    0x90: 3650,
    0x91: 3550,
    0x92: 5,
    0x93: 2600,
    0x94: 2650,
    0x95: 5,
    0x96: 300,
    0x98: 300,
    0x9A: 30,
    0x9B: 3300,
    0x9C: 10,
    0x9D: 1,
    0x9E: 90,
    0x9F: 70,
    0xA0: 100,
    0xA1: 100,
    0xA2: 20,
    0xA3: 70,
    0xA4: 70,
    0xA5: -20,
    0xA6: -10,
    0xA7: -20,
    0xA8: -10,
    CHARGE_SWITCH: 1,
    DISCHARGE_SWITCH: 1,
    0xAD: 1070,
    0xAE: 1,
    0xAF: 0,
    0xB0: 10,
    0xB1: 20,
    _PASSWORD_CODE: PASSWORD,
    0xB3: 0,
    0xB4: b"Input Us",
    0xB5: b"2106",
    0xB6: 0,
    0xB7: b"10.XW_S10.07___",
    0xB8: 0,
    0xBA: b"Input UserdaJK-B2A24S20P",
    VERSION: 1,
}
"""What a board is delivered with; ordinary numbers, not any board's."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How a board behaves."""

    asleep: bool = False
    acknowledges: bool = False
    """Whether it answers when it is activated."""
    reply_delay_ns: int = 20_000_000
    """From a request to its answer; up to 5 s in the document."""
    deaf_ns: int = 50_000_000
    """After its answer it hears nothing; the document wants 100 ms between packets."""
    conventions: JkConventions = field(default_factory=JkConventions)


class Jk4e57Device(FramedDevice[JkRequest]):
    """`parts.TalkingDevice` of a JK board.

    Args:
        part: The simulated BMS.
        rated_ah: Capacity of the pack.
        items: Items that are other than SETTINGS or the plant say: what stands on a board.
        mos_temperature_c: Of its MOSFETs; None: as the first sensor.
        terminal: Its number; a request for another one is not answered, one for 0 is.
        habits: How it behaves.
        switches: What its MOSFETs do to the plant.
        silent: See FramedDevice.
    """

    def __init__(
        self,
        part: BmsPart,
        *,
        rated_ah: float = 100.0,
        items: Mapping[int, Raw] | None = None,
        mos_temperature_c: float | None = None,
        terminal: int = 0,
        habits: Habits | None = None,
        switches: Switches | None = None,
        silent: Silent | None = None,
    ) -> None:
        super().__init__(silent=silent)
        cells = part.reading(0).cell_voltages_v.size
        if cells > CELLS_MAX:
            raise InputError(f"a JK board holds {CELLS_MAX} cells, not {cells}")
        self._part = part
        self._rated_ah = rated_ah
        self._items: dict[int, Raw] = {**SETTINGS, **(items or {})}
        self._mos_temperature_c = mos_temperature_c
        self._terminal = terminal
        self._habits = habits or Habits()
        self._switches = switches
        self.asleep = self._habits.asleep
        self._unlocked = False
        self._answer: tuple[int, bytes] | None = None
        """What it is about to say, and when."""
        self._deaf_until_ns = 0
        self._said = bytearray()

    # ------------------------------------------------------------- the line

    def take(self, buffer: bytearray) -> JkRequest | None:
        return jk.take_request(buffer)

    def on_bytes(self, t_ns: int, data: bytes) -> bytes:
        if self._answer is not None or t_ns < self._deaf_until_ns:
            return b""
        super().on_bytes(t_ns, data)
        self.tick(t_ns)
        return self.take_output()

    def tick(self, t_ns: int) -> int | None:
        """Says what is due, and when the next is."""
        if self._answer is None:
            return None
        due_ns, answer = self._answer
        if t_ns < due_ns:
            return due_ns
        self._said += answer
        self._answer = None
        self._deaf_until_ns = t_ns + self._habits.deaf_ns
        return None

    def take_output(self) -> bytes:
        """See `parts.TalkingDevice`."""
        said = bytes(self._said)
        self._said.clear()
        return said

    def answer(self, t_ns: int, request: JkRequest) -> bytes:
        """Nothing at once: an answer takes its time. The first request of a chunk is answered alone."""
        if self._answer is None and request.terminal in (0, self._terminal):
            data = self._data(t_ns, request)
            if data is not None:
                self._answer = (t_ns + self._habits.reply_delay_ns, jk.reply_frame(request, data))
        return b""

    # ------------------------------------------------------------- commands

    def _data(self, t_ns: int, request: JkRequest) -> bytes | None:
        """The items of the answer; None for silence."""
        if request.command == jk.ACTIVATE:
            self.asleep = False
            return b"\0" if self._habits.acknowledges else None
        if self.asleep:
            return None
        code = request.data[0] if request.data else 0
        match request.command:
            case jk.READ_ALL:
                return self._table(t_ns)
            case jk.READ if request.data == jk.EVERYTHING:
                # Captured with that command: a board answers it with its whole table (jblance/mpp-solar).
                return self._table(t_ns)
            case jk.READ if code in ITEMS and code not in _WRITE_ONLY:
                return self._item(t_ns, code)
            case jk.PASSWORD:
                self._unlocked = request.data.rstrip(b"\0") == self._password
                return request.data if self._unlocked else None
            case jk.WRITE if self._unlocked:
                return self._write(t_ns, request.data)
            case _:
                return None

    @property
    def _password(self) -> bytes:
        raw = self._items[_PASSWORD_CODE]
        return raw.rstrip(b"\0") if isinstance(raw, bytes) else b""

    def _write(self, t_ns: int, data: bytes) -> bytes | None:
        self._unlocked = False
        try:
            table = decode_table(data)
        except BadReply:
            return None
        if len(table.items) != 1 or table.rest:
            return None
        ((code, raw),) = table.items
        if not ITEMS[code].writable or code in _ORDERS:
            return None
        self._items[code] = raw
        if code in (CHARGE_SWITCH, DISCHARGE_SWITCH) and self._switches is not None:
            self._switches(t_ns, bool(self._items[CHARGE_SWITCH]), bool(self._items[DISCHARGE_SWITCH]))
        return encode_item(code, raw)

    # ---------------------------------------------------------------- items

    def _table(self, t_ns: int) -> bytes:
        known = {**self._measured(self._part.reading(t_ns), t_ns), **self._items}
        return b"".join(encode_item(code, known[code]) for code in ITEMS if code not in _WRITE_ONLY)

    def _item(self, t_ns: int, code: int) -> bytes:
        known = {**self._measured(self._part.reading(t_ns), t_ns), **self._items}
        return encode_item(code, known[code])

    def _measured(self, reading: BmsReading, t_ns: int) -> dict[int, Raw]:
        """What is not set: the readings, and settings that follow from the pack."""
        conventions = self._habits.conventions
        cells = reading.cell_voltages_v
        sensors = [min(max(value, -40.0), 99.0) for value in reading.temperatures_c.tolist()] or [25.0]
        mos_c = sensors[0] if self._mos_temperature_c is None else self._mos_temperature_c
        version = self._number(VERSION)
        lowest_a, highest_a = (-327.67, 327.67) if conventions.has_sign_bit(version) else (-555.35, 100.0)
        charge = bool(self._items[CHARGE_SWITCH]) and reading.charge_limit_a > 0
        discharge = bool(self._items[DISCHARGE_SWITCH]) and reading.discharge_limit_a > 0
        return {
            CELLS: tuple((number, round(1000 * value)) for number, value in enumerate(cells.tolist(), start=1)),
            0x80: conventions.temperature_raw(mos_c),
            0x81: conventions.temperature_raw(sensors[0]),
            0x82: conventions.temperature_raw(sensors[-1]),
            0x83: round(100 * min(max(reading.voltage_v, 0.0), 655.35)),
            CURRENT: conventions.current_raw(min(max(reading.current_a, lowest_a), highest_a), version),
            SOC: round(100 * min(max(reading.soc, 0.0), 1.0)),
            0x86: 2,
            0x87: reading.cycles,
            0x89: round(reading.cycles * self._rated_ah),
            0x8A: int(cells.size),
            ALARM_BITS: alarm_bits(reading.alarms),
            STATES: charge | discharge << 1 | reading.balancing << 2,
            0x8E: min(self._number(0x90) * int(cells.size) // 10, 0xFFFF),
            0x8F: min(self._number(0x93) * int(cells.size) // 10, 0xFFFF),
            0x97: min(round(reading.discharge_limit_a), 0xFFFF),
            0x99: min(round(reading.charge_limit_a), 0xFFFF),
            0xA9: int(cells.size),
            0xAA: round(self._rated_ah),
            0xB6: t_ns // 60_000_000_000 & 0xFFFFFFFF,
            0xB9: round(self._rated_ah * reading.soh),
        }

    def _number(self, code: int) -> int:
        raw = self._items[code]
        return raw if isinstance(raw, int) else 0


def _make(playing: Playing) -> Jk4e57Device:
    habits = Habits(
        asleep=playing.option("asleep", 0) != 0,
        acknowledges=playing.option("acknowledges", 0) != 0,
        reply_delay_ns=round(playing.option("reply_delay_ms", 20) * 1e6),
        conventions=JkConventions(
            one_of("--set temperature", playing.text("temperature", TEMPERATURES[0]), TEMPERATURES)
        ),
    )
    return Jk4e57Device(
        playing.bms,
        rated_ah=playing.pack.rated_capacity_ah,
        items={0xAF: _CHEMISTRY[playing.pack.chemistry], VERSION: round(playing.option("version", 1)) & 0xFF},
        terminal=playing.unit,
        habits=habits,
        switches=playing.switches,
        silent=playing.silent,
    )


play_jk_4e57 = Player(
    _make,
    {
        "asleep": "1: says nothing until it is activated",
        "acknowledges": "1: answers an activation, which no source mentions",
        "reply_delay_ms": "from a request to its answer (default 20; the document allows 5000)",
        "version": "0: item C0, and the older coding of the current (default 1)",
        "temperature": f"where readings turn negative: {' or '.join(TEMPERATURES)}",
    },
)
