"""The names by which a driver that is nothing but a map finds its way, and what a map must say under them.

Owns the vocabulary of each kind of mapped device and the refusal, when the file is loaded, of a map that leaves a
question open which only an "if" could answer: two fields for one voltage, a current that can only be positive, a
set-point in two writes. Knows no device, and nothing of a device that has a driver of its own.
docs/devices.md shows the names by example.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from packbench.config.document import Document, Path
from packbench.core.errors import InputError, Problem
from packbench.maps.codec import compile_block
from packbench.maps.schema import Block, Capabilities, DeviceType, Field, Kind

FLAGS: Final[MappingProxyType[Kind, tuple[str, ...]]] = MappingProxyType(
    {
        "bms": ("balancing", "charging_allowed", "discharging_allowed"),
        "cycler": ("output_on", "remote", "cc", "cv", "cp", "cr"),
        "chamber": ("running", "remote"),
        "meter": (),
    }
)
"""Bits of a `quantity: flags` field that mean something, by kind; or fields of these names, any number but 0."""
NUMBERS: Final[MappingProxyType[Kind, tuple[str, ...]]] = MappingProxyType(
    {
        "bms": ("voltage_v", "current_a", "soc", "soh", "charge_limit_a", "discharge_limit_a", "cycles", "alive"),
        "cycler": ("voltage_v", "current_a"),
        "chamber": ("temperature_c", "setpoint_c", "humidity"),
        "meter": (),
    }
)
"""One polled number each."""
LISTS: Final = ("cell_voltages_v", "temperatures_c")
"""Of a BMS: what several fields may add up to."""
REGULATIONS: Final = ("cc", "cv", "cp", "cr")
SET_CURRENTS: Final = (("set_current_a",), ("source_current_a", "sink_current_a"))
"""How a cycler is told its current: signed, or as one magnitude a direction."""
SET_POWERS: Final = ("set_power_w", "source_power_w", "sink_power_w")
"""Power limits in a cycler's set-point block: always the rated power, or the bench file's `max_power_w`."""
SWITCHES: Final[MappingProxyType[Kind, tuple[str, ...]]] = MappingProxyType(
    {
        "bms": (),
        "cycler": ("output", "remote", "acknowledge_alarms"),
        "chamber": ("run", "remote", "acknowledge_alarms"),
        "meter": (),
    }
)
"""Coils, or writable registers that take 1 and 0. The first of a kind must be there."""
SETPOINT: Final = "setpoint"
"""Group of the one block that set-points are written to."""
WATCHDOG: Final = "watchdog"
"""Group of the block with `watchdog_s`: after how much silence the device switches off by itself."""
UNITS: Final = ("v", "a", "w", "ohm", "c", "k", "s", "hz", "pa", "ah", "wh", "f")
"""What the name of a meter's quantity ends with; `humidity` is a fraction."""


def derived(device: DeviceType) -> Capabilities:
    """The capabilities of a mapped BMS, completed by what its map can carry: cells, and how many."""
    stated = device.capabilities
    if device.driver != "mapped" or device.kind != "bms":
        return stated
    room = sum(item.count for item in device.fields_of("poll") if item.meaning == "cell_voltages_v")
    if not room:
        return replace(stated, cells_reported=False)
    return stated if stated.cells_max is not None else replace(stated, cells_max=room)


def open_questions(device: DeviceType, document: Document) -> list[Problem]:
    """What a driver by map alone would have to ask of this one; none for a device with a driver of its own."""
    if device.driver != "mapped":
        return []
    if device.protocol != "modbus":
        return [document.problem("", ("driver",), "mapped", f"a driver of {device.protocol}: it has no registers")]
    reader = _Reader(device, document)
    reader.check_readings()
    match device.kind:
        case "bms":
            reader.check_bms()
        case "cycler":
            reader.check_cycler()
        case "chamber":
            reader.check_chamber()
        case "meter":
            reader.check_meter()
    return reader.problems


class _Reader:
    """Reads one map with the eyes of its driver."""

    def __init__(self, device: DeviceType, document: Document) -> None:
        self.problems: list[Problem] = []
        self._device = device
        self._document = document
        self._read = (*device.fields_of("once"), *device.fields_of("poll"))
        polled: dict[str, list[Field]] = {}
        for item in dict.fromkeys(device.fields_of("poll")):
            polled.setdefault(item.meaning, []).append(item)
        self._polled = polled

    # What every kind is held to.

    def check_readings(self) -> None:
        """Something is polled, arrays know their length, names stand for one thing each."""
        device = self._device
        if not device.group("poll"):
            self._wrong(("blocks",), "none that is polled", "at least one block of the group poll")
        for block in device.blocks:
            self._check_layout(block)
            inside = {item.name for item in device.fields_in(block.address, block.count)}
            for item in device.fields_in(block.address, block.count):
                for key, other in (("count_from", item.count_from), ("mask_from", item.mask_from)):
                    if other is not None and other in device.fields and other not in inside:
                        expected = f"a field of the same block, {block.name}: one moment of the device"
                        self._wrong(("fields", item.name, key), repr(other), expected)
        for name, items in self._polled.items():
            for item in items[1:] if name in self._single() else ():
                self._wrong(("fields", item.name), f"a second {name} beside {items[0].name}", "one field for it")
        for item in self._read:
            self._check_meaning(item)
        for name in SWITCHES[device.kind]:
            self._check_switch(name)

    def _check_layout(self, block: Block) -> None:
        """Fields that overlap, or read one register in two ways."""
        ratings = {item.full_scale_of: 1.0 for item in self._device.fields.values() if item.full_scale_of is not None}
        try:
            compile_block(self._device, block, ratings)
        except InputError as error:
            self._wrong(("blocks", block.name), str(error), "fields beside each other")

    def _single(self) -> tuple[str, ...]:
        kind = self._device.kind
        return (*NUMBERS[kind], *FLAGS[kind], "regulation")

    def _check_meaning(self, item: Field) -> None:
        kind, name, place = self._device.kind, item.meaning, ("fields", item.name)
        if name in (*NUMBERS[kind], *FLAGS[kind]) and (not item.is_number or item.count > 1):
            self._wrong(place, f"{item.type} for {name}", "one number")
        elif name in ("alarms", "flags") and not item.names:
            self._wrong(place, f"{item.type} for {name}", "bits16 or bits32 with names")
        elif kind == "bms" and name in LISTS and not item.is_number:
            self._wrong(place, f"{item.type} for {name}", "a number or an array of them")
        elif item.quantity is not None and name not in (*self._known(), "none") and kind != "meter":
            self._wrong((*place, "quantity"), repr(name), f"one of {', '.join((*self._known(), 'none'))}")

    def _known(self) -> tuple[str, ...]:
        kind = self._device.kind
        lists = LISTS if kind == "bms" else ()
        extra = ("regulation",) if kind == "cycler" else ()
        return (*NUMBERS[kind], *lists, *extra, "alarms", "flags", *FLAGS[kind], "model", "serial", "firmware")

    def _check_switch(self, name: str) -> None:
        device = self._device
        item = device.fields.get(name)
        if item is not None and name in device.coils:
            self._wrong(("fields", name), f"{name} as a coil and as a register", "one of them")
        elif item is not None and (item.type != "u16" or item.count > 1 or item.access == "r" or item.states):
            found = f"{item.type}, access {item.access}"
            self._wrong(("fields", name), found, "a u16 that is written 1 or 0 (access w or rw)")

    # The kinds.

    def check_bms(self) -> None:
        """Every part of a BMS's reading may be absent."""

    def check_cycler(self) -> None:
        """Two meters, what it is doing, and one write that says all it is to do."""
        self._require_polled("voltage_v")
        self._require_polled("current_a", signed=True)
        self._require_flag("output_on")
        self._require_switch("output")
        self._check_regulation()
        fields = self._set_block(SETPOINT, required=True)
        names = {item.name for item in fields}
        place: Path = ("blocks", self._device.group(SETPOINT)[0].name) if fields else ("blocks",)
        ways = [way for way in SET_CURRENTS if set(way) <= names]
        if fields and len(ways) != 1:
            found = "both ways" if ways else ", ".join(sorted(names)) or "nothing"
            self._wrong(place, found, "set_current_a (signed), or source_current_a and sink_current_a")
        if fields and "set_voltage_v" not in names:
            self._wrong(place, "no set_voltage_v", "the voltage in the same write as the current")
        known = {"set_voltage_v", *SET_POWERS, *(name for way in SET_CURRENTS for name in way)}
        for item in fields:
            if item.name not in known:
                self._wrong(("fields", item.name), "a value nobody states", f"one of {', '.join(sorted(known))}")
            elif item.name == "set_current_a" and not _is_signed(item):
                self._wrong(("fields", item.name, "type"), item.type, "s16, s32 or f32: positive charges")
        for item in self._set_block(WATCHDOG, required=False):
            if item.name != "watchdog_s":
                self._wrong(("fields", item.name), item.name, "watchdog_s alone")

    def check_chamber(self) -> None:
        """An air temperature, a set-point that is written and read, and a switch."""
        self._require_polled("temperature_c", signed=True)
        self._require_flag("running")
        self._require_switch("run")
        fields = self._set_block(SETPOINT, required=True)
        if fields and [item.name for item in fields] != ["set_temperature_c"]:
            found = ", ".join(item.name for item in fields)
            self._wrong(("blocks", self._device.group(SETPOINT)[0].name), found, "set_temperature_c alone")
        if "setpoint_c" not in self._polled and "set_temperature_c" not in self._polled:
            self._wrong(("fields",), "no polled setpoint_c", "setpoint_c or set_temperature_c in a polled block")

    def check_meter(self) -> None:
        """Numbers whose names carry their units."""
        shown = [item for items in self._polled.values() for item in items if measures(item)]
        if not shown:
            self._wrong(("fields",), "no polled number", "at least one, such as insulation_ohm")
        for name, items in self._polled.items():
            for item in items[1:] if measures(items[0]) else ():
                self._wrong(("fields", item.name), f"a second {name} beside {items[0].name}", "one field for it")
        for item in shown:
            if item.count > 1:
                self._wrong(("fields", item.name, "count"), str(item.count), "1: a field for each number")
            unit = item.meaning.rsplit("_", maxsplit=1)[-1]
            if item.meaning != "humidity" and ("_" not in item.meaning or unit not in UNITS):
                expected = f"a name that ends in its unit (_{', _'.join(UNITS)}), or quantity: none"
                self._wrong(("fields", item.name), item.meaning, expected)

    # Helpers.

    def _wrong(self, path: Path, found: str, expected: str) -> None:
        self.problems.append(self._document.problem("", path, found, expected, key=True))

    def _require_polled(self, name: str, *, signed: bool = False) -> None:
        items = self._polled.get(name)
        if not items:
            self._wrong(("fields",), f"no polled {name}", f"a field {name} in a polled block")
        elif signed and not _is_signed(items[0]):
            expected = "a type or an offset that can be negative: positive charges" if name == "current_a" else "signed"
            self._wrong(("fields", items[0].name, "type"), items[0].type, expected)

    def _require_flag(self, name: str) -> None:
        bits = [bit for item in self._polled.get("flags", ()) for _, bit in item.names]
        if name not in bits and name not in self._polled:
            self._wrong(("fields",), f"nothing that says {name}", f"a polled field {name}, or a bit of it in flags")

    def _require_switch(self, name: str) -> None:
        if name not in self._device.coils and name not in self._device.fields:
            self._wrong(("coils",), f"no {name}", f"a coil or a register {name}")

    def _check_regulation(self) -> None:
        bits = {bit for item in self._polled.get("flags", ()) for _, bit in item.names} & set(REGULATIONS)
        items = self._polled.get("regulation", [])
        words = {word for item in items for _, word in item.states}
        if bool(bits) is bool(items):
            found = "as bits and as a field" if bits else "nothing that says what is regulated"
            self._wrong(("fields",), found, "a field regulation with states, or bits cc and cv in flags")
        if items and not {"cc", "cv"} <= words <= {*REGULATIONS, "off"}:
            place = ("fields", items[0].name, "states")
            self._wrong(place, ", ".join(sorted(words)) or "none", f"cc and cv, and of {', '.join(REGULATIONS)}, off")
        if bits and not {"cc", "cv"} <= bits:
            self._wrong(("fields",), ", ".join(sorted(bits)), "bits cc and cv")

    def _set_block(self, group: str, *, required: bool) -> tuple[Field, ...]:
        """The fields of the one block of a group that is written: they cover it, and may be written."""
        device = self._device
        blocks = device.group(group)
        if len(blocks) != 1:
            if required or blocks:
                found = ", ".join(block.name for block in blocks) or f"no block of the group {group}"
                self._wrong(("blocks",), found, f"one block of the group {group}: one write, one moment")
            return ()
        block = blocks[0]
        place: Path = ("blocks", block.name)
        fields = device.fields_in(block.address, block.count)
        if sum(item.registers for item in fields) != block.count:
            self._wrong(place, f"{block.count} registers, not all of them fields", "a field for each register")
        if block.function != 3:
            self._wrong((*place, "function"), str(block.function), "3: what is written is read back")
        if block.write_function == 6 and block.count > 1:
            self._wrong((*place, "write_function"), "6", "16 for more than one register: one write, one moment")
        for item in fields:
            if item.access != "rw":
                self._wrong(("fields", item.name, "access"), item.access, "rw: written, and read back")
        return fields


def measures(item: Field) -> bool:
    """Whether a field is one of a meter's values."""
    return item.is_number and item.meaning != "none"


def _is_signed(item: Field) -> bool:
    return item.type in ("s16", "s32", "f32") or item.offset < 0 or (item.scale < 0 and item.offset > 0)
