"""An slcan adapter as a simulated device has one in front of it: lines in, frames through, replies out.

Owns the adapter's own state (bit rate, open or closed) and its manners: what it does not understand, or is told at
the wrong moment, gets a BEL. Must not know what a frame means. After the LAWICEL CAN232 command set: a channel is
opened only with a bit rate set, a bit rate is set only while it is closed.
"""

from __future__ import annotations

from packbench.wire.can.frame import CanFrame
from packbench.wire.can.slcan import ERROR, OK, AdapterReader, AdapterReply, HostCommand, frame_line


class SlcanAdapter:
    """The adapter's side of the line.

    Args:
        bus_bitrate: What the bus behind it runs at. At any other rate nothing passes, in either direction.
        version: Hardware and software, two digits each.
        serial: 4 characters.
    """

    def __init__(self, bus_bitrate: int, *, version: str = "1013", serial: str = "A123") -> None:
        self._bus_bitrate = bus_bitrate
        self._version, self._serial = version, serial
        self._reader = AdapterReader()
        self.bitrate: int | None = None
        self.open = False
        self.listen_only = False

    @property
    def on_the_bus(self) -> bool:
        """Whether frames pass."""
        return self.open and self.bitrate == self._bus_bitrate

    def on_bytes(self, data: bytes) -> tuple[bytes, list[CanFrame]]:
        """(replies to the host, frames that it put on the bus)."""
        replies = b""
        frames: list[CanFrame] = []
        for command in self._reader.feed(data):
            replies += self._reply(command)
            if command.frame is not None and self.on_the_bus and not self.listen_only:
                frames.append(command.frame)
        return replies, frames

    def line_of(self, frame: CanFrame) -> bytes:
        """What the host hears of a frame on the bus; b"" while it hears nothing."""
        return frame_line(frame) if self.on_the_bus else b""

    def _reply(self, command: HostCommand) -> bytes:
        match command.kind:
            case "blank":
                return OK
            case "version":
                return AdapterReply("version", self._version).line()
            case "serial":
                return AdapterReply("serial", self._serial).line()
            case "flags":
                return AdapterReply("flags", "00").line() if self.open else ERROR
            case "transmit":
                return OK if self.open and not self.listen_only else ERROR
            case "bitrate" if not self.open:
                self.bitrate = command.bitrate
                return OK
            case "open" | "listen" if not self.open and self.bitrate is not None:
                self.open, self.listen_only = True, command.kind == "listen"
                return OK
            case "close" if self.open:
                self.open = False
                return OK
            case _:
                return ERROR
