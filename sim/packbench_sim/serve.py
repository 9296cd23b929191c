"""Simulated devices on real sockets, ptys and serial ports, for drivers of ours and clients of others.

Owns the far end of a live link: accepting, handing bytes over, waking the device in real time. Must not know what the
bytes mean. A pty's link is removed again; nothing is left behind.
"""

from __future__ import annotations

import asyncio
import os
import pty
import tty
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from packbench.clock import Clock
from packbench.core.errors import InputError, LinkError, Problem
from packbench.transport.base import Transport
from packbench_sim.parts import SessionDevice, TalkingDevice, WireDevice

LOOK_S = 0.1
"""How often a device is looked at that asked for nothing."""
UNSENT_MAX = 65_536
"""A client that reads nothing gets nothing more."""


def watch_failures() -> asyncio.Future[BaseException]:
    """Tells the first error that escaped a device while it answered or was woken on the running loop.

    Every server here calls its device from the loop's own callbacks, and asyncio only logs what escapes those: the
    device would stay deaf, and a log that nobody reads would stop the loop.
    """
    loop = asyncio.get_running_loop()
    failed: asyncio.Future[BaseException] = loop.create_future()

    def on_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception") or RuntimeError(context["message"])
        # An OSError is the system's (no more connections just now), which asyncio tries again.
        if not isinstance(error, OSError) and not failed.done():
            failed.set_result(error)

    loop.set_exception_handler(on_error)
    return failed


class Ticker:
    """Wakes a device in real time, and hands on what it says by itself."""

    def __init__(self, device: WireDevice, clock: Clock, say: Callable[[bytes], None]) -> None:
        self._device, self._clock, self._say = device, clock, say
        self._talker = device if isinstance(device, TalkingDevice) else None
        self._handle: asyncio.TimerHandle | None = None
        self.look()

    def look(self) -> None:
        """Let time pass for the device now, and set the next alarm."""
        if self._handle is not None:
            self._handle.cancel()
        now_ns = self._clock.now_ns()
        wanted_ns = self._device.tick(now_ns)
        if self._talker is not None and (said := self._talker.take_output()):
            self._say(said)
        delay_s = LOOK_S if wanted_ns is None else min(max(wanted_ns - now_ns, 1_000_000) / 1e9, LOOK_S)
        self._handle = asyncio.get_running_loop().call_later(delay_s, self.look)

    def stop(self) -> None:
        """No more alarms."""
        if self._handle is not None:
            self._handle.cancel()


class _Connection(asyncio.Protocol):
    """One client's connection to a served device."""

    def __init__(self, server: DeviceServer) -> None:
        self._server = server
        self._device = server.device.session() if isinstance(server.device, SessionDevice) else server.device
        self._transport: asyncio.Transport | None = None
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connected.add(self)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connected.discard(self)
        if self._idle is not None:
            self._idle.cancel()

    def data_received(self, data: bytes) -> None:
        self._wait()
        self.say(self._device.on_bytes(self._server.clock.now_ns(), data))
        self._server.ticker.look()

    def say(self, data: bytes) -> None:
        """Send, unless the client has stopped reading."""
        transport = self._transport
        if data and transport is not None and transport.get_write_buffer_size() < UNSENT_MAX:
            transport.write(data)

    def hang_up(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def _wait(self) -> None:
        """Start the idle time anew."""
        idle_ns = self._server.device.idle_close_ns if isinstance(self._server.device, SessionDevice) else 0
        if self._idle is not None:
            self._idle.cancel()
        if idle_ns:
            self._idle = asyncio.get_running_loop().call_later(idle_ns / 1e9, self._close_idle)

    def _close_idle(self) -> None:
        if self._transport is not None:
            self._transport.close()


class DeviceServer:
    """A WireDevice behind a real TCP socket. Make it with `serve_tcp`."""

    def __init__(self, device: WireDevice, clock: Clock) -> None:
        self.device = device
        self.clock = clock
        self.connected: set[_Connection] = set()
        self.ticker = Ticker(device, clock, self._say)
        self._server: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> None:
        """Bind (port 0: any free one). Raises LinkError when that is not to be had."""
        try:
            self._server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), host, port)
        except OSError as error:
            self.ticker.stop()
            raise LinkError(f"{host}:{port}: {error.strerror or error}") from error

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and drop whoever is connected."""
        self.ticker.stop()
        if self._server is None:
            return
        self._server.close()
        for connection in list(self.connected):
            connection.hang_up()
        await self._server.wait_closed()

    def _say(self, data: bytes) -> None:
        """What the device says by itself goes to everybody."""
        for connection in list(self.connected):
            connection.say(data)


async def serve_tcp(device: WireDevice, host: str, port: int, clock: Clock) -> DeviceServer:
    """Serve a device on a socket (port 0: any free one)."""
    server = DeviceServer(device, clock)
    await server.listen(host, port)
    return server


class PortServer:
    """A WireDevice on a byte stream that is already open: a serial port, the far end of a pty."""

    def __init__(self, device: WireDevice, transport: Transport, clock: Clock) -> None:
        self._device, self._transport, self._clock = device, transport, clock
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Why the stream ended, once it has."""
        self.ticker = Ticker(device, clock, self._say)
        transport.attach(self._on_bytes, self._on_lost)

    async def close(self) -> None:
        """Stop playing."""
        self.ticker.stop()
        self._transport.close()
        self.lost.cancel()

    def _on_bytes(self, data: bytes) -> None:
        self._say(self._device.on_bytes(self._clock.now_ns(), data))
        self.ticker.look()

    def _say(self, data: bytes) -> None:
        if data and not self.lost.done():
            # A line that takes no data any more loses it, as a real one does.
            with suppress(LinkError):
                self._transport.write(data)

    def _on_lost(self, reason: str) -> None:
        self.ticker.stop()
        if not self.lost.done():
            self.lost.set_result(reason)


class PtyServer:
    """A WireDevice on a pty of its own, under a name that clients open like a serial port. Make it with `serve_pty`."""

    def __init__(self, device: WireDevice, link: Path, clock: Clock) -> None:
        self._device, self._link, self._clock = device, link, clock
        self._loop = asyncio.get_running_loop()
        self._linked = False
        with ExitStack() as opened:
            self._far, self._near = pty.openpty()
            opened.callback(os.close, self._far)
            opened.callback(os.close, self._near)
            # Raw, and the near end kept open: a client that closes and comes back finds the same line.
            tty.setraw(self._near)
            os.set_blocking(self._far, False)
            self._make_link()
            opened.pop_all()
        self.ticker = Ticker(device, clock, self._say)
        self._loop.add_reader(self._far, self._readable)

    @property
    def path(self) -> str:
        """What a client opens."""
        return str(self._link)

    async def close(self) -> None:
        """Stop playing, and take the name away."""
        self.ticker.stop()
        self._loop.remove_reader(self._far)
        os.close(self._far)
        os.close(self._near)
        with suppress(OSError):
            if self._linked and self._link.is_symlink():
                self._link.unlink()

    def _make_link(self) -> None:
        target = os.ttyname(self._near)
        try:
            if _left_over(self._link):
                self._link.unlink()
            self._link.symlink_to(target)
        except OSError as error:
            expected = "a path in a folder that can be written to, not in use"
            place = Problem(str(error.strerror), field="url", found=str(self._link), expected=expected)
            raise InputError(place) from error
        self._linked = True

    def _readable(self) -> None:
        try:
            data = os.read(self._far, 4096)
        except OSError:
            # EIO while no client has the line open, on kernels that say so.
            return
        self._say(self._device.on_bytes(self._clock.now_ns(), data))
        self.ticker.look()

    def _say(self, data: bytes) -> None:
        if data:
            # Nobody reads: the line is full, and what does not fit is lost, as on a real one.
            with suppress(OSError):
                os.write(self._far, data)


def _left_over(link: Path) -> bool:
    """Whether a link is that of somebody who was killed: its pty is gone, or the number is another, younger pty's."""
    if not link.is_symlink():
        return False
    return not link.exists() or link.stat().st_ctime > link.lstat().st_mtime


def serve_pty(device: WireDevice, link: Path, clock: Clock) -> PtyServer:
    """Serve a device on a new pty, linked from `link`. Raises InputError when that name is not to be had."""
    return PtyServer(device, link, clock)
