"""What faults do to the bytes on a line.

Owns one small class a fault; each takes over what a MemoryLink carries, until it is taken off again. Must not know what
a device means by its bytes, save where the fault is a wrong frame that must pass the frame's own checks.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Literal

from packbench.wire.modbus import crc16
from packbench_sim.faults.seen import MODBUS_READS, is_write
from packbench_sim.wire import Mangle, MemoryLink, unchanged

Change = Callable[[bytes], bytes]
WRITE_BLOCK = 16


class LineFault:
    """A fault of one line. `seen_ns`: when it first touched a message that then differed; None: not yet.

    Several may be on a line: one that is put on gets what those before it let through, and one that is taken off
    leaves the others where they are.
    """

    def __init__(self, link: MemoryLink, now_ns: Callable[[], int]) -> None:
        self.link = link
        self.seen_ns: int | None = None
        self._now_ns = now_ns
        self._on = True
        self._put: list[tuple[str, Mangle, Mangle]] = []
        """Direction, what is there now, what was there before."""

    def seen(self) -> None:
        """A message differs from what it would have been."""
        if self.seen_ns is None:
            self.seen_ns = self._now_ns()

    def put_on(self, *, to_device: Mangle | None = None, from_device: Mangle | None = None) -> None:
        """Take over a direction."""
        for direction, mangle in (("to_device", to_device), ("from_device", from_device)):
            if mangle is not None:
                before: Mangle = getattr(self.link, direction)
                both = self._behind(before, mangle)
                self._put.append((direction, both, before))
                setattr(self.link, direction, both)

    def _behind(self, before: Mangle, mangle: Mangle) -> Mangle:
        def both(t_ns: int, data: bytes) -> bytes:
            if before is not unchanged:
                data = before(t_ns, data)
            return mangle(t_ns, data) if self._on and data else data

        return both

    def take_off(self) -> None:
        """The line carries what it is given again, as far as others let it."""
        self._on = False
        for direction, both, before in self._put:
            if getattr(self.link, direction) is both:
                setattr(self.link, direction, before)


class Dead(LineFault):
    """Nothing comes through, either way."""

    def __init__(self, link: MemoryLink, now_ns: Callable[[], int]) -> None:
        super().__init__(link, now_ns)

        def nothing(_t_ns: int, _data: bytes) -> bytes:
            self.seen()
            return b""

        self.put_on(to_device=nothing, from_device=nothing)


class Once(LineFault):
    """The next reply is changed, or the next request."""

    def __init__(
        self,
        link: MemoryLink,
        now_ns: Callable[[], int],
        change: Change,
        *,
        on: Literal["from_device", "to_device"] = "from_device",
    ) -> None:
        super().__init__(link, now_ns)

        def once(_t_ns: int, data: bytes) -> bytes:
            changed = change(data)
            self.seen()
            self.take_off()
            return changed

        self.put_on(**{on: once})


class EveryReply(LineFault):
    """Each reply is changed."""

    def __init__(self, link: MemoryLink, now_ns: Callable[[], int], change: Change) -> None:
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


class Buffered(LineFault):
    """The next reply is held back, and comes so many requests later, before the answer to that one."""

    def __init__(self, link: MemoryLink, now_ns: Callable[[], int], requests: int) -> None:
        super().__init__(link, now_ns)
        held, left = b"", requests

        def there(_t_ns: int, data: bytes) -> bytes:
            nonlocal left
            if held:
                left -= 1
                if left == 0:
                    self.take_off()
                    link.deliver_later(held, 0)
            return data

        def back(_t_ns: int, data: bytes) -> bytes:
            nonlocal held
            if held:
                return data
            self.seen()
            held = data
            return b""

        self.put_on(to_device=there, from_device=back)


class HalfWrite(LineFault):
    """The next write is lost, comes twice, is done by half (the first half of a block), or is done and not answered.

    Whoever asked is told that all of it was done, as by a device that drops what it has no time for, but for the last.
    """

    def __init__(
        self, link: MemoryLink, now_ns: Callable[[], int], rng: Random, *, tcp: bool, silent: bool = False
    ) -> None:
        """`silent`: one of the ways in which whoever asked gets no answer."""
        super().__init__(link, now_ns)
        self.how = rng.choice(("lost", "unanswered") if silent else ("doubled", "halved"))
        asked = b""

        def there(_t_ns: int, data: bytes) -> bytes:
            nonlocal asked
            if asked or not is_write(data, tcp=tcp) or (self.how == "halved" and not _is_block(data, tcp=tcp)):
                return data
            self.seen()
            asked = data
            if self.how == "unanswered":
                return data
            if self.how != "halved":
                self.take_off()
                return data + data if self.how == "doubled" else b""
            return halved(data, tcp=tcp)

        def back(_t_ns: int, data: bytes) -> bytes:
            if not asked:
                return data
            self.take_off()
            return b"" if self.how == "unanswered" else acknowledged(data, asked, tcp=tcp)

        self.put_on(to_device=there, from_device=back)


def _is_block(data: bytes, *, tcp: bool) -> bool:
    """A write of several registers."""
    at = 7 if tcp else 1
    return data[at] == WRITE_BLOCK and int.from_bytes(data[at + 3 : at + 5], "big") > 1


def halved(data: bytes, *, tcp: bool) -> bytes:
    """A write of the first half of its registers."""
    at = 7 if tcp else 1
    count = int.from_bytes(data[at + 3 : at + 5], "big") // 2
    body = data[at : at + 3] + count.to_bytes(2, "big") + bytes([2 * count]) + data[at + 6 : at + 6 + 2 * count]
    if tcp:
        return data[:4] + (len(body) + 1).to_bytes(2, "big") + data[6:7] + body
    return with_crc(bytearray(data[:1] + body))


def acknowledged(reply: bytes, asked: bytes, *, tcp: bool) -> bytes:
    """The reply to a halved write as it would be to the whole one; another one is left as it is."""
    at = 7 if tcp else 1
    if len(reply) < at + 5 or reply[at] != WRITE_BLOCK:
        return reply
    whole = reply[: at + 3] + asked[at + 3 : at + 5]
    return whole + reply[at + 5 :] if tcp else with_crc(bytearray(whole))


def damaged(rng: Random, *, tcp: bool) -> Change:
    """A noise byte before it or, where the frame has a check of its own, a bit that flipped, many, or a missing end.

    Over TCP the transport's checksum is what finds that; a frame of Modbus TCP has none.
    """
    how, noisy = rng.choice(("cut", "bit", "many")), tcp or rng.random() < 0.5

    def change(data: bytes) -> bytes:
        changed = bytearray(data)
        if not tcp and how == "cut":
            del changed[rng.randrange(len(changed)) :]
        elif not tcp:
            # Behind the header: what is left of it looks like the reply that is waited for.
            first = min(3, len(changed) - 1)
            if how == "bit":
                changed[rng.randrange(first, len(changed))] ^= 1 << rng.randrange(8)
            else:
                # The least bit of each byte: values that are wrong, and that could be.
                for place in range(first, len(changed)):
                    changed[place] ^= 1
        return bytes([rng.randrange(1, 256)] if noisy else ()) + bytes(changed)

    return change


def of_another_unit(*, tcp: bool) -> Change:
    """A whole and correct reply that names another unit."""

    def change(data: bytes) -> bytes:
        if len(data) < 8:
            return data
        changed = bytearray(data)
        changed[6 if tcp else 0] ^= 0x10
        return bytes(changed) if tcp else with_crc(changed[:-2])

    return change


def all_ones(size: int, at_byte: int, *, tcp: bool) -> Change:
    """A register of all ones in replies to a read of `size` bytes, the others left alone."""

    def change(data: bytes) -> bytes:
        at = 7 if tcp else 1
        if len(data) < at + 2 + size or data[at] not in MODBUS_READS or data[at + 1] != size:
            return data
        changed = bytearray(data)
        changed[at + 2 + at_byte : at + 4 + at_byte] = b"\xff\xff"
        return bytes(changed) if tcp else with_crc(changed[:-2])

    return change


def shorter(*, tcp: bool) -> Change:
    """A whole and correct reply to a read of fewer registers than was asked for."""

    def change(data: bytes) -> bytes:
        at = 7 if tcp else 1
        if len(data) <= at + 2 or data[at] not in MODBUS_READS or data[at + 1] < 4:
            return data
        left = data[at + 1] - 2
        body = data[at : at + 1] + bytes([left]) + data[at + 2 : at + 2 + left]
        if tcp:
            return data[:4] + (len(body) + 1).to_bytes(2, "big") + data[6:7] + body
        return with_crc(bytearray(data[:1] + body))

    return change


def swapped(*, tcp: bool) -> Change:
    """Each register of a read's reply with its two bytes the wrong way round."""

    def change(data: bytes) -> bytes:
        at = 7 if tcp else 1
        if len(data) <= at + 2 or data[at] not in MODBUS_READS:
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
