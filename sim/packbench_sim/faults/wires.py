"""What faults do to the bytes on a line.

Owns one small class a fault; each takes over what a MemoryLink carries, until it is taken off again. Must not know what
a device means by its bytes, save where the fault is a wrong frame that must pass the frame's own checks.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from packbench.wire.modbus import crc16
from packbench_sim.wire import Mangle, MemoryLink, unchanged

READS = (3, 4)
WRITES = (5, 6, 15, 16)


class LineFault:
    """A fault of one line. `seen_ns`: when it first touched a message that then differed; None: not yet."""

    def __init__(self, link: MemoryLink, now_ns: Callable[[], int]) -> None:
        self.link = link
        self.seen_ns: int | None = None
        self._now_ns = now_ns

    def seen(self) -> None:
        """A message differs from what it would have been."""
        if self.seen_ns is None:
            self.seen_ns = self._now_ns()

    def put_on(self, *, to_device: Mangle | None = None, from_device: Mangle | None = None) -> None:
        """Take over a direction."""
        self.link.to_device = to_device or self.link.to_device
        self.link.from_device = from_device or self.link.from_device

    def take_off(self) -> None:
        """The line carries what it is given again."""
        self.link.to_device = self.link.from_device = unchanged


class Dead(LineFault):
    """Nothing comes through, either way."""

    def __init__(self, link: MemoryLink, now_ns: Callable[[], int]) -> None:
        super().__init__(link, now_ns)

        def nothing(_t_ns: int, _data: bytes) -> bytes:
            self.seen()
            return b""

        self.put_on(to_device=nothing, from_device=nothing)


class OneReply(LineFault):
    """The next reply is changed, once."""

    def __init__(self, link: MemoryLink, now_ns: Callable[[], int], change: Callable[[bytes], bytes]) -> None:
        super().__init__(link, now_ns)

        def once(_t_ns: int, data: bytes) -> bytes:
            changed = change(data)
            self.seen()
            self.take_off()
            return changed

        self.put_on(from_device=once)


class EveryReply(LineFault):
    """Each reply is changed."""

    def __init__(self, link: MemoryLink, now_ns: Callable[[], int], change: Callable[[bytes], bytes]) -> None:
        super().__init__(link, now_ns)

        def always(_t_ns: int, data: bytes) -> bytes:
            changed = change(data)
            if changed != data:
                self.seen()
            return changed

        self.put_on(from_device=always)


class Late(LineFault):
    """The next reply comes when its time-out is over, and so just after the next request perhaps."""

    def __init__(self, link: MemoryLink, now_ns: Callable[[], int], late_ns: int) -> None:
        super().__init__(link, now_ns)

        def once(_t_ns: int, data: bytes) -> bytes:
            self.seen()
            self.take_off()
            link.deliver_later(data, late_ns)
            return b""

        self.put_on(from_device=once)


class HalfWrite(LineFault):
    """The next write is lost or comes twice."""

    def __init__(self, link: MemoryLink, now_ns: Callable[[], int], rng: Random, *, tcp: bool) -> None:
        super().__init__(link, now_ns)
        doubled = rng.random() < 0.5

        def once(_t_ns: int, data: bytes) -> bytes:
            function = data[7] if tcp and len(data) > 7 else data[1] if len(data) > 1 else 0
            if function not in WRITES:
                return data
            self.seen()
            self.take_off()
            return data + data if doubled else b""

        self.put_on(to_device=once)


def damaged(rng: Random, *, tcp: bool) -> Callable[[bytes], bytes]:
    """A noise byte before it and, where the frame has a check of its own, a bit that flipped.

    Over TCP the transport's checksum is what finds that; a frame of Modbus TCP has none.
    """

    def change(data: bytes) -> bytes:
        changed = bytearray(data)
        if not tcp:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        return bytes([rng.randrange(1, 256)]) + bytes(changed)

    return change


def of_another_unit(*, tcp: bool) -> Callable[[bytes], bytes]:
    """A whole and correct reply that names another unit."""

    def change(data: bytes) -> bytes:
        if len(data) < 8:
            return data
        changed = bytearray(data)
        changed[6 if tcp else 0] ^= 0x10
        return bytes(changed) if tcp else with_crc(changed[:-2])

    return change


def swapped(*, tcp: bool) -> Callable[[bytes], bytes]:
    """Each register of a read's reply with its two bytes the wrong way round."""

    def change(data: bytes) -> bytes:
        at = 7 if tcp else 1
        if len(data) <= at + 2 or data[at] not in READS:
            return data
        count = data[at + 1]
        changed = bytearray(data)
        for place in range(at + 2, min(at + 2 + count - count % 2, len(changed) - 1), 2):
            changed[place], changed[place + 1] = changed[place + 1], changed[place]
        return bytes(changed) if tcp else with_crc(changed[:-2])

    return change


def with_crc(frame: bytearray) -> bytes:
    """A Modbus RTU frame with the check that belongs to it."""
    return bytes(frame) + crc16(bytes(frame)).to_bytes(2, "little")
