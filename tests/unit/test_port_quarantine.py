"""After a time-out: no late answer is taken for the answer to the next question, and who need not wait for that."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.port_parts import MS, later, make_port, registers
from tests.unit.wire_parts import ScriptedTransport

from packbench.core.errors import BadReply, ReplyTimeout
from packbench.run.port import Port
from packbench.transport.link import Timing
from packbench.wire.modbus import ModbusCodec, read_registers, write_coil
from packbench_sim.loop import VirtualClock, run_virtual


def test_a_late_reply_is_not_the_answer_to_the_next_request() -> None:
    """The stale-reply trap: read 100, time out, read 200; 100's reply comes in between."""

    async def main(clock: VirtualClock) -> None:
        wire = ScriptedTransport()
        port = make_port(wire, clock)
        later(clock, 150, wire, registers(100))
        with pytest.raises(ReplyTimeout):
            await port.exchange(read_registers(1, 100, 1))
        assert clock.now_ns() == 100 * MS
        wire.on_write = lambda _: later(clock, 10, wire, registers(200))
        reply = await port.exchange(read_registers(1, 200, 1))
        assert reply.value == (200).to_bytes(2, "big")
        assert clock.now_ns() == reply.t_ns == 310 * MS, "it waited out the quarantine of 200 ms"
        assert port.port.stats.timeouts == 1
        assert port.port.stats.dropped_bytes == len(registers(100))

    run_virtual(main)


def test_the_same_with_a_reply_that_comes_after_the_turnaround_shows_why_the_quarantine_must_be_long() -> None:
    """Not a promise but its limit: a device slower than its stated turnaround is believed."""

    async def main(clock: VirtualClock) -> None:
        wire = ScriptedTransport()
        port = make_port(wire, clock, quiet_ms=20)
        later(clock, 130, wire, registers(100))
        with pytest.raises(ReplyTimeout):
            await port.exchange(read_registers(1, 100, 1))
        assert (await port.exchange(read_registers(1, 200, 1))).value == (100).to_bytes(2, "big")
        # A length of its own for each block still catches it.
        with pytest.raises(ReplyTimeout):
            later(clock, 130, wire, registers(100))
            await port.exchange(read_registers(1, 100, 1))
        with pytest.raises(BadReply):
            await port.exchange(read_registers(1, 200, 2))

    run_virtual(main)


def test_bytes_in_the_quarantine_prolong_it_but_not_for_ever() -> None:
    async def main(clock: VirtualClock) -> None:
        wire = ScriptedTransport()
        port = make_port(wire, clock, quiet_ms=50, gap_ms=20)
        with pytest.raises(ReplyTimeout):
            await port.exchange(read_registers(1, 100, 1))
        for tenths in range(1, 100):
            later(clock, 10 * tenths, wire, b"\x55")
        wire.on_write = lambda _: later(clock, 5, wire, registers(7))
        assert (await port.exchange(read_registers(1, 200, 1))).value == b"\0\7"
        assert 300 * MS <= clock.now_ns() <= 320 * MS, "a babbler holds the line for four quarantines at most"

    run_virtual(main)


def test_mbap_needs_no_quarantine() -> None:
    async def main(clock: VirtualClock) -> None:
        wire = ScriptedTransport()
        port = make_port(wire, clock, framing="mbap", quiet_ms=0)
        with pytest.raises(ReplyTimeout):
            await port.exchange(read_registers(1, 100, 1))
        late = bytes.fromhex("00010000000501030200640000")[:11]

        def answer(sent: bytes) -> None:
            later(clock, 1, wire, late)
            later(clock, 2, wire, sent[:2] + bytes.fromhex("000000050103020 0c8".replace(" ", "")))

        wire.on_write = answer
        assert (await port.exchange(read_registers(1, 200, 1))).value == (200).to_bytes(2, "big")
        assert port.port.stats.counters.foreign_frames == 1

    run_virtual(main)


def test_an_urgent_request_does_not_wait_out_a_quarantine_and_ignores_what_is_late() -> None:
    async def main(clock: VirtualClock) -> None:
        wire = ScriptedTransport()
        port = make_port(wire, clock, quiet_ms=500)
        on, off = write_coil(1, 405, True), write_coil(1, 405, False)
        with pytest.raises(ReplyTimeout):
            await port.exchange(on)
        late = ModbusCodec("rtu").encode(on)

        def answer(sent: bytes) -> None:
            later(clock, 1, wire, late)
            later(clock, 3, wire, sent)

        wire.on_write = answer
        reply = await port.exchange(off, urgent=True)
        assert reply.value == b""
        assert clock.now_ns() == 103 * MS

    run_virtual(main)


class _Lines:
    """A codec of lines, in which any answer looks like any other; "!" asks nothing."""

    def encode(self, request: str) -> bytes:
        return request.encode() + b"\n"

    def decode(self, request: str, buffer: bytearray) -> str | None:
        if request.endswith("!"):
            return ""
        line, end, rest = bytes(buffer).partition(b"\n")
        if not end:
            return None
        buffer[:] = rest
        return line.decode()


def test_an_urgent_question_waits_out_the_quarantine_and_an_urgent_order_does_not() -> None:
    """A late "0" to another question must not be taken for "the output is off": in SCPI any line answers anything."""

    async def main(clock: VirtualClock) -> None:
        sent: list[tuple[int, bytes]] = []

        def device(frame: bytes) -> None:
            sent.append((clock.now_ns() // MS, frame))
            if frame == b"STAT?\n":
                later(clock, 150, wire, b"0\n")
            elif frame == b"OUTP?\n":
                later(clock, 2, wire, b"1\n")

        wire = ScriptedTransport(device)
        port = Port(wire, clock)
        link = port.link(_Lines(), Timing(100 * MS, 300 * MS), silent=lambda request: request.endswith("!"))
        with pytest.raises(ReplyTimeout):
            await link.exchange("STAT?")
        question = asyncio.ensure_future(link.exchange("OUTP?", urgent=True))
        await asyncio.sleep(0)
        await link.exchange("OFF!", urgent=True)
        assert (await question).value == "1", "what was late is not what was asked"
        # The order went at once, past the question that was asked before it; the question after the quarantine.
        assert sent[1:] == [(100, b"OFF!\n"), (400, b"OUTP?\n")]

    run_virtual(main)
