"""Byte streams: the pair in memory, sockets, ptys, the tap and the replay, and their URLs."""

from __future__ import annotations

import asyncio
import os
import pty
import tty

import pytest
from tests.unit.wire_parts import ScriptedTransport

from packbench.clock import MonotonicClock
from packbench.core.errors import InputError, LinkError
from packbench.transport.base import Transport
from packbench.transport.memory import memory_pair
from packbench.transport.open import open_transport, parse_url
from packbench.transport.serial import SerialSettings
from packbench.transport.tap import ReplayTransport, TapRecord, TapTransport
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.wire import MemoryLink


class Ear:
    """Who is attached to a transport."""

    def __init__(self, transport: Transport) -> None:
        self.data = bytearray()
        self.lost: list[str] = []
        self.heard = asyncio.Event()
        transport.attach(self._bytes, self._lost)

    def _bytes(self, data: bytes) -> None:
        self.data += data
        self.heard.set()

    def _lost(self, reason: str) -> None:
        self.lost.append(reason)
        self.heard.set()

    async def wait(self) -> None:
        async with asyncio.timeout(5):
            await self.heard.wait()
        self.heard.clear()


async def test_memory_pair_hands_over_at_once_and_keeps_what_came_early() -> None:
    left, right = memory_pair()
    left.write(b"early")
    ear = Ear(right)
    assert bytes(ear.data) == b"early"
    left.write(b" and late")
    assert bytes(ear.data) == b"early and late"
    left.close()
    assert ear.lost == ["the other end closed the memory link"]
    with pytest.raises(LinkError):
        right.write(b"x")
    left.close()


def test_memory_link_takes_its_time_both_ways() -> None:
    class Echo:
        seen: list[tuple[int, bytes]] = []

        def on_bytes(self, t_ns: int, data: bytes) -> bytes:
            self.seen.append((t_ns, data))
            return data * 2

        def tick(self, t_ns: int) -> int | None:
            return None

    async def main(clock: VirtualClock) -> None:
        device = Echo()
        link = MemoryLink(asyncio.get_running_loop(), device, clock, latency_ns=1000, byte_time_ns=10)
        ear = Ear(link)
        link.write(b"abc")
        await ear.wait()
        assert device.seen == [(1030, b"abc")]
        assert clock.now_ns() == 1030 + 1060
        link.from_device = lambda _t_ns, data: data[:1]
        link.write(b"xyz")
        await ear.wait()
        assert bytes(ear.data) == b"abcabcx"
        link.cut()
        assert ear.lost == ["the simulated link was cut"]
        with pytest.raises(LinkError):
            link.write(b"x")

    run_virtual(main)


def test_memory_link_wakes_a_device_when_it_wants_to_be() -> None:
    class Sleeper:
        woken: list[int] = []
        wants: int | None = None

        def on_bytes(self, t_ns: int, data: bytes) -> bytes:
            self.wants = t_ns + 500
            return b""

        def tick(self, t_ns: int) -> int | None:
            if self.wants is not None and t_ns >= self.wants:
                self.woken.append(t_ns)
                self.wants = None
            return self.wants

    async def main(clock: VirtualClock) -> None:
        device = Sleeper()
        link = MemoryLink(asyncio.get_running_loop(), device, clock, latency_ns=100)
        link.write(b"set")
        await clock.sleep_until(300)
        link.write(b"again")
        await clock.sleep_until(10_000)
        assert device.woken == [900], "what it said last counts"

    run_virtual(main)


async def test_tcp_carries_bytes_and_tells_when_the_other_side_goes() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello ")
        writer.write(await reader.readexactly(4))
        await writer.drain()
        await reader.readexactly(3)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport = await open_transport(f"rtu+tcp://127.0.0.1:{port}")
    ear = Ear(transport)
    transport.write(b"ping")
    while bytes(ear.data) != b"hello ping":
        await ear.wait()
    transport.write(b"end")
    while not ear.lost:
        await ear.wait()
    assert "closed the connection" in ear.lost[0]
    with pytest.raises(LinkError):
        transport.write(b"x")
    transport.close()
    server.close()
    await server.wait_closed()
    with pytest.raises(LinkError, match=rf"127\.0\.0\.1:{port}"):
        await open_transport(f"modbus+tcp://127.0.0.1:{port}")


async def test_serial_carries_bytes_and_tells_when_the_device_goes() -> None:
    far, near = pty.openpty()
    tty.setraw(near)
    path = os.ttyname(near)
    transport = await open_transport(f"serial://{path}?baudrate=9600&parity=E")
    ear = Ear(transport)
    os.write(far, b"\x00\x03\x11\x13\r\n\xff")
    await ear.wait()
    assert bytes(ear.data) == b"\x00\x03\x11\x13\r\n\xff", "no byte is special"
    transport.write(b"\x0a\x0d\x04")
    await asyncio.sleep(0.01)
    assert os.read(far, 10) == b"\x0a\x0d\x04"
    with pytest.raises(LinkError):
        await open_transport(f"serial://{path}")
    os.close(near)
    os.close(far)
    await ear.wait()
    assert ear.lost
    with pytest.raises(LinkError):
        transport.write(b"x")
    transport.close()


async def test_serial_that_is_not_there() -> None:
    with pytest.raises(LinkError, match="/dev/no-such-port"):
        await open_transport("serial:///dev/no-such-port")


async def test_tap_tells_both_directions_and_replay_plays_them_back() -> None:
    records: list[TapRecord] = []
    wire = ScriptedTransport(lambda data: wire.hear(b"re:" + data))
    tapped = TapTransport(wire, MonotonicClock(), records.append)
    ear = Ear(tapped)
    tapped.write(b"one")
    tapped.write(b"two")
    assert [(record.direction, record.data) for record in records] == [
        ("out", b"one"), ("in", b"re:one"), ("out", b"two"), ("in", b"re:two"),
    ]  # fmt: skip
    assert bytes(ear.data) == b"re:onere:two"
    replay = ReplayTransport(TapRecord.parse(record.line()) for record in records)
    again = Ear(replay)
    replay.write(b"on")
    assert not again.data
    replay.write(b"e")
    assert bytes(again.data) == b"re:one"
    with pytest.raises(LinkError, match="not"):
        replay.write(b"six")


@pytest.mark.parametrize(
    ("url", "framing", "host", "port", "path", "serial"),
    [
        ("modbus+tcp://10.0.0.7", "mbap", "10.0.0.7", 502, "", SerialSettings()),
        ("modbus+tcp://bench.local:1502", "mbap", "bench.local", 1502, "", SerialSettings()),
        ("rtu+tcp://[::1]:5025", "rtu", "::1", 5025, "", SerialSettings()),
        ("serial:///dev/ttyUSB0?baudrate=9600", "rtu", "", 0, "/dev/ttyUSB0", SerialSettings(9600)),
        ("serial:///dev/ttyUSB0?parity=E&stopbits=2", "rtu", "", 0, "/dev/ttyUSB0", SerialSettings(115_200, "E", 2)),
        ("pty:///run/link", "rtu", "", 0, "/run/link", SerialSettings()),
        ("scpi+tcp://bench:8462", "rtu", "bench", 8462, "", SerialSettings()),
        ("xml+tcp://bench", "rtu", "bench", 502, "", SerialSettings()),
        ("slcan:///dev/ttyACM0?bitrate=500000", "rtu", "", 0, "/dev/ttyACM0", SerialSettings()),
    ],
)
def test_urls(url: str, framing: str, host: str, port: int, path: str, serial: SerialSettings) -> None:
    where = parse_url(url)
    assert (where.framing, where.host, where.port, where.path, where.serial) == (framing, host, port, path, serial)


def test_line_options() -> None:
    assert parse_url("serial:///dev/x?echo=1").local_echo is True
    assert parse_url("serial:///dev/x").local_echo is False
    assert parse_url("slcan:///dev/x?bitrate=500000").bitrate == 500_000
    assert parse_url("slcan:///dev/x").bitrate == 250_000
    # The same place is the same bus, whatever else the URLs say.
    assert parse_url("serial:///dev/x?baudrate=9600").place == parse_url("pty:///dev/x").place == "/dev/x"


@pytest.mark.parametrize(
    "url",
    [
        "slcan:///dev/x?bitrate=123456", "slcan:///dev/x?echo=1", "serial:///dev/x?echo=yes", "scpi+tcp://bench",
        "", "bench", "http://bench:80", "rtu+tcp://bench", "modbus+tcp://:502", "modbus+tcp://bench:99999",
        "modbus+tcp://bench:502/x", "modbus+tcp://bench?unit=1", "serial://ttyUSB0", "serial:///dev/x?baudrate=fast",
        "serial:///dev/x?baudrate=0", "serial:///dev/x?speed=9600", "serial:///dev/x?parity=X", "serial:///",
    ],
)  # fmt: skip
def test_bad_urls_say_what_was_expected(url: str) -> None:
    with pytest.raises(InputError, match=r"not a device URL: found .*expected"):
        parse_url(url)
