"""Devices played for anybody's client, on a real socket, pty or serial port, backed by one simulated bench.

Owns the composition of an emulation: which pack stands behind it, what a person has stated of its state, where it is
served, and the safe end of it. The devices themselves are the simulator's, the same that every simulated run meets.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from packbench.app.devices import load_type
from packbench.app.job import apply_settings, read_source, read_text
from packbench.app.trial import try_out
from packbench.clock import Clock, MonotonicClock
from packbench.config.bench import load_bench
from packbench.config.document import load_document
from packbench.config.pack import load_pack
from packbench.core.errors import InputError, LinkError, PackbenchError, Problem
from packbench.core.specs import BenchSpec, PackSpec
from packbench.drivers.factory import require_link
from packbench.maps.schema import DeviceType
from packbench.transport.open import Url, parse_url
from packbench.transport.serial import open_serial

if TYPE_CHECKING:
    from packbench_sim.parts import WireDevice
    from packbench_sim.world import World

_IGNORED = ("ok", "device", "unit", "kind", "identity", "plausible", "cell_min_v", "cell_max_v", "link")
"""Keys of a probe's answer that are no state: its JSON can be given back as a state file."""


_SIGNAL_S = 0.05
"""How long an emulation that has ended by itself listens for a signal to end it."""
DEFAULT_PACK = "lfp-16s"
"""Behind a device that is played by its map alone, when neither its file nor the command names a pack."""


@dataclass(frozen=True, slots=True)
class Part:
    """One device to be played."""

    type: DeviceType
    unit: int


@dataclass(frozen=True, slots=True)
class Script:
    """Everything an emulation is told."""

    parts: tuple[Part, ...]
    url: str
    pack: str | None = None
    """Pack file or name; None: the one that the first device's file names."""
    words: tuple[str, ...] = ()
    """`--set` words: state (`soc=0.5`), plant (`plant.soh=0.7`, `ambient_c=10`), the device's own (`asleep=1`)."""
    state: Path | None = None
    seed: int | None = None
    """Of the instruments' errors; None: instruments without errors."""


def is_unit(text: str) -> bool:
    """Whether a text is a unit number, 0 to 255."""
    return text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 255


def parts_of(names: Sequence[str], units: Sequence[int]) -> tuple[Part, ...]:
    """`NAME` or `NAME@UNIT` words, and the units that `--unit` lists for a name without one.

    Raises InputError.
    """
    found: list[Part] = []
    for word in names:
        name, at, text = word.partition("@")
        device = load_type(name)
        if at and not is_unit(text):
            raise InputError(Problem("", field="device", found=word, expected="NAME@UNIT, a unit from 0 to 255"))
        wanted = [int(text)] if at else list(units) or [device.unit]
        found += [Part(device, unit) for unit in wanted]
    if units and all("@" in word for word in names):
        # Nobody is left to stand there: what was asked for would be another pack's reading.
        found_units, expected = ",".join(map(str, units)), "NAME without @UNIT, or no --unit"
        raise InputError(
            Problem("every device has its unit already", field="--unit", found=found_units, expected=expected)
        )
    places = [(part.type.protocol, part.unit) for part in found]
    if len(set(places)) < len(places):
        expected = "each unit once: NAME@UNIT, or --unit 1,2,3"
        raise InputError(Problem("two devices at one place", field="device", found=" ".join(names), expected=expected))
    return tuple(found)


def emulate(script: Script, ready: Callable[[dict[str, Any]], None]) -> None:
    """Play until SIGTERM, SIGINT or the end of the line. `ready` is told once where clients find the devices.

    Raises InputError, LinkError, and whatever a device raised while it answered: none goes on deaf.
    """
    clock = MonotonicClock()
    url = parse_url(script.url, default_baudrate=script.parts[0].type.line.baudrate)
    for part in script.parts:
        require_link(part.type, url.scheme)
    # Before there is a loop: what is stated is tried out in virtual time, which has one of its own.
    device = _compose(script, url, clock)
    asyncio.run(_play(device, url, ready, clock))


async def _play(device: WireDevice, url: Url, ready: Callable[[dict[str, Any]], None], clock: Clock) -> None:
    from packbench_sim.serve import watch_failures

    with ExitStack() as signals:
        over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        failed = watch_failures()
        _stop_on_signals(over, signals)
        async with AsyncExitStack() as stack:
            where, lost = await _serve(device, url, clock, stack)
            ready(where)
            ends: set[asyncio.Future[Any]] = {over, failed} if lost is None else {over, failed, lost}
            ended, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        # A signal that came meanwhile is heard some turns later. Who was told to stop says nothing more: saying it
        # could wait for a reader of stderr for ever.
        await asyncio.wait({over}, timeout=_SIGNAL_S)
        if over.done():
            return
        if failed in ended:
            raise _failure(failed.result())
        if lost is not None:
            raise LinkError(lost.result())


def _failure(error: BaseException) -> BaseException:
    """What ends an emulation whose device failed: a defect of ours, also where the device blames its input."""
    return PackbenchError(f"the emulated device failed: {error}") if isinstance(error, PackbenchError) else error


def _stop_on_signals(over: asyncio.Future[str], stack: ExitStack) -> None:
    loop = asyncio.get_running_loop()

    def on_signal(name: str) -> None:
        if not over.done():
            over.set_result(name)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, on_signal, number.name)
        stack.callback(loop.remove_signal_handler, number)


async def _serve(
    device: WireDevice, url: Url, clock: Clock, stack: AsyncExitStack
) -> tuple[dict[str, Any], asyncio.Future[str] | None]:
    """Where clients find it, and what tells when the line itself has ended."""
    from packbench_sim.serve import PortServer, serve_pty, serve_tcp

    if url.host:
        server = await serve_tcp(device, url.host, url.port, clock)
        stack.push_async_callback(server.close)
        host = f"[{url.host}]" if ":" in url.host else url.host
        return {"url": f"{url.scheme}://{host}:{server.port}"}, None
    if _is_there(url):
        port = PortServer(device, open_serial(url.path, url.serial), clock)
        stack.push_async_callback(port.close)
        return {"url": f"{url.scheme}://{url.path}", "path": url.path}, port.lost
    pty = serve_pty(device, Path(url.path), clock)
    stack.push_async_callback(pty.close)
    return {"url": f"{url.scheme}://{url.path}", "path": pty.path}, None


def _is_there(url: Url) -> bool:
    """A serial port is somebody's device and must be there; a pty is ours to make, also that of a CAN adapter."""
    return url.scheme == "serial" or (url.scheme == "slcan" and Path(url.path).is_char_device())


# ------------------------------------------------------------------ composing


def _compose(script: Script, url: Url, clock: Clock) -> WireDevice:
    """The devices on their line, the plant behind them."""
    from packbench_sim.devices.bus import BusDevices
    from packbench_sim.stated import StatedBms
    from packbench_sim.wiring import play, playing

    words = _Words(script.words)
    stated = {**_state_file(script.state), **words.stated}
    world = _world(script, words.plant, clock)
    _connect_pack(world, stated.get("current_a"), clock.now_ns(), closed=words.options.pop("contactor", "1") != "0")
    devices: list[WireDevice] = []
    tried: set[str] = set()
    for part in script.parts:
        playing_it = playing(world, part.type, part.unit, url.scheme, options=words.options)
        if stated:
            playing_it = replace(playing_it, bms=StatedBms(world.plant.bms, stated))
        if part.type.name not in tried:
            tried.add(part.type.name)
            try_out(playing_it, stated, clock.now_ns())
        devices.append(play(playing_it))
    return devices[0] if len(devices) == 1 else BusDevices(devices)


class _Words:
    """`--set` words, sorted by whom they concern."""

    def __init__(self, words: Sequence[str]) -> None:
        from packbench_sim.stated import STATED, parse_stated

        self.stated: dict[str, Any] = {}
        self.options: dict[str, str] = {}
        plant: list[str] = []
        for word in words:
            key, equals, text = word.partition("=")
            if not equals:
                raise InputError(Problem("", field="--set", found=word, expected="KEY=VALUE"))
            if key in STATED:
                self.stated[key] = parse_stated(key, text, "--set")
            elif key == "ambient_c" or key.startswith("plant."):
                plant.append(word)
            else:
                self.options[key] = text
        self.plant = tuple(plant)


def _state_file(path: Path | None) -> dict[str, Any]:
    """A file in the probe's vocabulary (JSON, or YAML): what the emulated device reads."""
    from packbench_sim.stated import STATED, parse_stated

    if path is None:
        return {}
    text, data = read_text(path), None
    try:
        data = json.loads(text) if path.suffix == ".json" else load_document(text, str(path)).data
    except json.JSONDecodeError as error:
        line = text.split("\n")[error.lineno - 1]
        place = Problem(error.msg, str(path), error.lineno, error.colno, None, "no JSON", "an object", line)
        raise InputError(place) from error
    if not isinstance(data, dict):
        raise InputError(Problem("", file=str(path), found=type(data).__name__, expected="a mapping of values"))
    values = {key: value for key, value in cast("dict[str, Any]", data).items() if key not in _IGNORED}
    for key in values:
        if key not in STATED:
            raise InputError(Problem("", file=str(path), field=key, found=key, expected=f"one of {', '.join(STATED)}"))
    return {key: parse_stated(key, value, str(path)) for key, value in values.items() if value is not None}


def _world(script: Script, settings: tuple[str, ...], clock: Clock) -> World:
    from packbench_sim.world import build_parts

    pack, bench = _bench(script, settings)
    return build_parts(bench, pack, start_ns=clock.now_ns(), seed=script.seed or 0, perfect=script.seed is None)


def _bench(script: Script, settings: tuple[str, ...]) -> tuple[PackSpec, BenchSpec]:
    from packbench_sim.wiring import player_of

    first = script.parts[0].type
    name = script.pack or first.emulated_pack or (DEFAULT_PACK if player_of(first) is not None else None)
    if name is None:
        raise InputError(Problem("no emulator plays this device", field="device", found=first.name))
    source = read_source("packs", name)
    pack, ambient_c = apply_settings(load_pack(source.text, source.name), settings)
    if pack.default_bench is None:
        raise InputError(Problem("the pack file names no bench", file=source.name, field="default_bench"))
    bench_source = read_source("benches", pack.default_bench)
    bench = load_bench(bench_source.text, bench_source.name)
    limits = first.capabilities
    rated = {
        key: value
        for key, value in (
            ("rated_voltage_v", limits.voltage_max_v),
            ("rated_current_a", limits.current_max_a),
            ("rated_power_w", limits.power_max_w),
        )
        if first.kind == "cycler" and value is not None
    }
    cycler = replace(bench.cycler, settings=MappingProxyType({**bench.cycler.settings, **rated}))
    return pack, replace(bench, cycler=cycler, ambient_c=bench.ambient_c if ambient_c is None else ambient_c)


def _connect_pack(world: World, current_a: float | None, now_ns: int, *, closed: bool) -> None:
    """Close the contactor, and drive the current that was stated: the pack lives with it."""
    plant = world.plant
    # There is no board behind a device that is played alone: its hard-wired enable is bridged.
    plant.cycler.enabled = True
    plant.contactor.drive(now_ns, closed=closed)
    if current_a:
        plant.cycler.command(
            now_ns,
            output_on=True,
            voltage_v=plant.cycler.rated_voltage_v if current_a > 0 else 0.0,
            source_current_a=max(current_a, 0.0),
            sink_current_a=max(-current_a, 0.0),
        )
