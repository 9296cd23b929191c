"""Every parser of bytes from a wire, each as a function of bytes that raises only when it is broken.

Owns the table that `make fuzz` and the short run of `make test` share. It is not written by hand: the frames' meanings
come from the registry of protocols, the emulators from theirs, and the host's codecs from the conversations that each
driver holds with its emulator. A device that is added is fuzzed from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.unit.golden import golden_frames
from tests.unit.wire_parts import MAP_NAMES, PlainBms, PlainCycler, device_map

from packbench.config.pack import load_pack
from packbench.core.errors import DeviceError
from packbench.drivers.factory import Wanted, make_driver
from packbench.drivers.gbt27930 import advance, begin
from packbench.drivers.gbt27930_heard import sample_of
from packbench.drivers.gbt27930_settings import ChargerSettings
from packbench.drivers.golden import EXPLAIN
from packbench.files import packaged_configs
from packbench.transport.link import Codec, Reply, Timing
from packbench.wire.can.frame import CanFrame
from packbench.wire.can.slcan import HostReader, opening_lines
from packbench.wire.counters import LineCounters
from packbench.wire.explained import Direction
from packbench_sim.parts import SessionDevice, TalkingDevice, WireDevice
from packbench_sim.playing import Playing
from packbench_sim.wiring import PLAYERS, play

SECOND = 1_000_000_000
INPUTS_A_DEVICE = 500
PIECES_MAX = 16
KEPT_MAX = 8192
"""What any parser may hold back for later, in bytes."""
Target = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """One exchange of a driver with its emulator."""

    codec: Codec[Any, Any]
    request: Any
    frame: bytes
    reply: bytes


class _Line:
    """`transport.link.Bus` and `Link` at once: asks the emulator in the same breath, and remembers."""

    def __init__(self, device: WireDevice) -> None:
        self._device = device
        self.counters = LineCounters()
        self.asked: list[Asked] = []
        self._t_ns = SECOND

    def link(self, codec: Codec[Any, Any], timing: Timing, **_: Any) -> _Link:
        return _Link(self, codec)

    def exchange(self, codec: Codec[Any, Any], request: Any) -> Reply[Any]:
        frame = codec.encode(request)
        self._t_ns += SECOND
        reply = self._device.on_bytes(self._t_ns, frame)
        for _ in range(40):
            # What is not said at once comes with time.
            if isinstance(self._device, TalkingDevice):
                reply += self._device.take_output()
            if reply:
                break
            self._t_ns += SECOND // 20
            self._device.tick(self._t_ns)
        self.asked.append(Asked(codec, request, frame, reply))
        value = codec.decode(request, bytearray(reply))
        if value is None:
            raise DeviceError(f"{codec}: no whole answer in {reply.hex()}")
        return Reply(self._t_ns, value)


class _Link:
    def __init__(self, line: _Line, codec: Codec[Any, Any]) -> None:
        self._line, self._codec = line, codec

    async def exchange(self, request: Any, *, urgent: bool = False) -> Reply[Any]:
        return self._line.exchange(self._codec, request)


def emulator(name: str, scheme: str | None = None) -> WireDevice:
    """A device backed by plain stand-ins."""
    device = device_map(name)
    path = packaged_configs() / "packs" / f"{device.emulated_pack}.yaml"
    pack = load_pack(path.read_text("utf-8"), path.name)
    chosen: Any = scheme or device.links[0]
    return play(Playing(device, device.unit, chosen, pack, PlainCycler(), PlainBms(pack.series, 4)))


def conversation(name: str, scheme: str) -> list[Asked]:
    """What the driver asks to say who the device is and to read it once, with the emulator's answers."""
    device = device_map(name)
    line = _Line(emulator(name, scheme))
    chosen: Any = scheme
    driver: Any = make_driver(Wanted(device, device.unit, chosen, line, SECOND, {}))  # pyright: ignore[reportArgumentType]

    async def talk() -> None:
        await driver.identify()
        await driver.read()

    asyncio.run(talk())
    return line.asked


def _explain(protocol: str, direction: Direction) -> Target:
    explain = EXPLAIN[protocol]  # pyright: ignore[reportArgumentType]

    def target(data: bytes) -> None:
        try:
            explained = explain(direction, data)
        except DeviceError:
            return
        assert explained.again == data, (
            f"{explained.values} was made of {data.hex()}, and makes {explained.again.hex()}"
        )

    return target


def _codec(name: str, scheme: str) -> Target:
    asked = conversation(name, scheme)

    def target(data: bytes) -> None:
        if not data:
            return
        item = asked[data[0] % len(asked)]
        item.codec.encode(item.request)
        buffer = bytearray(data[1:])
        for _ in range(4):
            before = len(buffer)
            try:
                value = item.codec.decode(item.request, buffer)
            except DeviceError:
                value = None
            assert len(buffer) <= before, "a decoder never adds to what it was given"
            assert len(buffer) <= KEPT_MAX
            if value is None or len(buffer) == before:
                break

    return target


def _device(name: str) -> Target:
    fed = 0
    device: WireDevice | None = None

    def target(data: bytes) -> None:
        nonlocal fed, device
        # Made anew now and then, not each time: that would cost more than what is tried.
        if device is None or fed % INPUTS_A_DEVICE == 0:
            device = emulator(name)
            if isinstance(device, SessionDevice):
                device = device.session()
        fed += 1
        # In a few pieces: a device looks for requests with each.
        size = max(1 + data[0] if data else 1, len(data) // PIECES_MAX)
        t_ns = SECOND * fed
        for start in range(0, len(data), size):
            reply = device.on_bytes(t_ns, data[start : start + size])
            assert len(reply) <= 64 * KEPT_MAX
            t_ns += 1_000_000
        device.tick(t_ns)

    return target


def _charger() -> Target:
    """The host's side of a CAN bus: no codec, but a session that goes on with whatever is heard."""

    def target(data: bytes) -> None:
        reader, state, t_ns = HostReader(), begin(ChargerSettings(), 0), 0
        for item in reader.feed(data):
            if not isinstance(item, CanFrame):
                continue
            t_ns += 5_000_000
            state, frames, _ = advance(state, item, t_ns)
            assert len(frames) < 32
            sample_of(state.heard, use_cells=True)
        wake_ns: int | None = t_ns
        for _ in range(20):
            # A session moves on, or is over: it never asks to be woken in the past.
            state, _, wake_ns = advance(state, None, wake_ns)
            if wake_ns is None:
                break
            assert wake_ns > t_ns
            t_ns = wake_ns

    return target


def targets() -> dict[str, Callable[[], Target]]:
    """By name: what makes every parser's target (an emulator and a conversation take a while)."""
    found: dict[str, Callable[[], Target]] = {}
    for protocol in sorted(EXPLAIN):
        found[f"explain-{protocol}-request"] = partial(_explain, protocol, "request")
        found[f"explain-{protocol}-reply"] = partial(_explain, protocol, "reply")
    found["charger-gbt27930"] = _charger
    for name in sorted(PLAYERS):
        found[f"emulator-{name}"] = partial(_device, name)
        for scheme in _schemes(name):
            found[f"codec-{name}-{scheme}"] = partial(_codec, name, scheme)
    return found


def _schemes(name: str) -> Iterator[str]:
    """One link of each framing; a CAN bus has no port."""
    device = device_map(name)
    if device.protocol == "gbt27930":
        return
    yield device.links[0]
    for scheme in ("rtu+tcp", "scpi+tcp"):
        if scheme in device.links[1:]:
            yield scheme


def _golden(name: str, direction: str, protocol: str | None = None) -> list[bytes]:
    """The captures in a device's own file, if it speaks this protocol."""
    device = device_map(name)
    if protocol not in (None, device.protocol):
        return []
    frames = [golden.request if direction == "request" else golden.reply for golden in device.golden]
    return [frame for frame in frames if frame]


def seeds(name: str) -> list[bytes]:
    """Good input to begin with: golden frames, and what drivers and emulators say to each other."""
    kind, _, rest = name.partition("-")
    if kind == "explain":
        protocol, _, direction = rest.rpartition("-")
        own = [frame for device in MAP_NAMES for frame in _golden(device, direction, protocol)]
        return own + [frame.frame for frame in golden_frames() if frame.direction == direction]
    if kind == "charger":
        lines = b"".join(_golden(rest, "reply")).split(b"\r")
        # Whole sessions as a BMS has them, its own frames alone (source address F4).
        session = b"".join(line + b"\r" for line in lines if line[7:9] == b"F4")
        return [line + b"\r" for line in lines] + [b"T182756F425713\r" + session[: 27 * 18]]
    if kind == "codec":
        device, _, scheme = rest.rpartition("-")
        return [bytes((index,)) + asked.reply for index, asked in enumerate(conversation(device, scheme))]
    frames = [frame.frame for frame in golden_frames() if frame.direction == "request"]
    frames += _golden(rest, "request")
    if device_map(rest).protocol == "gbt27930":
        # An adapter hears nothing before its channel is open.
        frames.append(b"".join((*opening_lines(250_000), *_golden(rest, "request"))))
    for scheme in _schemes(rest):
        frames += [asked.frame for asked in conversation(rest, scheme)]
    return [b"\xff" + frame for frame in frames]
