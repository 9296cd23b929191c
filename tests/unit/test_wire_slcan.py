"""slcan lines: the documented ones, malformed ones, split ones, and any bytes at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packbench.wire.can.frame import CanFrame
from packbench.wire.can.slcan import (
    MAX_LINE,
    AdapterReader,
    AdapterReply,
    HostCommand,
    HostReader,
    bitrate_line,
    frame_line,
    opening_lines,
    parse_frame,
)

BCL = CanFrame(0x181056F4, bytes.fromhex("9411AC0D02"))
CCS = CanFrame(0x1812F456, bytes.fromhex("3A11A00F0000FC"))
BCL_LINE = b"T181056F459411AC0D02\r"
CCS_LINE = b"T1812F45673A11A00F0000FC\r"
# The first three are python-can's own vectors; the other two went through python-can on a pty.
VECTORS = [
    (b"T12ABCDEF2AA55\r", CanFrame(0x12ABCDEF, b"\xaa\x55")),
    (b"t4563112233\r", CanFrame(0x456, b"\x11\x22\x33", extended=False)),
    (b"r1238\r", CanFrame(0x123, extended=False, remote_length=8)),
    (BCL_LINE, BCL),
    (CCS_LINE, CCS),
    (b"R1CEC56F40\r", CanFrame(0x1CEC56F4, remote_length=0)),
    (b"t0000\r", CanFrame(0, extended=False)),
    (b"T1FFFFFFF80123456789ABCDEF\r", CanFrame(0x1FFFFFFF, bytes.fromhex("0123456789abcdef"))),
]


@st.composite
def frames(draw: st.DrawFn) -> CanFrame:
    extended = draw(st.booleans())
    can_id = draw(st.integers(0, 0x1FFFFFFF if extended else 0x7FF))
    if draw(st.booleans()):
        return CanFrame(can_id, extended=extended, remote_length=draw(st.integers(0, 8)))
    return CanFrame(can_id, draw(st.binary(max_size=8)), extended)


@pytest.mark.parametrize(("line", "frame"), VECTORS, ids=repr)
def test_frames_are_these_lines_and_these_lines_are_frames(line: bytes, frame: CanFrame) -> None:
    assert frame_line(frame) == line
    assert HostReader().feed(line) == [frame]
    assert AdapterReader().feed(line) == [HostCommand("transmit", frame)]


@given(frames())
def test_every_frame_comes_back(frame: CanFrame) -> None:
    assert parse_frame(frame_line(frame)[:-1]) == frame
    letter, digits = frame_line(frame)[:1], frame_line(frame)[1:-1]
    assert parse_frame(letter + digits.lower()) == frame


@pytest.mark.parametrize(
    ("can_id", "data", "extended", "remote_length"),
    [(0x800, b"", False, None), (1 << 29, b"", True, None), (1, b"123456789", True, None), (1, b"1", True, 1)],
)
def test_what_is_no_can_frame_cannot_be_made(
    can_id: int, data: bytes, extended: bool, remote_length: int | None
) -> None:
    with pytest.raises(ValueError, match="no CAN frame"):
        CanFrame(can_id, data, extended, remote_length)


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"\r", AdapterReply("ok")),
        (b"z\r", AdapterReply("ok", "z")),
        (b"Z\r", AdapterReply("ok", "Z")),
        (b"\a", AdapterReply("error")),
        (b"V1013\r", AdapterReply("version", "1013")),
        (b"NA123\r", AdapterReply("serial", "A123")),
        (b"F00\r", AdapterReply("flags", "00")),
    ],
    ids=repr,
)
def test_what_an_adapter_answers(line: bytes, reply: AdapterReply) -> None:
    assert HostReader().feed(line) == [reply]
    assert reply.line() == line


def test_status_flags_have_names() -> None:
    (reply,) = HostReader().feed(b"FA4\r")
    assert isinstance(reply, AdapterReply)
    assert reply.flags == ("error_warning", "error_passive", "bus_error")
    assert AdapterReply("ok").flags == ()


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"\r", HostCommand("blank")),
        (b"S5\r", HostCommand("bitrate", bitrate=250_000)),
        (b"S9\r", HostCommand("bitrate", bitrate=83_300)),
        (b"O\r", HostCommand("open")),
        (b"L\r", HostCommand("listen")),
        (b"C\r", HostCommand("close")),
        (b"V\r", HostCommand("version")),
        (b"N\r", HostCommand("serial")),
        (b"F\r", HostCommand("flags")),
    ],
    ids=repr,
)
def test_what_a_host_asks(line: bytes, command: HostCommand) -> None:
    assert AdapterReader().feed(line) == [command]
    assert command.line() == line


def test_python_can_opens_with_a_blank_command_in_between() -> None:
    commands = AdapterReader().feed(b"C\rS5\r\rO\rO\r")
    assert [item.kind for item in commands] == ["close", "bitrate", "blank", "open", "open"]


def test_opening_and_bit_rates() -> None:
    assert b"".join(opening_lines(250_000)) == b"\rC\rS5\rO\r"
    assert bitrate_line(750_000) == b"S7\r"
    with pytest.raises(ValueError, match="800000"):
        bitrate_line(800_000)
    with pytest.raises(ValueError, match="unknown"):
        HostCommand("unknown").line()


@pytest.mark.parametrize(
    "line",
    [
        b"T181056F459411AC0D\r",
        b"T181056F459411AC0D0203\r",
        b"T181056F499411AC0D0203040506\r",
        b"T2810 6F40\r",
        b"TFFFFFFFF0\r",
        b"t8000\r",
        b"t12_0\r",
        b"T+81056F40\r",
        b"r12311\r",
        b"d1238\r",
        b"S\r",
        b"Q1\r",
        b"V\r",
        b"Fxy\r",
        b"\xff\xfe\r",
        b"T181056F4\r",
    ],
    ids=repr,
)
def test_a_malformed_line_costs_itself_alone_and_is_counted(line: bytes) -> None:
    reader = HostReader()
    assert reader.feed(line + BCL_LINE) == [BCL]
    assert (reader.malformed_lines, reader.counters.noise_bytes) == (1, len(line) - 1)


def test_an_adapter_answers_what_it_does_not_understand() -> None:
    reader = AdapterReader()
    assert [item.kind for item in reader.feed(b"S\rQ1\rT12\r" + BCL_LINE)] == ["unknown"] * 3 + ["transmit"]
    assert (reader.malformed_lines, reader.counters.noise_bytes) == (3, 6)


@pytest.mark.parametrize("lost", range(1, len(CCS_LINE)))
def test_a_line_cut_short_does_not_take_the_next_one_with_it(lost: int) -> None:
    """The end of the first line is lost, so that both run into each other: python-can#1700."""
    reader = HostReader()
    assert reader.feed(CCS_LINE[: len(CCS_LINE) - lost] + BCL_LINE) == [BCL]
    assert (reader.malformed_lines, reader.counters.noise_bytes) == (1, len(CCS_LINE) - lost)


def test_an_error_ends_what_was_half_received() -> None:
    reader = HostReader()
    assert reader.feed(b"T1812F4\a" + BCL_LINE) == [AdapterReply("error"), BCL]
    assert reader.malformed_lines == 1


def test_byte_by_byte() -> None:
    reader = HostReader()
    stream = b"\r\rV1013\r" + CCS_LINE + b"\a" + BCL_LINE
    found = [item for byte in stream for item in reader.feed(bytes((byte,)))]
    replies = [AdapterReply("ok"), AdapterReply("ok"), AdapterReply("version", "1013"), AdapterReply("error")]
    assert found == [*replies[:3], CCS, replies[3], BCL]
    assert reader.malformed_lines == 0


def test_a_time_stamp_is_dropped_only_from_an_adapter_that_sends_them() -> None:
    """Otherwise a damaged length code could pass for one: 6 bytes and a stamp are as long as 8 bytes."""
    stamped = BCL_LINE[:-1] + b"1A2B\r"
    assert HostReader(time_stamps=True).feed(stamped) == [BCL]
    assert HostReader().feed(stamped) == []


def test_endless_bytes_do_not_grow_the_buffer() -> None:
    for reader in (HostReader(), AdapterReader()):
        for _ in range(100):
            reader.feed(b"T" * 1000)
        assert len(reader._buffer) <= MAX_LINE
        assert reader.counters.noise_bytes == 100_000 - MAX_LINE
        assert reader.feed(b"\r" + BCL_LINE)[-1] in (BCL, HostCommand("transmit", BCL))


def test_the_kept_end_of_an_endless_line_is_no_reply() -> None:
    reader = HostReader()
    assert reader.feed(b"x" * 100 + b"N" + b"7" * (MAX_LINE - 1) + b"\r" + BCL_LINE) == [BCL]
    assert reader.malformed_lines == 1


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_bytes_give_frames_or_nothing(chunks: list[bytes]) -> None:
    host, adapter = HostReader(), AdapterReader()
    for chunk in chunks:
        for item in host.feed(chunk):
            assert isinstance(item, CanFrame | AdapterReply)
        for command in adapter.feed(chunk):
            assert (command.kind == "transmit") == (command.frame is not None)
        assert len(host._buffer) <= MAX_LINE >= len(adapter._buffer)
    # What follows any noise is heard, once the noise is over.
    assert host.feed(b"\r" + BCL_LINE)[-1] == BCL


@given(st.lists(frames(), max_size=8), st.data())
def test_any_cutting_of_a_stream_gives_the_same_frames(items: list[CanFrame], data: st.DataObject) -> None:
    stream = b"".join(map(frame_line, items))
    reader = HostReader()
    found: list[object] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += reader.feed(stream[:size])
        stream = stream[size:]
    assert found == items
