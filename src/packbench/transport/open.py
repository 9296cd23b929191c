"""From a URL to a connected byte stream (DESIGN 10).

Owns the table of schemes. Must not know devices; `emulated:` URLs are the composition root's.

    modbus+tcp://host[:502]            Modbus TCP (MBAP)
    rtu+tcp://host:port                Modbus RTU frames over TCP
    scpi+tcp://host:port               SCPI
    xml+tcp://host[:502]               Neware BTS
    serial:///dev/ttyUSB0?baudrate=9600&parity=N&stopbits=1&echo=0
    pty:///path/of/link                a pty that somebody else made
    slcan:///dev/ttyACM0?bitrate=250000&baudrate=115200
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import parse_qsl, urlsplit

from packbench.core.errors import InputError, Problem
from packbench.maps.schema import Scheme
from packbench.transport.base import Transport
from packbench.transport.serial import SerialSettings, open_serial
from packbench.transport.tcp import open_tcp
from packbench.wire.modbus import Framing

_PORT_OF: dict[str, int | None] = {"modbus+tcp": 502, "rtu+tcp": None, "scpi+tcp": None, "xml+tcp": 502}
_ON_A_LINE = ("serial", "pty", "slcan")
CAN_BITRATES = (10_000, 20_000, 50_000, 83_300, 100_000, 125_000, 250_000, 500_000, 750_000, 1_000_000)
"""What an slcan adapter can be told (python-can's table)."""


_DEFAULT_LINE = SerialSettings()


@dataclass(frozen=True, slots=True)
class Url:
    """A device URL, taken apart and checked."""

    scheme: Scheme
    host: str = ""
    port: int = 0
    path: str = ""
    serial: SerialSettings = _DEFAULT_LINE
    local_echo: bool = False
    """The RS-485 adapter hands back what it sends."""
    bitrate: int = 250_000
    """Of a CAN bus."""

    @property
    def framing(self) -> Framing:
        """How Modbus is framed on such a link."""
        return "mbap" if self.scheme == "modbus+tcp" else "rtu"

    @property
    def place(self) -> str:
        """What of the URL names the bus: devices whose URLs have the same place share it."""
        return self.path or f"{self.host}:{self.port}"


def parse_url(url: str, *, default_baudrate: int = 115_200) -> Url:
    """Take a URL apart. Raises InputError that says what was expected."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise _wrong(url, "a port from 0 to 65535") from exc
    scheme = parts.scheme
    if scheme in _PORT_OF:
        port = _PORT_OF[scheme] if port is None else port
        if not parts.hostname or port is None or parts.path not in ("", "/") or parts.query:
            raise _wrong(url, f"{scheme}://host:port")
        return Url(cast("Scheme", scheme), parts.hostname, port)
    if scheme in _ON_A_LINE:
        if parts.netloc or len(parts.path) < 2:
            raise _wrong(url, f"{scheme}:///path")
        return _line(url, cast("Scheme", scheme), parts.path, parts.query, default_baudrate)
    raise _wrong(url, f"one of the schemes {', '.join((*_PORT_OF, *_ON_A_LINE))}")


async def open_transport(url: str | Url, *, connect_timeout_s: float = 5.0) -> Transport:
    """Open what a URL names. Raises InputError for a bad URL, LinkError when the link does not open."""
    where = parse_url(url) if isinstance(url, str) else url
    if where.scheme in _ON_A_LINE:
        return open_serial(where.path, where.serial)
    return await open_tcp(where.host, where.port, connect_timeout_s=connect_timeout_s)


def _line(url: str, scheme: Scheme, path: str, query: str, default_baudrate: int) -> Url:
    options = dict(parse_qsl(query, keep_blank_values=True))
    baudrate = _number(options.pop("baudrate", str(default_baudrate)))
    if scheme == "slcan":
        bitrate = _number(options.pop("bitrate", "250000"))
        if options or not 0 < baudrate <= _BAUDRATE_MAX or bitrate not in CAN_BITRATES:
            raise _wrong(url, f"?bitrate={'|'.join(map(str, CAN_BITRATES))}&baudrate=<number>")
        return Url(scheme, path=path, serial=SerialSettings(baudrate), bitrate=bitrate)
    parity = options.pop("parity", "N")
    stopbits = options.pop("stopbits", "1")
    echo = options.pop("echo", "0")
    known = parity in ("N", "E", "O") and stopbits in ("1", "2") and echo in ("0", "1")
    if options or not known or not 0 < baudrate <= _BAUDRATE_MAX:
        raise _wrong(url, "?baudrate=<number>&parity=N|E|O&stopbits=1|2&echo=0|1")
    settings = SerialSettings(baudrate, cast('Literal["N", "E", "O"]', parity), 2 if stopbits == "2" else 1)
    return Url(scheme, path=path, serial=settings, local_echo=echo == "1")


_BAUDRATE_MAX = 4_000_000


def _number(text: str) -> int:
    """A plain decimal number; 0, which none of the options may be, for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _wrong(url: str, expected: str) -> InputError:
    return InputError(Problem("not a device URL", field="url", found=repr(url), expected=expected))
