"""The wire between a driver and a simulated device inside one process.

Owns latency and delivery. Must not know what the bytes mean, and changes none of them unless a fault
is set. The device sees the request when its last byte has arrived, and the reply is seen when *its*
last byte has: two events an exchange, in the order the simulated plant needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from packbench.clock import Clock
from packbench.core.errors import LinkError
from packbench.transport.base import BytesSink, LostSink
from packbench_sim.loop import VirtualLoop
from packbench_sim.parts import TalkingDevice, WireDevice

Mangle = Callable[[int, bytes], bytes]
"""(instant, bytes) to the bytes that arrive instead; b"" for loss. How faults touch a wire."""


def unchanged(_t_ns: int, data: bytes) -> bytes:
    """No fault."""
    return data


class MemoryLink:
    """`transport.base.Transport` to a WireDevice, with a modelled latency.

    Args:
        loop: The running loop; on a VirtualLoop its cheap timers are used.
        device: What answers.
        clock: The same time as the loop's.
        latency_ns: One way: interface, operating system, device.
        byte_time_ns: Per byte on the line (8N1 at 115,200 baud: 86,806); 0 for a network.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        device: WireDevice,
        clock: Clock,
        *,
        latency_ns: int = 200_000,
        byte_time_ns: int = 0,
    ) -> None:
        self._loop = loop
        self._virtual = loop if isinstance(loop, VirtualLoop) else None
        self._device = device
        self._talker = device if isinstance(device, TalkingDevice) else None
        self._now_ns = clock.now_ns
        self._latency_ns = latency_ns
        self._byte_time_ns = byte_time_ns
        self._on_bytes: BytesSink | None = None
        self._on_lost: LostSink | None = None
        self._kept = bytearray()
        self._closed = False
        self._wanted_ns: int | None = None
        """When the device wants to be woken."""
        self._alarm_ns = -1
        """When the timer that counts goes off; one that goes off too early for the device is set anew."""
        self.to_device: Mangle = unchanged
        """Fault on the way there."""
        self.from_device: Mangle = unchanged
        """Fault on the way back."""
        self.on_written: Callable[[int, bytes], None] | None = None
        """Told (t_ns, bytes) of what the host sends, as it sends it."""
        self.on_replied: Callable[[int, bytes], None] | None = None
        """What the device sends back, before any fault."""
        self.on_delivered: Callable[[int, bytes], None] | None = None
        """What the host is given, just before it is."""
        self._ask_tick()

    def attach(self, on_bytes: BytesSink, on_lost: LostSink) -> None:
        self._on_bytes = on_bytes
        self._on_lost = on_lost
        if self._kept:
            kept = bytes(self._kept)
            self._kept.clear()
            on_bytes(kept)

    def write(self, data: bytes) -> None:
        if self._closed:
            raise LinkError("the simulated link is closed")
        now_ns = self._now_ns()
        if self.on_written is not None:
            self.on_written(now_ns, data)
        self._at(now_ns + self._latency_ns + self._byte_time_ns * len(data), now_ns, self._arrive, data)

    def close(self) -> None:
        self._closed = True

    def cut(self, reason: str = "the simulated link was cut") -> None:
        """Pull the plug: both directions end, the port is told."""
        if not self._closed:
            self._closed = True
            if self._on_lost is not None:
                self._on_lost(reason)

    def deliver_later(self, data: bytes, late_ns: int) -> None:
        """A fault: bytes that were held up reach the host so much later."""
        now_ns = self._now_ns()
        self._at(now_ns + late_ns, now_ns, self._deliver, data)

    def inject(self, data: bytes) -> None:
        """A fault: bytes reach the device that the host has not sent."""
        self._arrive(data)

    def wake(self) -> None:
        """What the device wants has changed by itself: ask it anew when it is to be woken."""
        if not self._closed:
            self._ask_tick()

    def _arrive(self, data: bytes) -> None:
        if self._closed:
            return
        now_ns = self._now_ns()
        if self.to_device is not unchanged:
            data = self.to_device(now_ns, data)
        device = self._device
        reply = device.on_bytes(now_ns, data)
        wanted_ns = device.tick(now_ns)
        if wanted_ns != self._wanted_ns:
            self._wake_at(wanted_ns, now_ns)
        if self._talker is not None:
            reply += self._talker.take_output()
        self._send_back(now_ns, reply)

    def _send_back(self, now_ns: int, reply: bytes) -> None:
        if reply and self.on_replied is not None:
            self.on_replied(now_ns, reply)
        if reply and self.from_device is not unchanged:
            reply = self.from_device(now_ns, reply)
        if reply:
            self._at(now_ns + self._latency_ns + self._byte_time_ns * len(reply), now_ns, self._deliver, reply)

    def _deliver(self, data: bytes) -> None:
        if self._closed:
            return
        if self.on_delivered is not None:
            self.on_delivered(self._now_ns(), data)
        if self._on_bytes is not None:
            self._on_bytes(data)
        else:
            self._kept += data

    def _ask_tick(self) -> None:
        now_ns = self._now_ns()
        self._wake_at(self._device.tick(now_ns), now_ns)
        if self._talker is not None:
            self._send_back(now_ns, self._talker.take_output())

    def _wake_at(self, wanted_ns: int | None, now_ns: int) -> None:
        """The device said when it wants to be woken; what it says last counts.

        A deadline that only moves away (a lease that is renewed) costs no timer: the one that is set
        finds out when it goes off.
        """
        self._wanted_ns = wanted_ns
        if wanted_ns is None:
            return
        # A device that wants to be woken in the past would stop virtual time: it waits a millisecond.
        alarm_ns = wanted_ns if wanted_ns > now_ns else now_ns + 1_000_000
        if not now_ns < self._alarm_ns <= alarm_ns:
            self._alarm_ns = alarm_ns
            self._at(alarm_ns, now_ns, self._on_alarm, alarm_ns)

    def _on_alarm(self, alarm_ns: int) -> None:
        if self._closed or alarm_ns != self._alarm_ns:
            return
        self._alarm_ns = -1
        now_ns = max(self._now_ns(), alarm_ns)
        if self._wanted_ns is not None and self._wanted_ns > now_ns:
            self._wake_at(self._wanted_ns, now_ns)
        elif self._wanted_ns is not None:
            self._ask_tick()

    def _at(self, t_ns: int, now_ns: int, callback: Callable[[Any], None], argument: object) -> None:
        if self._virtual is not None:
            self._virtual.at_ns(t_ns, callback, argument)
        else:
            self._loop.call_later((t_ns - now_ns) / 1e9, callback, argument)
