"""SCPI text: what may be sent, which line is the answer, and how a device hears a message."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packbench.core.errors import BadReply, DeviceError
from packbench.wire.scpi.device import (
    OUT_OF_MEMORY,
    QUERY_INTERRUPTED,
    QUEUE_OVERFLOW,
    SYNTAX_ERROR,
    TOO_MUCH_DATA,
    ErrorEntry,
    ErrorQueue,
    HeaderTable,
    Message,
    OutputQueue,
    answer_line,
    path_of,
    take_message,
)
from packbench.wire.scpi.messages import (
    ASK_ERROR,
    MAX_MESSAGE,
    MAX_REPLY,
    ScpiCodec,
    ScpiRequest,
    command,
    explain,
    parse_answer,
    query,
)
from packbench.wire.scpi.text import Command, fixed, parse_quantity, quoted, split_commands, unquoted

VOLTS = query("MEAS:VOLT?", "V")
ALL = query("MEAS:ARR?", "V", "A", "W")


def decoded(request: ScpiRequest, received: bytes) -> object:
    return ScpiCodec().decode(request, bytearray(received))


# ----------------------------------------------------------------- what is sent


def test_a_message_is_its_text_and_a_line_feed() -> None:
    assert ScpiCodec().encode(command("SYST:LOCK 1")) == b"SYST:LOCK 1\n"
    assert ScpiCodec().encode(command("VOLT 43.5", "CURR 2", "SINK:CURR 0")) == b"VOLT 43.5;CURR 2;SINK:CURR 0\n"
    assert VOLTS.describe() == "MEAS:VOLT?"


def test_only_a_query_is_answered_and_only_a_harmless_one_is_asked_twice() -> None:
    assert (VOLTS.silent, VOLTS.repeatable) == (False, True)
    assert (command("OUTP OFF").silent, command("OUTP OFF").repeatable) == (True, False)
    assert (ASK_ERROR.silent, ASK_ERROR.repeatable) == (False, False), "reading an error takes it away"
    mixed = query("VOLT 5;VOLT?", "V")
    assert (mixed.silent, mixed.repeatable) == (False, False)
    assert ScpiCodec().decode(command("OUTP OFF"), bytearray()) == ()


def test_what_a_device_would_not_take_is_refused_before_it_is_sent() -> None:
    longest = "VOLT:" + "1" * (MAX_MESSAGE - 6)
    assert len(ScpiCodec().encode(command(longest))) == MAX_MESSAGE
    with pytest.raises(ValueError, match="257 bytes"):
        command(longest + "1")
    command("A", "B", "C", "D", "E")
    with pytest.raises(ValueError, match="6 commands"):
        command("A", "B", "C", "D", "E", "F")
    for text in ("", ";", "VOLT 1;", "VOLT 1\n", "VOLT 1\r", "VOLT µ", "VOLT\x00 1"):
        with pytest.raises(ValueError, match="no SCPI message"):
            command(text)
    with pytest.raises(ValueError, match="a query answers"):
        command("VOLT?")
    with pytest.raises(ValueError, match="a query answers"):
        query("VOLT 5", "V")


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(43.5, 2, "43.50"), (0.1 + 0.2, 3, "0.300"), (-0.0001, 3, "0.000"), (1e6, 0, "1000000"), (-12.5, 1, "-12.5")],
)
def test_set_values_are_fixed_point(value: float, digits: int, text: str) -> None:
    assert fixed(value, digits) == text


def test_a_value_that_is_not_finite_is_not_sent() -> None:
    for value in (math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match="no value to send"):
            fixed(value)


# -------------------------------------------------------------- what is answered


@pytest.mark.parametrize(
    ("request_", "line", "values"),
    [
        (VOLTS, b"43.50V\n", (43.5,)),  # EA guide REV24
        (ALL, b"12.5V, 33.3A, 420W\n", (12.5, 33.3, 420.0)),  # EA guide REV24
        (ALL, b"12.5V, -33.3A, -420W\r\n", (12.5, -33.3, -420.0)),  # negative: the device sinks
        (ALL, b"12.5 V,33.3 A,0.42 kW\n", (12.5, 33.3, 420.0)),
        (query("MEAS:VOLT?;MEAS:CURR?;OUTP?", "V", "A", "switch"), b"12.5V;33.3A;ON\n", (12.5, 33.3, True)),
        (query("MEAS:VOLT?", "number"), b"-1.25E-02\n", (-0.0125,)),
        (query("OUTP?", "switch"), b"0\n", (False,)),
        (query("OUTP?", "switch"), b"1\n", (True,)),
        (query("OUTP?", "switch"), b"off\n", (False,)),
        (query("STAT:QUES?", "integer"), b"3072\n", (3072,)),
        (query("SYST:LOCK:OWN?", "word"), b"REMOTE\n", ("REMOTE",)),
        (query("*IDN?", "text"), b"EA,PSB 10080-1000,123,V3.02\n", ("EA,PSB 10080-1000,123,V3.02",)),
        (query("SYST:NOM:VOLT?", "V"), b"80\n", (80.0,)),
        (query("FETC:SINK:AHO?", "Ah"), b"1.25Ah\n", (1.25,)),
        (ASK_ERROR, b'0,"No error"\n', (0, "No error")),
        (ASK_ERROR, b'-222,"Data out of range"\n', (-222, "Data out of range")),
        (ASK_ERROR, b"+0,No error\n", (0, "No error")),
        (ASK_ERROR, b'-100,"a ""b"", c; d"\n', (-100, 'a "b", c; d')),
        (query("A?;B?", "text", "number"), b'"x;y";7\n', ("x;y", 7.0)),
    ],
)
def test_answers_mean_what_their_source_says(request_: ScpiRequest, line: bytes, values: tuple) -> None:
    codec = ScpiCodec()
    buffer = bytearray(line)
    assert codec.decode(request_, buffer) == values
    assert not buffer
    assert (codec.counters.noise_bytes, codec.counters.foreign_frames) == (0, 0)


def test_not_a_number_is_absent_and_infinity_is_infinite() -> None:
    assert decoded(query("MEAS:CURR?", "number"), b"9.91E37\n") == (None,)
    assert decoded(query("MEAS:CURR?", "A"), b"9.91E+37\n") == (None,)
    assert decoded(query("MEAS:CURR?", "A"), b"9.9E37\n") == (math.inf,)
    assert decoded(query("MEAS:CURR?", "A"), b"-9.9E37\n") == (-math.inf,)


@pytest.mark.parametrize(
    "line",
    [b"33.3A\n", b"43.50V, 1A\n", b"V\n", b".50V\n", b"43.50 V x\n", b"ON\n", b"--1V\n", b"0x10\n", b"nan\n"],
    ids=repr,
)
def test_a_line_of_another_shape_is_never_taken_for_the_answer(line: bytes) -> None:
    codec = ScpiCodec()
    with pytest.raises(BadReply, match=r"MEAS:VOLT\?: answered"):
        codec.decode(VOLTS, bytearray(line))
    assert codec.counters.foreign_frames == 1


@pytest.mark.parametrize(
    ("request_", "line"),
    [
        (ALL, b"12.5V, 33.3A\n"),
        (ALL, b"33.3A, 12.5V, 420W\n"),
        (query("OUTP?", "switch"), b"2\n"),
        (query("OUTP?", "switch"), b"ONE\n"),
        (query("STAT:QUES?", "integer"), b"12.5\n"),
        (query("SYST:LOCK:OWN?", "word"), b"-\n"),
        (ASK_ERROR, b"No error\n"),
    ],
)
def test_answers_with_parts_missing_or_wrong_are_refused(request_: ScpiRequest, line: bytes) -> None:
    with pytest.raises(BadReply):
        decoded(request_, line)


@pytest.mark.parametrize("cut", range(1, len(b"12.5V, 33.3A, 420W\r\n")))
def test_an_answer_in_two_pieces_is_complete_with_its_line_feed(cut: int) -> None:
    line = b"12.5V, 33.3A, 420W\r\n"
    codec, buffer = ScpiCodec(), bytearray(line[:cut])
    assert codec.decode(ALL, buffer) is None
    buffer += line[cut:]
    assert codec.decode(ALL, buffer) == (12.5, 33.3, 420.0)


def test_a_line_with_a_byte_that_is_no_text_is_believed_in_no_part() -> None:
    """ "43.50V" of which the first digit was hit must not read as 3.50 V."""
    for line in (b"\xb43.50V\n", b"4\x003.50V\n", b"43.50V\xff\n", b"\x0443.50V\n"):
        codec = ScpiCodec()
        assert codec.decode(VOLTS, bytearray(line)) is None
        assert codec.counters.noise_bytes == len(line)
        assert codec.decode(VOLTS, bytearray(line + b"43.50V\n")) == (43.5,)


def test_empty_lines_are_noise() -> None:
    codec = ScpiCodec()
    assert codec.decode(VOLTS, bytearray(b"\r\n\n  \n43.50V\n")) == (43.5,)
    assert codec.counters.noise_bytes == 6


def test_of_two_answers_the_later_one_is_to_the_later_question() -> None:
    codec = ScpiCodec()
    assert codec.decode(VOLTS, bytearray(b"11.00V\n33.3A\n43.50V\nrest")) == (43.5,)
    assert codec.counters.foreign_frames == 2
    assert codec.decode(VOLTS, bytearray(b"43.50V\n33.3A\n")) == (43.5,), "and nothing that does not fit"


def test_endless_bytes_do_not_grow_and_the_rest_of_their_line_is_not_believed() -> None:
    codec, buffer = ScpiCodec(), bytearray()
    for _ in range(100):
        buffer += b"1" * 100
        assert codec.decode(VOLTS, buffer) is None
        assert len(buffer) <= MAX_REPLY + 100
    buffer += b"43.50V\n"
    assert codec.decode(VOLTS, buffer) is None
    buffer += b"43.50V\n"
    assert codec.decode(VOLTS, buffer) == (43.5,)
    assert codec.decode(query("*IDN?", "text"), bytearray(b"x" * (MAX_REPLY + 1) + b"\n")) is None


@given(st.binary(max_size=400), st.sampled_from([VOLTS, ALL, ASK_ERROR, query("*IDN?", "text"), command("OUTP 0")]))
def test_any_bytes_give_an_answer_nothing_or_a_device_error(data: bytes, request_: ScpiRequest) -> None:
    buffer = bytearray(data)
    try:
        answer = ScpiCodec().decode(request_, buffer)
    except DeviceError:
        answer = None
    assert answer is None or len(answer) == len(request_.answer)
    assert len(buffer) <= max(len(data), 1)
    assert b"\n" not in buffer


@given(st.lists(st.tuples(st.integers(-(10**6), 10**6), st.sampled_from(["V", "A", "W"])), min_size=1, max_size=4))
def test_quantities_come_back_as_they_were_written(pairs: list[tuple[int, str]]) -> None:
    line = ", ".join(f"{fixed(raw / 1000)}{unit}" for raw, unit in pairs)
    assert parse_answer(tuple(unit for _, unit in pairs), line) == tuple(raw / 1000 for raw, _ in pairs)  # type: ignore[misc]


# ------------------------------------------------------------ what a device hears


def hear(*chunks: bytes) -> list[Message]:
    buffer, heard = bytearray(), []
    for chunk in chunks:
        buffer += chunk
        while (message := take_message(buffer)) is not None:
            heard.append(message)
        assert len(buffer) <= MAX_MESSAGE + 1
    return heard


def test_messages_end_with_a_line_feed_and_join_commands_with_semicolons() -> None:
    heard = hear(b"VOLT 12.5 V;CURR? MAX\r\nOUTP ", b"ON\n*IDN?")
    assert heard == [
        Message(
            (Command("VOLT", query=False, parameters=("12.5 V",)), Command("CURR", query=True, parameters=("MAX",)))
        ),
        Message((Command("OUTP", query=False, parameters=("ON",)),)),
    ]


def test_parameters_are_parted_by_commas_outside_quotes() -> None:
    (message,) = hear(b'PROG:SEL:NAME "a,b;c", 2 ;OUTP 0\n')
    assert message.commands[0].parameters == ('"a,b;c"', "2")
    assert message.commands[1] == Command("OUTP", query=False, parameters=("0",))


def test_a_message_longer_than_the_buffer_is_not_carried_out_and_gives_225() -> None:
    fits = b"VOLT:" + b"1" * (MAX_MESSAGE - 6) + b"\n"
    assert [message.error for message in hear(fits)] == [0]
    too_long = b"1" + fits
    assert hear(too_long) == [Message((), OUT_OF_MEMORY)]
    assert hear(*(too_long[at : at + 1] for at in range(len(too_long)))) == [Message((), OUT_OF_MEMORY)]
    # Endless bytes are one message that is too long; the one after it is heard.
    assert hear(*[b"x" * 300] * 20, b"\n*IDN?\n") == [
        Message((), OUT_OF_MEMORY),
        Message((Command("*IDN", query=True),)),
    ]


def test_more_than_five_commands_are_refused_whole() -> None:
    assert [len(message.commands) for message in hear(b"A;B;C;D;E\n")] == [5]
    assert hear(b"A;B;C;D;E;F\n") == [Message((), TOO_MUCH_DATA)]


@pytest.mark.parametrize("line", [b"\x01\x03\x00\n", b"VOLT 1;\n", b";\n", b"?\n", b"\xff\n"], ids=repr)
def test_what_is_no_text_or_no_command_is_a_syntax_error(line: bytes) -> None:
    assert hear(line) == [Message((), SYNTAX_ERROR)]


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_any_bytes_are_heard_within_bounds(chunks: list[bytes]) -> None:
    for message in hear(*chunks):
        assert message.error or message.commands


TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30)


@given(
    st.lists(
        st.builds(
            Command,
            st.from_regex(r"[*:]?[A-Za-z]{1,8}(:[A-Za-z]{1,8})?", fullmatch=True),
            st.booleans(),
            st.lists(TEXT.map(quoted) | st.integers(-999, 999).map(str), max_size=3).map(tuple),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_commands_come_back_as_they_were_written(commands: list[Command]) -> None:
    assert split_commands(";".join(item.text for item in commands)) == tuple(commands)


HEADERS = HeaderTable(
    {"[SOURce:]VOLTage[:LEVel][:IMMediate]": "voltage", "[SOURce:]SINK:CURRent": "sink", "*IDN": "identity"}
)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("SOUR:VOLT", "voltage"),
        ("SOURce:VOLTage", "voltage"),
        ("source:voltage:level:immediate", "voltage"),
        ("VOLT", "voltage"),
        ("volt:imm", "voltage"),
        (":VOLT", "voltage"),
        ("SINK:CURR", "sink"),
        ("SOUR:SINK:CURRent", "sink"),
        ("*idn", "identity"),
        ("VOLTA", None),
        ("SOURC:VOLT", None),
        ("VOLT:LEVE", None),
        ("VOLTVOLT", None),
        ("SOUR", None),
        ("", None),
    ],
)
def test_headers_have_a_short_and_a_long_form(header: str, found: str | None) -> None:
    assert HEADERS.find(header) == found


def test_delta_understands_every_length_between_the_two_forms() -> None:
    table = HeaderTable({"SOURce:CURrent": 1, "SOURce:CURrent:NEGative": 2}, abbreviated=True)
    for spelling in ("CUR", "CURR", "CURRE", "CURRENT"):
        assert table.find(f"SOUR:{spelling}") == 1
        assert table.find(f"source:{spelling}:neg") == 2
    assert table.find("SOUR:CU") is None
    assert table.find("SOUR:CURRENTS") is None
    assert HeaderTable({"OUTPut|OUT": 1}).find("OUT") == 1


def test_a_header_is_looked_for_at_the_root_first_and_then_below_the_last_one() -> None:
    assert path_of("SOUR:VOLT") == path_of(":SOUR:VOLT") == "SOUR"
    assert path_of("*CLS") == path_of("VOLT") == ""
    table = HeaderTable({"SOURce:VOLTage": "volt", "SOURce:CURRent": "curr", "OUTPut": "out"})
    assert table.find("CURR", path_of("SOUR:VOLT")) == "curr"
    assert table.find("OUTP", "SOUR") == "out"
    assert table.find(":CURR", "SOUR") is None


def test_the_error_queue_holds_five_and_gives_the_oldest_first() -> None:
    errors = ErrorQueue()
    assert errors.pop() == ErrorEntry(0, "No error")
    for code in (-100, -102, -108, -200, -222, -224):
        errors.push(code)
    assert len(errors) == 5
    assert [errors.pop().code for _ in range(6)] == [-100, -102, -108, -200, QUEUE_OVERFLOW, 0]
    errors.push(-222)
    assert errors.pop().line() == '-222,"Data out of range"'
    errors.push(-221)
    errors.clear()
    assert errors.pop().line() == '0,"No error"'


def test_an_answer_nobody_took_is_dropped_by_the_next_message() -> None:
    output = OutputQueue()
    assert not output.interrupted()
    output.pending = answer_line(("43.50V", "ON"))
    assert output.take() == b"43.50V;ON\n"
    assert not output.interrupted(), "it was read"
    output.pending = b"43.50V\n"
    assert output.interrupted()
    assert output.take() == b""
    errors = ErrorQueue()
    errors.push(QUERY_INTERRUPTED)
    assert errors.pop().line() == '-410,"Query INTERRUPTED"'
    assert answer_line(()) == b""


# ------------------------------------------------------------------------ frames


@pytest.mark.parametrize(
    ("frame", "values"),
    [
        (b"43.50V\n", {"voltage_v": 43.5}),
        (b"12.5V, 33.3A, 420W\n", {"voltage_v": 12.5, "current_a": 33.3, "power_w": 420.0}),
        (b"12.5V;-33.3A;-0.42 kW\r\n", {"voltage_v": 12.5, "current_a": -33.3, "power_w": -420.0}),
        (b"1.0V;2.0V\n", {"values": (1.0, 2.0)}),
        (b"3072\n", {"values": (3072.0,)}),
        (b"9.91E37\n", {"values": (None,)}),
        (b'-222,"Data out of range"\n', {"error": -222, "text": "Data out of range"}),
        (b"0,No error\n", {"error": 0, "text": "No error"}),
        (b"REMOTE\n", {"fields": ("REMOTE",)}),
        (b"EA,PSB 10080-1000, 123 ,V3.02\n", {"fields": ("EA", "PSB 10080-1000", "123", "V3.02")}),
    ],
)
def test_an_answer_is_explained_and_made_anew(frame: bytes, values: dict) -> None:
    explained = explain("reply", frame)
    assert explained.values == values
    assert explained.again == frame


def test_a_message_is_explained_and_made_anew() -> None:
    frame = b"VOLT 12.00 V;SINK:CURR 2;MEAS:ARR?\n"
    explained = explain("request", frame)
    assert explained.values == {"commands": ("VOLT 12.00 V", "SINK:CURR 2", "MEAS:ARR?")}
    assert explained.again == frame
    with pytest.raises(BadReply, match="another form"):
        explain("request", b"VOLT  12 ; CURR 2\n")


@given(st.binary(max_size=60), st.sampled_from(["request", "reply"]))
def test_any_bytes_are_explained_or_refused(frame: bytes, direction: str) -> None:
    try:
        explained = explain(direction, frame)  # type: ignore[arg-type]
    except DeviceError:
        return
    assert explained.again == frame


@given(TEXT)
def test_strings_come_back_as_they_were_quoted(text: str) -> None:
    assert unquoted(quoted(text)) == text


@pytest.mark.parametrize("text", ["", "1V2", "1k", "k1V", "1 mV", "1e", "1,5V", " 1V"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(BadReply):
        parse_quantity(text, "V")
    with pytest.raises(BadReply):
        parse_quantity("1A", "V")
