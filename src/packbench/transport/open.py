"""From a URL to a connected byte stream (DESIGN 10).

Owns the table of schemes. Must not know devices; `emulated:` URLs are the composition root's.

    modbus+tcp://host[:502]            Modbus TCP (MBAP)
    rtu+tcp://host:port                Modbus RTU frames over TCP
    serial:///dev/ttyUSB0?baudrate=9600&parity=N&stopbits=1
    pty:///path/of/link                a pty that somebody else made
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from packbench.core.errors import InputError, Problem
from packbench.transport.base import Transport
from packbench.transport.serial import SerialSettings, open_serial
from packbench.transport.tcp import open_tcp
from packbench.wire.modbus import Framing

_FRAMING_OF: dict[str, Framing] = {"modbus+tcp": "mbap", "rtu+tcp": "rtu", "serial": "rtu", "pty": "rtu"}
_PORT_OF = {"modbus+tcp": 502}


@dataclass(frozen=True, slots=True)
class Url:
    """A device URL, taken apart and checked."""

    scheme: Literal["modbus+tcp", "rtu+tcp", "serial", "pty"]
    host: str
    port: int
    path: str
    serial: SerialSettings

    @property
    def framing(self) -> Framing:
        """How Modbus is framed on such a link."""
        return _FRAMING_OF[self.scheme]


def parse_url(url: str, *, default_baudrate: int = 115_200) -> Url:
    """Take a URL apart. Raises InputError that says what was expected."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise _wrong(url, "a port from 0 to 65535") from exc
    match parts.scheme:
        case "modbus+tcp" | "rtu+tcp" as scheme:
            port = _PORT_OF.get(scheme) if port is None else port
            if not parts.hostname or port is None or parts.path not in ("", "/") or parts.query:
                raise _wrong(url, f"{scheme}://host:port")
            return Url(scheme, parts.hostname, port, "", SerialSettings())
        case "serial" | "pty" as scheme:
            if parts.netloc or len(parts.path) < 2:
                raise _wrong(url, f"{scheme}:///path")
            return Url(scheme, "", 0, parts.path, _serial_settings(url, parts.query, default_baudrate))
        case _:
            raise _wrong(url, f"one of the schemes {', '.join(_FRAMING_OF)}")


async def open_transport(url: str | Url, *, connect_timeout_s: float = 5.0) -> Transport:
    """Open what a URL names. Raises InputError for a bad URL, LinkError when the link does not open."""
    where = parse_url(url) if isinstance(url, str) else url
    if where.scheme in ("serial", "pty"):
        return open_serial(where.path, where.serial)
    return await open_tcp(where.host, where.port, connect_timeout_s=connect_timeout_s)


def _serial_settings(url: str, query: str, default_baudrate: int) -> SerialSettings:
    options = dict(parse_qsl(query, keep_blank_values=True))
    baudrate = options.pop("baudrate", str(default_baudrate))
    parity = options.pop("parity", "N")
    stopbits = options.pop("stopbits", "1")
    expected = "?baudrate=<number>&parity=N|E|O&stopbits=1|2"
    if options or not (baudrate.isascii() and baudrate.isdigit() and 0 < int(baudrate) <= 4_000_000):
        raise _wrong(url, expected)
    if parity not in ("N", "E", "O") or stopbits not in ("1", "2"):
        raise _wrong(url, expected)
    return SerialSettings(int(baudrate), parity, 2 if stopbits == "2" else 1)


def _wrong(url: str, expected: str) -> InputError:
    return InputError(Problem("not a device URL", field="url", found=repr(url), expected=expected))
