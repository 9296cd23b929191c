"""A byte stream over TCP.

Owns one connected socket: Nagle off, keep-alive on, a bounded amount of unsent data. Must not know what
the bytes mean, and never reconnects by itself: a link that came back is a decision, not a detail.
"""

from __future__ import annotations

import asyncio
import socket

from packbench.core.errors import LinkError
from packbench.transport.base import BytesSink, LostSink

_UNSENT_MAX = 65_536
_KEPT_MAX = 65_536


class TcpTransport(asyncio.Protocol):
    """`transport.base.Transport`; make it with `open_tcp`."""

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self._transport: asyncio.Transport | None = None
        self._on_bytes: BytesSink | None = None
        self._on_lost: LostSink | None = None
        self._kept = bytearray()
        self._lost: str | None = None
        self._closing = False

    def attach(self, on_bytes: BytesSink, on_lost: LostSink) -> None:
        self._on_bytes = on_bytes
        self._on_lost = on_lost
        if self._kept:
            kept = bytes(self._kept)
            self._kept.clear()
            on_bytes(kept)
        if self._lost is not None and not self._closing:
            on_lost(self._lost)

    def write(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or self._lost is not None or self._closing:
            raise LinkError(self._lost or f"{self._peer}: not connected")
        if transport.get_write_buffer_size() > _UNSENT_MAX:
            raise LinkError(f"{self._peer}: takes no data any more")
        transport.write(data)

    def close(self) -> None:
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        if self._on_bytes is not None:
            self._on_bytes(data)
        elif len(self._kept) + len(data) <= _KEPT_MAX:
            self._kept += data

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = f"{self._peer}: {exc or 'the other side closed the connection'}"
        if self._on_lost is not None and not self._closing:
            self._on_lost(self._lost)


async def open_tcp(host: str, port: int, *, connect_timeout_s: float = 5.0) -> TcpTransport:
    """Connect. Raises LinkError when nobody answers there."""
    peer = f"{host}:{port}"
    try:
        async with asyncio.timeout(connect_timeout_s):
            _, protocol = await asyncio.get_running_loop().create_connection(lambda: TcpTransport(peer), host, port)
    except TimeoutError as exc:
        raise LinkError(f"{peer}: no answer within {connect_timeout_s:g} s") from exc
    except OSError as exc:
        raise LinkError(f"{peer}: {exc.strerror or exc}") from exc
    return protocol
