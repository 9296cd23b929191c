"""An emulated BMS read once by our own driver, before anybody else may: does the wire say what was stated?

Owns the comparison. It exists because a protocol has less room than a person has wishes: a register too narrow, a list
too short, an alarm without a bit. Such a value is refused here; nothing that was stated may be clipped, left out or
turned into something else. What the protocol has no words for at all stays unsaid, as on the real device.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from struct import error as StructError  # noqa: N812
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from packbench.app.devices import Buses, Line
from packbench.core.errors import DeviceError, InputError, Problem
from packbench.core.samples import BmsSample

if TYPE_CHECKING:
    from packbench.drivers.protocols import Bms
    from packbench_sim.loop import VirtualClock
    from packbench_sim.parts import BmsReading
    from packbench_sim.playing import Playing

_UNSAID: Final = (
    InputError,
    DeviceError,
    ArithmeticError,
    AssertionError,
    LookupError,
    TypeError,
    ValueError,
    StructError,
)
"""What an emulator or its encoders raise for a value that does not fit, and what a driver makes of such a frame."""
_ROOM: Final = "what its frames have room for"
_STEPS: Final = {
    "voltage_v": 0.11,
    "current_a": 0.11,
    "soc": 0.0101,
    "soh": 0.0101,
    "charge_limit_a": 1.01,
    "discharge_limit_a": 1.01,
    "cell_voltages_v": 0.0101,
    "temperatures_c": 1.01,
    "cycles": 0,
}
"""The coarsest field of any protocol here, cut off instead of rounded: that much of a value is its resolution."""
_FORMS: Final = ("version",)
"""Words of emulators, beside the options that a driver has as well, which change the form of a value on the wire. The
others are habits (asleep, slow, silent), in which a device could not be read at once."""

_PATIENCE: Final = {
    "stop_on_fault": False,
    "voltage_max_v": 6553.4,
    "voltage_min_v": 0.0,
    "current_max_a": 400.0,
}
"""Options of our drivers with which they go on where they would rightly end a charging session: only words count."""

_WHOLE_LISTS: Final = {"pylontech": (5, slice(1, 5)), "pace": (6, slice(0, 4)), "seplos-v2": (6, slice(0, 4))}
"""Devices whose whole list of temperatures can be stated by stating as many as it has (`devices.ydt1363.with_own`), and
which of them are cells': our drivers leave out the board's own."""


def try_out(playing: Playing, stated: Mapping[str, Any], now_ns: int) -> None:
    """Read the device behind a part once, in virtual time; nothing that it switches takes effect.

    Raises InputError naming what does not fit.
    """
    if playing.type.kind != "bms" or playing.type.driver == "none":
        return
    reading = playing.bms.reading(now_ns)
    problems = list(_problems(playing, reading, stated))
    if problems:
        raise InputError(problems)


def _problems(playing: Playing, reading: BmsReading, stated: Mapping[str, Any]) -> Iterator[Problem]:
    cannot = f"{playing.type.name} cannot say that"
    try:
        sample = _read(playing, reading)
    except _UNSAID as error:
        blamed = _to_blame(playing, reading, stated)
        if isinstance(error, InputError):
            if not blamed:
                raise
            yield from (replace(error.problems[0], field=name) for name in blamed)
        elif blamed or stated:
            for name in blamed or stated:
                yield Problem(cannot, field=name, found=_shown(getattr(reading, name)), expected=_ROOM)
        else:
            yield Problem(cannot, field="--pack", found=playing.pack.name, expected=_ROOM)
        return
    for name in dict.fromkeys(("cell_voltages_v", *stated)):
        meant = getattr(reading, name)
        if name == "temperatures_c":
            whole, of_cells = _WHOLE_LISTS.get(playing.type.name, (0, slice(0)))
            meant = meant[of_cells] if len(meant) == whole else meant
        said = _unlike(name, meant, getattr(sample, name))
        if said is not None:
            field = name if name in stated else "--pack"
            yield Problem(cannot, field=field, found=_shown(getattr(reading, name)), expected=said)


def _to_blame(playing: Playing, reading: BmsReading, stated: Mapping[str, Any]) -> list[str]:
    """The stated values without which the rest could be said."""
    blamed: list[str] = []
    for name in stated:
        spared = {name: _ordinary(name, reading)}
        if name == "cell_voltages_v" and "voltage_v" not in stated:
            # Their sum went with them.
            spared["voltage_v"] = _ordinary("voltage_v", reading)
        try:
            _read(playing, replace(reading, **spared))
        except _UNSAID:
            continue
        blamed.append(name)
    return blamed


def _ordinary(name: str, reading: BmsReading) -> Any:
    """A value that every protocol can hold."""
    match name:
        case "cell_voltages_v":
            return np.full(min(reading.cell_voltages_v.size, 4), 3.3)
        case "temperatures_c":
            return np.full(1, 25.0)
        case "alarms":
            return ()
        case "balancing":
            return False
        case "cycles":
            return 0
        case "voltage_v":
            return 13.2
        case "soc" | "soh":
            return 0.5
        case _:
            return 0.0


def _read(playing: Playing, reading: BmsReading) -> BmsSample:
    """What our driver makes of a device that has measured this. Raises _UNSAID."""
    from packbench_sim.loop import run_virtual
    from packbench_sim.wire import MemoryLink
    from packbench_sim.wiring import play

    device, scheme = playing.type, playing.scheme
    formed = {name: text for name, text in playing.options.items() if name in device.options or name in _FORMS}
    settings = {**_PATIENCE, **formed}
    settings = {name: value for name, value in settings.items() if name in device.options}
    played = play(replace(playing, bms=_Still(reading), silent=None, switches=_switch_nothing, options=formed))

    async def read(clock: VirtualClock) -> BmsSample:
        buses = Buses(clock)
        line = Line(MemoryLink(asyncio.get_running_loop(), played, clock))
        timeout_ns = device.line.reply_timeout_ns
        driver = cast(
            "Bms",
            buses.driver(
                line, device, unit=playing.unit, scheme=scheme, reply_timeout_ns=timeout_ns, settings=settings
            ),
        )
        try:
            await driver.identify()
            return await driver.read()
        finally:
            await buses.close()

    return run_virtual(read)


def _switch_nothing(_t_ns: int, _charge: bool, _discharge: bool) -> None:
    """What is tried out has no MOSFETs."""


class _Still:
    """`parts.BmsPart` that has measured once."""

    def __init__(self, reading: BmsReading) -> None:
        self._reading = reading

    def reading(self, t_ns: int) -> BmsReading:
        return self._reading


def _unlike(name: str, meant: Any, said: Any) -> str | None:
    """What was said instead of what was meant, for people; None when it is the same, or nothing is said of it."""
    if said is None:
        return None
    match name:
        case "alarms":
            missing = [alarm for alarm in meant if not any(_is_said(alarm, other) for other in said)]
            return f"alarms that it has a bit for (not {', '.join(missing)})" if missing else None
        case "balancing":
            return None if meant == said else f"what it has room for (this is read back as {said})"
        case "cell_voltages_v" | "temperatures_c":
            listed = [float(item) for item in said]
            if not listed or _all_said(name, meant.tolist(), listed):
                return None
            return f"what it has room for (this is read back as {_shown(listed)})"
        case _:
            return (
                None if abs(meant - said) <= _STEPS[name] else f"what it has room for (this is read back as {said:g})"
            )


def _is_said(alarm: str, said: str) -> bool:
    """Whether an alarm shows: by its name, by that of charging or discharging, which some tell apart, or as a warning.

    YD/T 1363 has one state byte a cell and sensor, which warns (Pylontech).
    """
    return said in (alarm, f"charge_{alarm}", f"discharge_{alarm}", f"{alarm}_warning")


def _all_said(name: str, meant: list[float], said: list[float]) -> bool:
    """Cells one by one; sensors in any order, since boards list their own among those of cells."""
    step = _STEPS[name]
    if name == "cell_voltages_v":
        return len(meant) == len(said) and all(abs(a - b) <= step for a, b in zip(meant, said, strict=True))
    left = sorted(said)
    for value in sorted(meant):
        match_at = next((at for at, other in enumerate(left) if abs(value - other) <= step), None)
        if match_at is None:
            return False
        del left[match_at]
    return True


def _shown(value: Any) -> str:
    """A value for people: a long list by its length and its ends."""
    if isinstance(value, bool | int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    items = [str(item) if isinstance(item, str) else f"{item:g}" for item in value]
    if len(items) <= 8:
        return ",".join(items) or "none"
    return f"{len(items)} values ({items[0]} ... {items[-1]})"
