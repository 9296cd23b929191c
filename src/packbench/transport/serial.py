"""A byte stream over a serial port or a pty.

Owns the open device: exclusive use, no flow control, bytes read as soon as the system has them. Must not
know frames or gaps. Set-up is pyserial's; reading and writing are the event loop's, on the descriptor
itself (pyserial-asyncio costs five times as much).
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import Literal

import serial

from packbench.core.errors import LinkError
from packbench.transport.base import BytesSink, LostSink

_CHUNK = 4096
_KEPT_MAX = 65_536
_UNSENT_MAX = 65_536


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """How the line is set; 8 data bits always."""

    baudrate: int = 115_200
    parity: Literal["N", "E", "O"] = "N"
    stopbits: Literal[1, 2] = 1


class SerialTransport:
    """`transport.base.Transport`; make it with `open_serial`."""

    def __init__(self, port: serial.Serial, path: str) -> None:
        self._port = port
        self._path = path
        self._fd: int = port.fileno()
        os.set_blocking(self._fd, False)
        self._loop = asyncio.get_running_loop()
        self._on_bytes: BytesSink | None = None
        self._on_lost: LostSink | None = None
        self._kept = bytearray()
        self._unsent = bytearray()
        self._lost: str | None = None
        self._loop.add_reader(self._fd, self._readable)

    def attach(self, on_bytes: BytesSink, on_lost: LostSink) -> None:
        self._on_bytes = on_bytes
        self._on_lost = on_lost
        if self._kept:
            kept = bytes(self._kept)
            self._kept.clear()
            on_bytes(kept)

    def write(self, data: bytes) -> None:
        if self._lost is not None:
            raise LinkError(self._lost)
        if len(self._unsent) + len(data) > _UNSENT_MAX:
            raise LinkError(f"{self._path}: takes no data any more")
        waiting = bool(self._unsent)
        self._unsent += data
        if not waiting:
            self._writable()

    def close(self) -> None:
        if self._lost is None:
            self._lost = f"{self._path}: closed"
            self._shut()

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError as exc:
            self._lose(f"{self._path}: {exc.strerror}")
            return
        if not data:
            self._lose(f"{self._path}: the device went away")
        elif self._on_bytes is not None:
            self._on_bytes(data)
        elif len(self._kept) + len(data) <= _KEPT_MAX:
            self._kept += data

    def _writable(self) -> None:
        try:
            sent = os.write(self._fd, self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError as exc:
            self._lose(f"{self._path}: {exc.strerror}")
            return
        del self._unsent[:sent]
        if self._unsent:
            self._loop.add_writer(self._fd, self._writable)
        else:
            self._loop.remove_writer(self._fd)

    def _lose(self, reason: str) -> None:
        if self._lost is None:
            self._lost = reason
            self._shut()
            if self._on_lost is not None:
                self._on_lost(reason)

    def _shut(self) -> None:
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._port.close()


def open_serial(path: str, settings: SerialSettings) -> SerialTransport:
    """Open a device for this process alone. Raises LinkError when it is not there or in use."""
    try:
        port = serial.Serial(
            path,
            settings.baudrate,
            parity=settings.parity,
            stopbits=settings.stopbits,
            timeout=0,
            exclusive=True,
        )
    except (serial.SerialException, ValueError) as exc:
        raise LinkError(f"{path}: {exc}") from exc
    return SerialTransport(port, path)
