"""Served devices that fail: whoever serves them is told, whichever way they were called."""

from __future__ import annotations

import asyncio
import os
import tty
from pathlib import Path

import pytest

from packbench.clock import MonotonicClock
from packbench.transport.open import SerialSettings
from packbench.transport.serial import open_serial
from packbench_sim.serve import PortServer, serve_pty, serve_tcp, watch_failures

WAIT_S = 10


class Failing:
    """A device that fails when it is asked, or when it is woken for the second time."""

    def __init__(self, *, ticks: int = 1_000_000) -> None:
        self._ticks = ticks

    def on_bytes(self, t_ns: int, data: bytes) -> bytes:
        raise OverflowError(data.decode())

    def tick(self, t_ns: int) -> int | None:
        self._ticks -= 1
        if self._ticks < 0:
            raise ZeroDivisionError
        return t_ns + 1_000_000


def test_a_failure_behind_a_socket_is_told() -> None:
    async def main() -> None:
        failed = watch_failures()
        server = await serve_tcp(Failing(), "127.0.0.1", 0, MonotonicClock())
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"here")
        error = await asyncio.wait_for(failed, WAIT_S)
        assert (type(error), str(error)) == (OverflowError, "here")
        writer.close()
        await server.close()

    asyncio.run(main())


def test_a_failure_on_a_pty_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        failed = watch_failures()
        server = serve_pty(Failing(), tmp_path / "line", MonotonicClock())
        client = os.open(server.path, os.O_RDWR | os.O_NOCTTY)
        os.write(client, b"here")
        error = await asyncio.wait_for(failed, WAIT_S)
        assert (type(error), str(error)) == (OverflowError, "here")
        os.close(client)
        await server.close()

    asyncio.run(main())


def test_a_failure_on_a_serial_port_is_told() -> None:
    async def main() -> None:
        failed = watch_failures()
        far, near = os.openpty()
        tty.setraw(near)
        server = PortServer(Failing(), open_serial(os.ttyname(near), SerialSettings()), MonotonicClock())
        os.write(far, b"here")
        error = await asyncio.wait_for(failed, WAIT_S)
        assert (type(error), str(error)) == (OverflowError, "here")
        await server.close()
        os.close(near)
        os.close(far)

    asyncio.run(main())


def test_a_failure_of_its_clockwork_is_told() -> None:
    async def main() -> None:
        failed = watch_failures()
        server = await serve_tcp(Failing(ticks=2), "127.0.0.1", 0, MonotonicClock())
        assert isinstance(await asyncio.wait_for(failed, WAIT_S), ZeroDivisionError)
        await server.close()

    asyncio.run(main())


def test_the_first_failure_counts_and_the_system_s_troubles_do_not(capfd: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        failed = watch_failures()
        loop = asyncio.get_running_loop()
        # What asyncio says when there are no more file descriptors; it goes on accepting later.
        loop.call_exception_handler({"message": "accept", "exception": OSError(24, "Too many open files")})
        assert not failed.done()
        for error in (ValueError("first"), ValueError("second")):
            loop.call_exception_handler({"message": "said", "exception": error})
        assert str(await failed) == "first"

    asyncio.run(main())
    assert capfd.readouterr().err == ""
