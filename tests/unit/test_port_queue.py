"""One request in flight, urgent first, retries that are bounded, and what a link that is lost or noisy costs."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.port_parts import MS, later, make_port, registers
from tests.unit.wire_parts import ScriptedTransport

from packbench.core.errors import LinkError, ReplyTimeout
from packbench.run.port import Port
from packbench.transport.link import Timing
from packbench.wire.modbus import ModbusCodec, ModbusRefused, read_registers, rtu_frame, write_coil
from packbench_sim.loop import VirtualClock, run_virtual


def test_one_in_flight_in_order_and_urgent_first() -> None:
    async def main(clock: VirtualClock) -> None:
        wire = ScriptedTransport()
        port = make_port(wire, clock, gap_ms=5)
        off = write_coil(1, 405, False)

        def answer(sent: bytes) -> None:
            assert len(wire.sent) - answered == 1, "a second request while one is in flight"
            later(clock, 10, wire, sent if sent[1] == 5 else registers(sent[3]))

        answered = 0
        wire.on_write = answer
        order: list[int] = []

        async def ask(address: int) -> None:
            nonlocal answered
            await port.exchange(read_registers(1, address, 1))
            answered += 1
            order.append(address)

        async def switch_off() -> None:
            nonlocal answered
            await port.exchange(off, urgent=True)
            answered += 1
            order.append(405)

        answered = 0
        tasks = [asyncio.ensure_future(ask(address)) for address in (1, 2, 3)]
        await clock.sleep_until(1 * MS)
        tasks.append(asyncio.ensure_future(switch_off()))
        await asyncio.gather(*tasks)
        assert order == [1, 405, 2, 3]
        # 4 exchanges of 10 ms, 5 ms of silence between them.
        assert clock.now_ns() == (4 * 10 + 3 * 5) * MS

    # The assertion about one in flight counts what was sent and not yet answered.
    run_virtual(main)


def test_a_cancelled_caller_does_not_cut_the_transaction_short() -> None:
    async def main(clock: VirtualClock) -> None:
        wire = ScriptedTransport()
        port = make_port(wire, clock)
        first = asyncio.ensure_future(port.exchange(read_registers(1, 100, 1)))
        await clock.sleep_until(5 * MS)
        first.cancel()
        later(clock, 20, wire, registers(100))
        second = asyncio.ensure_future(port.exchange(read_registers(1, 200, 1)))
        await clock.sleep_until(10 * MS)
        assert len(wire.sent) == 1, "the second waits for the first one's reply"
        wire.on_write = lambda _: later(clock, 1, wire, registers(200))
        assert (await second).value == (200).to_bytes(2, "big")
        assert first.cancelled()
        assert clock.now_ns() == 26 * MS

    run_virtual(main)


def test_a_request_cancelled_in_the_queue_is_never_sent() -> None:
    async def main(clock: VirtualClock) -> None:
        wire = ScriptedTransport(lambda _: later(clock, 10, wire, registers(1)))
        port = make_port(wire, clock)
        first = asyncio.ensure_future(port.exchange(read_registers(1, 1, 1)))
        queued = asyncio.ensure_future(port.exchange(write_coil(1, 405, True)))
        await clock.sleep_until(1 * MS)
        queued.cancel()
        await first
        await clock.sleep_until(500 * MS)
        assert len(wire.sent) == 1

    run_virtual(main)


def test_reads_are_retried_as_often_as_told_and_writes_never() -> None:
    async def main(clock: VirtualClock) -> None:
        wire = ScriptedTransport()
        port = make_port(wire, clock, quiet_ms=50, retries=2)
        with pytest.raises(ReplyTimeout):
            await port.exchange(read_registers(1, 100, 1))
        assert len(wire.sent) == 3
        assert port.port.stats.retries == 2
        assert clock.now_ns() == (100 + 50 + 100 + 50 + 100) * MS
        with pytest.raises(ReplyTimeout):
            await port.exchange(write_coil(1, 405, True))
        assert len(wire.sent) == 4

    run_virtual(main)


def test_a_damaged_reply_costs_one_retry() -> None:
    async def main(clock: VirtualClock) -> None:
        wire = ScriptedTransport()
        port = make_port(wire, clock, quiet_ms=50, retries=1)
        replies = [b"\x01\x03\x02\x00\x63\x00\x00", registers(100)]
        wire.on_write = lambda _: later(clock, 10, wire, replies.pop(0))
        assert (await port.exchange(read_registers(1, 100, 1))).value == (100).to_bytes(2, "big")
        assert port.port.stats.counters.crc_errors == 1

    run_virtual(main)


def test_an_urgent_question_is_asked_again_behind_the_orders_that_wait() -> None:
    """The look after an "off": one reply that is lost must not end a run, nor hold up another "off"."""

    async def main(clock: VirtualClock) -> None:
        wire = ScriptedTransport()
        port = make_port(wire, clock, retries=1)

        def answer(sent: bytes) -> None:
            if len(wire.sent) > 1:
                later(clock, 1, wire, sent if sent[1] == 5 else registers(7))

        wire.on_write = answer
        look = asyncio.ensure_future(port.exchange(read_registers(1, 505, 1), urgent=True))
        await clock.sleep_until(50 * MS)
        off = asyncio.ensure_future(port.exchange(write_coil(1, 405, False), urgent=True))
        assert (await look).value == (7).to_bytes(2, "big")
        assert off.done()
        assert [sent[1] for sent in wire.sent] == [3, 5, 3]
        assert port.port.stats.retries == 1

    run_virtual(main)


def test_refusals_pass_through_and_the_line_goes_on() -> None:
    async def main(clock: VirtualClock) -> None:
        wire = ScriptedTransport(lambda _: later(clock, 1, wire, rtu_frame(1, b"\x83\x02")))
        port = make_port(wire, clock)
        for _ in range(2):
            with pytest.raises(ModbusRefused):
                await port.exchange(read_registers(1, 100, 1))
        assert (port.port.stats.refused, port.port.stats.replies, clock.now_ns()) == (2, 2, 2 * MS)

    run_virtual(main)


def test_a_lost_link_fails_everybody_and_stays_lost() -> None:
    async def main(clock: VirtualClock) -> None:
        wire = ScriptedTransport()
        port = make_port(wire, clock)
        asks = [asyncio.ensure_future(port.exchange(read_registers(1, address, 1))) for address in (1, 2)]
        await clock.sleep_until(1 * MS)
        wire.lose("cable pulled")
        for ask in asks:
            with pytest.raises(LinkError, match="cable pulled"):
                await ask
        with pytest.raises(LinkError, match="cable pulled"):
            await port.exchange(read_registers(1, 3, 1))

    run_virtual(main)


def test_endless_bytes_are_bounded_and_end_in_a_time_out() -> None:
    async def main(clock: VirtualClock) -> None:
        wire = ScriptedTransport()
        port = make_port(wire, clock)
        for step in range(90):
            later(clock, step + 0.5, wire, b"\x01\x03\xff" * 3000)
        with pytest.raises(ReplyTimeout):
            await port.exchange(read_registers(1, 100, 100))
        assert clock.now_ns() == 100 * MS
        assert len(port.port._buffer) == 0

    run_virtual(main)


def test_latency_histogram_and_counts() -> None:
    async def main(clock: VirtualClock) -> None:
        wire = ScriptedTransport(lambda _: later(clock, 3, wire, registers(1)))
        port = make_port(wire, clock)
        for _ in range(4):
            await port.exchange(read_registers(1, 1, 1))
        # 3,000 us lie in the bucket of 2,048 to 4,095: number 12.
        assert port.port.stats.latency_us_log2[12] == sum(port.port.stats.latency_us_log2) == 4
        shown = port.port.stats.as_dict()
        assert (shown["requests"], shown["replies"], shown["timeouts"]) == (4, 4, 0)

    run_virtual(main)


def test_local_echo_is_dropped_once() -> None:
    async def main(clock: VirtualClock) -> None:
        def device(frame: bytes) -> None:
            later(clock, 1, wire, frame[:3])
            later(clock, 2, wire, frame[3:])
            later(clock, 3, wire, frame)

        wire = ScriptedTransport(device)
        port = Port(wire, clock, local_echo=True)
        link = port.link(ModbusCodec("rtu"), Timing(100 * MS))
        await link.exchange(write_coil(1, 402, True))
        assert clock.now_ns() == 3 * MS, "the adapter's echo is not the device's answer"

        wire.on_write = lambda frame: later(clock, 2, wire, frame)
        with pytest.raises(ReplyTimeout):
            await link.exchange(write_coil(1, 402, True))
        # An adapter that does not echo after all costs nothing.
        wire.on_write = lambda frame: later(clock, 1, wire, registers(7))
        assert (await link.exchange(read_registers(1, 1, 1))).value == b"\0\7"

    run_virtual(main)


class _Shouts:
    """A codec whose requests get no reply."""

    def encode(self, request: str) -> bytes:
        return request.encode()

    def decode(self, request: str, buffer: bytearray) -> str | None:
        return f"sent {request}" if not buffer else None


def test_a_silent_request_is_done_once_it_is_sent() -> None:
    async def main(clock: VirtualClock) -> None:
        wire = ScriptedTransport()
        port = Port(wire, clock)
        link = port.link(_Shouts(), Timing(100 * MS, gap_ns=5 * MS), silent=lambda _: True)
        first, second = asyncio.ensure_future(link.exchange("a")), asyncio.ensure_future(link.exchange("b"))
        assert (await first).value == "sent a"
        assert clock.now_ns() == 0
        assert (await second).value == "sent b"
        assert clock.now_ns() == 5 * MS, "the gap holds between requests without replies, too"
        assert wire.sent == [b"a", b"b"]

    run_virtual(main)


def test_several_devices_share_a_bus_each_with_its_own_timing() -> None:
    """One request in flight on the bus; the slow device's time-out quarantines the line for the quick one as well."""

    async def main(clock: VirtualClock) -> None:
        wire = ScriptedTransport()
        port = Port(wire, clock)
        slow = port.link(ModbusCodec("rtu", counters=port.counters), Timing(200 * MS, 300 * MS, 30 * MS))
        quick = port.link(ModbusCodec("rtu", counters=port.counters), Timing(50 * MS, 20 * MS))
        late = asyncio.ensure_future(slow.exchange(read_registers(1, 100, 1)))
        waiting = asyncio.ensure_future(quick.exchange(read_registers(2, 100, 1)))
        await clock.sleep_until(100 * MS)
        assert len(wire.sent) == 1
        later(clock, 150, wire, registers(100))
        wire.on_write = lambda _: later(clock, 1, wire, registers(5, unit=2))
        with pytest.raises(ReplyTimeout, match="200 ms"):
            await late
        assert (await waiting).value == b"\0\5"
        assert clock.now_ns() == (200 + 300 + 1) * MS
        # The longest gap that any device needs holds after every reply.
        await quick.exchange(read_registers(2, 100, 1))
        assert clock.now_ns() == (501 + 30 + 1) * MS

    run_virtual(main)


def test_a_shorter_time_out_is_kept_after_a_longer_one() -> None:
    """One timer serves the bus: it must not be late for a device that is given less time."""

    async def main(clock: VirtualClock) -> None:
        wire = ScriptedTransport(lambda _: later(clock, 1, wire, registers(1)))
        port = Port(wire, clock)
        slow = port.link(ModbusCodec("rtu"), Timing(5000 * MS))
        quick = port.link(ModbusCodec("rtu"), Timing(50 * MS))
        await slow.exchange(read_registers(1, 1, 1))
        wire.on_write = None
        with pytest.raises(ReplyTimeout, match="50 ms"):
            await quick.exchange(read_registers(1, 1, 1))
        assert clock.now_ns() == 51 * MS

    run_virtual(main)


def test_the_gap_begins_anew_while_a_device_goes_on_talking() -> None:
    """A board that sends more than was asked for is not talked over; a babbler is, after four gaps."""

    async def main(clock: VirtualClock) -> None:
        wire = ScriptedTransport(lambda _: later(clock, 1, wire, registers(1)))
        port = Port(wire, clock)
        link = port.link(ModbusCodec("rtu"), Timing(100 * MS, 0, 20 * MS))
        await link.exchange(read_registers(1, 1, 1))
        for after_ms in (10, 25):
            later(clock, after_ms, wire, b"more")
        await link.exchange(read_registers(1, 1, 1))
        assert clock.now_ns() == (1 + 25 + 20 + 1) * MS

        began_ns = clock.now_ns()
        for after_ms in range(5, 300, 10):
            later(clock, after_ms, wire, b"babble")
        await link.exchange(read_registers(1, 1, 1))
        assert clock.now_ns() - began_ns == (4 * 20 + 1) * MS

    run_virtual(main)
