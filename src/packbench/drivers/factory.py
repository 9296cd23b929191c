"""Makes the driver that a device file names, on a bus that is already open.

Owns the table of drivers by name: adding a quirky device is one file and one line here. Must not open
anything, and knows no bench: what a driver is made of is a `Wanted`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from packbench.core.errors import InputError, Problem
from packbench.drivers.daly_a5 import DalyA5
from packbench.drivers.daly_modbus import DalyModbus
from packbench.drivers.delta_sm15k import DeltaSm15k
from packbench.drivers.ea_psb import EaPsb
from packbench.drivers.ea_psb_scpi import EaPsbScpi
from packbench.drivers.itech_it6000c import ItechIt6000c
from packbench.drivers.jbd import JbdBms, reply_header_of
from packbench.drivers.jk_4e57 import Jk4e57Bms
from packbench.drivers.jk_pb import JkPbBms
from packbench.drivers.mapped import MappedBms
from packbench.drivers.mapped_chamber import MappedChamber
from packbench.drivers.mapped_cycler import MappedCycler
from packbench.drivers.mapped_meter import MappedMeter
from packbench.drivers.neware_bts import NewareBts
from packbench.drivers.pace import PaceBms
from packbench.drivers.protocols import Bms, Chamber, Cycler, Meter, ProgrammedCycler
from packbench.drivers.pylontech import PylontechBms
from packbench.drivers.seplos_v2 import SeplosV2Bms
from packbench.drivers.seplos_v3 import SeplosV3Bms
from packbench.maps.schema import DeviceType, Scheme
from packbench.transport.link import Bus, Codec, Link, Timing, never
from packbench.wire.daly.a5 import DalyCodec
from packbench.wire.jbd.frames import JbdCodec
from packbench.wire.jk_4e57.frames import JkCodec
from packbench.wire.modbus import ModbusCodec, ModbusRequest
from packbench.wire.neware.frames import MAX_REPLY, NewareCodec
from packbench.wire.scpi.messages import Answer as ScpiAnswer
from packbench.wire.scpi.messages import ScpiCodec, ScpiRequest
from packbench.wire.ydt1363.frames import MAX_FRAME, YdtCodec, YdtReply, YdtRequest

Driver = Cycler | Bms | Chamber | Meter | ProgrammedCycler[Any]
RequestT = TypeVar("RequestT")
AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a driver is made of."""

    type: DeviceType
    unit: int
    scheme: Scheme
    """The kind of link it is reached by."""
    bus: Bus
    reply_timeout_ns: int
    settings: Mapping[str, Any]
    """The bench file's, by name: options of the device file, ratings."""

    @property
    def numbers(self) -> dict[str, float]:
        """The settings that are numbers: ratings that scales of a map refer to."""
        return {key: float(value) for key, value in self.settings.items() if isinstance(value, int | float)}

    def link(
        self,
        codec: Codec[RequestT, AnswerT],
        *,
        quiet: bool = True,
        repeatable: Callable[[RequestT], bool],
        silent: Callable[[RequestT], bool] = never,
        echoed: Callable[[RequestT], bool] = never,
        reply_max: int = 2048,
    ) -> Link[RequestT, AnswerT]:
        """The device's way onto the bus; see `transport.link.Bus.link`.

        `quiet` False: replies carry an id, so a late one is known by it.
        """
        line = self.type.line
        timing = Timing(self.reply_timeout_ns, line.turnaround_ns if quiet else 0, line.gap_ns, reply_max)
        return self.bus.link(codec, timing, retries=1, repeatable=repeatable, silent=silent, echoed=echoed)


def modbus_link(wanted: Wanted) -> Link[ModbusRequest, bytes]:
    """A link that speaks Modbus in the framing of the URL's scheme."""
    framing = "mbap" if wanted.scheme == "modbus+tcp" else "rtu"
    codec = ModbusCodec(framing, wanted.bus.counters, reply_unit_offset=wanted.type.reply_unit_offset)
    # Without a transaction id only silence separates a late reply from the next one.
    return wanted.link(
        codec,
        quiet=not codec.has_transaction_id,
        repeatable=lambda request: request.repeatable,
        echoed=lambda request: not request.repeatable,
    )


def require_link(device: DeviceType, scheme: Scheme) -> None:
    """Raises InputError when the device is not reached by such a link."""
    if scheme not in device.links:
        expected = " or ".join(device.links)
        raise InputError(Problem(f"{device.name} is not reached so", field="url", found=scheme, expected=expected))


def require_driver(device: DeviceType) -> None:
    """Raises InputError when nothing here drives the device: its frames are only decoded, or its file is wrong."""
    if device.driver not in _MAKERS and device.driver not in SESSIONS:
        known = ", ".join(sorted((*_MAKERS, *SESSIONS)))
        raise InputError(Problem(f"{device.name}: no driver", field="driver", found=device.driver, expected=known))


def make_driver(wanted: Wanted) -> Driver:
    """The driver that the device file names. Raises InputError when there is none, or not on such a link."""
    require_link(wanted.type, wanted.scheme)
    require_driver(wanted.type)
    return _MAKERS[wanted.type.driver](wanted)


def _mapped(wanted: Wanted) -> Driver:
    device, link = wanted.type, modbus_link(wanted)
    match device.kind:
        case "bms":
            return MappedBms(device, link, wanted.unit, wanted.numbers)
        case "cycler":
            return MappedCycler(device, link, wanted.unit, wanted.settings)
        case "chamber":
            return MappedChamber(device, link, wanted.unit, wanted.settings)
        case "meter":
            return MappedMeter(device, link, wanted.unit, wanted.settings)


def scpi_link(wanted: Wanted) -> Link[ScpiRequest, ScpiAnswer]:
    """A link that speaks SCPI: a command that asks nothing is done once it is sent."""
    return wanted.link(
        ScpiCodec(wanted.bus.counters),
        repeatable=lambda request: request.repeatable,
        silent=lambda request: request.silent,
    )


def _ea_psb(wanted: Wanted) -> Driver:
    language = {**wanted.type.options, **wanted.settings}["serial_language"]
    if language not in ("modbus", "scpi"):
        raise InputError(Problem("", field="serial_language", found=repr(language), expected="modbus or scpi"))
    if wanted.scheme == "scpi+tcp" or (wanted.scheme in ("serial", "pty") and language == "scpi"):
        return EaPsbScpi(wanted.type, scpi_link(wanted), wanted.settings)
    return EaPsb(wanted.type, modbus_link(wanted), wanted.unit, dict(wanted.settings))


def _delta_sm15k(wanted: Wanted) -> Driver:
    return DeltaSm15k(wanted.type, scpi_link(wanted), wanted.settings)


def _itech_it6000c(wanted: Wanted) -> Driver:
    return ItechIt6000c(wanted.type, scpi_link(wanted), wanted.settings)


def _jbd(wanted: Wanted) -> Driver:
    codec = JbdCodec(reply_header_of(wanted.type, wanted.settings), wanted.bus.counters)
    link = wanted.link(codec, repeatable=lambda request: request.repeatable)
    # The protocol has no address: whatever unit is asked for, it is the board on this line.
    return JbdBms(wanted.type, link, wanted.settings)


def _jk_4e57(wanted: Wanted) -> Driver:
    link = wanted.link(
        JkCodec(wanted.bus.counters),
        repeatable=lambda request: request.repeatable,
        silent=lambda request: request.silent,
    )
    return Jk4e57Bms(wanted.type, link, wanted.unit, wanted.settings)


def _jk_pb(wanted: Wanted) -> Driver:
    return JkPbBms(wanted.type, modbus_link(wanted), wanted.unit)


def _daly_a5(wanted: Wanted) -> Driver:
    link = wanted.link(DalyCodec(wanted.bus.counters), repeatable=lambda request: request.repeatable)
    return DalyA5(wanted.type, link, wanted.unit, wanted.settings)


def _daly_modbus(wanted: Wanted) -> Driver:
    return DalyModbus(wanted.type, modbus_link(wanted), wanted.unit, wanted.settings)


def _neware_bts(wanted: Wanted) -> Driver:
    codec = NewareCodec(wanted.bus.counters)
    link = wanted.link(
        codec,
        repeatable=lambda request: request.repeatable,
        # An order's reply names it: no late status is taken for "stopped".
        echoed=lambda request: not request.repeatable,
        reply_max=MAX_REPLY,
    )
    return NewareBts(wanted.type, link, wanted.unit, wanted.settings)


def _ydt1363_link(wanted: Wanted) -> Link[YdtRequest, YdtReply]:
    codec = YdtCodec(wanted.bus.counters)
    # A master's answer for sixteen packs is as long as a frame can be.
    return wanted.link(codec, repeatable=lambda request: request.repeatable, reply_max=MAX_FRAME)


def _pylontech(wanted: Wanted) -> Driver:
    return PylontechBms(wanted.type, _ydt1363_link(wanted), wanted.unit, wanted.settings)


def _seplos_v2(wanted: Wanted) -> Driver:
    return SeplosV2Bms(wanted.type, _ydt1363_link(wanted), wanted.unit, wanted.settings)


def _pace(wanted: Wanted) -> Driver:
    return PaceBms(wanted.type, _ydt1363_link(wanted), wanted.unit, wanted.settings)


def _seplos_v3(wanted: Wanted) -> Driver:
    return SeplosV3Bms(wanted.type, modbus_link(wanted), wanted.unit, wanted.settings)


PROGRAMMED = ("neware-bts8",)
"""Drivers of cyclers that run whole programs by themselves (`protocols.ProgrammedCycler`). Where the program is
handed over is their option `program_directory`."""
SESSIONS = ("gbt27930",)
"""Drivers that are no question and answer: `app/devices` makes them, on a line of their own (`run/charger`)."""
_MAKERS: dict[str, Callable[[Wanted], Driver]] = {
    "mapped": _mapped,
    "daly-a5": _daly_a5,
    "daly-modbus": _daly_modbus,
    "delta-sm15k": _delta_sm15k,
    "ea-psb": _ea_psb,
    "itech-it6000c": _itech_it6000c,
    "jbd": _jbd,
    "jk-4e57": _jk_4e57,
    "jk-pb": _jk_pb,
    "neware-bts8": _neware_bts,
    "pace": _pace,
    "pylontech": _pylontech,
    "seplos-v2": _seplos_v2,
    "seplos-v3": _seplos_v3,
}
