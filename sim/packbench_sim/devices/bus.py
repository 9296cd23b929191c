"""Several simulated devices on one line, as on an RS-485 pair.

Owns who hears what: every device hears the master, and every other device's replies as well, as on a two-wire line.
Each must pick out its own; foreign traffic is part of the test.
"""

from __future__ import annotations

from collections.abc import Sequence

from packbench_sim.parts import TalkingDevice, WireDevice


class BusDevices:
    """`parts.TalkingDevice` of many: one byte stream, in the order in which they answer."""

    def __init__(self, devices: Sequence[WireDevice]) -> None:
        self._devices = tuple(devices)
        self._talkers = tuple(device for device in devices if isinstance(device, TalkingDevice))

    def on_bytes(self, t_ns: int, data: bytes) -> bytes:
        """The replies of all, one after the other."""
        said = [(device, device.on_bytes(t_ns, data)) for device in self._devices]
        replies = b""
        for speaker, reply in said:
            if reply:
                replies += reply
                self._overhear(t_ns, speaker, reply)
        return replies

    def tick(self, t_ns: int) -> int | None:
        """The earliest that any wants to be woken."""
        wanted = [wanted_ns for device in self._devices if (wanted_ns := device.tick(t_ns)) is not None]
        return min(wanted, default=None)

    def take_output(self) -> bytes:
        """What any has said by itself."""
        return b"".join(device.take_output() for device in self._talkers) if self._talkers else b""

    def _overhear(self, t_ns: int, speaker: WireDevice, reply: bytes) -> None:
        """A reply is heard by the others, too; whoever answers one is at fault, and goes unheard."""
        for device in self._devices:
            if device is not speaker:
                device.on_bytes(t_ns, reply)
