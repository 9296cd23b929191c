"""Neware's messages: whatever is written is read again, and any bytes at all."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.neware_words import ASK_STATUS, CHANNEL, HEAD, LAUGHS, STATUS, WORKING, answer, inquire_reply

from packbench.core.errors import BadReply, DeviceError
from packbench.wire.neware.frames import (
    MAX_REPLY,
    MAX_REQUEST,
    TERMINATOR,
    NewareCodec,
    explain,
    reply_frame,
    take_request,
)
from packbench.wire.neware.replies import ChannelStatus, Reading, Readings, Row, Rows, Statuses
from packbench.wire.neware.requests import (
    ACTIONS,
    Channel,
    ChannelAction,
    Connect,
    Download,
    DownloadLog,
    DownloadSteps,
    GetDevices,
    GetStatus,
    Inquire,
    InquireData,
    Job,
    NewareRequest,
    Start,
)
from packbench.wire.neware.xml import number_text

texts = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), max_size=20)
wholes = st.integers(0, 10**12)
numbers = st.floats(-1e6, 1e6)
channels = st.builds(
    Channel,
    st.integers(0, 999),
    st.integers(0, 999),
    st.integers(0, 99),
    st.integers(0, 99),
    st.sampled_from(["127.0.0.1", "10.1.2.3"]),
)
bare_channels = channels.map(lambda channel: replace(channel, ip="127.0.0.1"))
"""Of commands that carry no address."""
lists = st.lists(channels, min_size=1, max_size=4).map(tuple)
bare_lists = st.lists(bare_channels, min_size=1, max_size=4).map(tuple)
# A path loses the space around it, as text between tags does.
jobs = st.builds(Job, channels, texts, texts.map(str.strip))
extras = st.lists(
    st.tuples(st.sampled_from(["T1", "V1", "Thk1"]), texts), max_size=3, unique_by=lambda pair: pair[0]
).map(tuple)
requests: st.SearchStrategy[NewareRequest] = st.one_of(
    st.builds(Connect, texts.map(str.strip), texts.map(str.strip), texts.map(str.strip)),
    st.just(GetDevices()),
    st.builds(GetStatus, lists),
    st.builds(Inquire, lists, st.integers(0, 9), st.booleans()),
    st.builds(InquireData, bare_lists, wholes),
    st.builds(Start, st.lists(jobs, min_size=1, max_size=3).map(tuple)),
    st.builds(ChannelAction, st.sampled_from([action for action in ACTIONS if action != "goto"]), lists, st.booleans()),
    st.builds(ChannelAction, st.just("goto"), lists, st.booleans(), st.integers(1, 999)),
    st.builds(Download, bare_channels, wholes, st.integers(0, 1000), wholes, st.integers(0, 9)),
    st.builds(DownloadLog, bare_channels, wholes),
    st.builds(DownloadSteps, bare_channels),
)


@given(requests)
def test_every_request_is_taken_as_it_was_encoded(request: NewareRequest) -> None:
    frame = NewareCodec().encode(request)
    buffer = bytearray(frame)
    assert take_request(buffer) == request
    assert buffer == b""
    assert explain("request", frame).again == frame


readings = st.builds(
    Reading,
    channels.map(lambda channel: replace(channel, ip="127.0.0.1")),
    wholes,
    st.none() | wholes,
    st.none() | st.sampled_from(["cc", "dc", "cv", "rest"]),
    st.sampled_from(["working", "finish", "stop", "protect", "pause"]),
    st.none() | texts,
    *([numbers] * 6),
    open_or_close=st.none() | st.integers(0, 1),
    log_code=st.none() | wholes,
    aux=st.integers(0, 9),
    extra=extras,
)


@given(st.lists(readings, min_size=1, max_size=4).map(tuple))
def test_every_reading_comes_back_as_it_was_written(items: tuple[Reading, ...]) -> None:
    reply = Readings(items)
    frame = reply_frame(reply)
    assert answer(Inquire(tuple(item.channel for item in items)), frame) == reply
    assert explain("reply", frame).again == frame


@given(
    bare_channels,
    st.lists(st.tuples(wholes, wholes, texts, wholes, texts, numbers, numbers, numbers, numbers, extras), max_size=5),
    wholes,
    st.booleans(),
)
def test_every_row_comes_back_as_it_was_written(channel: Channel, cells: list, start: int, misspelt: bool) -> None:
    rows = tuple(Row(start + at, *values) for at, values in enumerate(cells))
    reply = Rows(channel, 7, start, 1000, rows, misspelt=misspelt)
    frame = reply_frame(reply)
    assert answer(Download(channel, start, 1000), frame) == reply
    assert explain("reply", frame).again == frame


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_written_without_an_exponent_and_come_back(value: float) -> None:
    """aurora-neware takes a number without a point for an integer: an exponent would break it."""
    text = number_text(value)
    assert "e" not in text
    assert float(text) == value


FRAGMENTS = st.sampled_from(
    [STATUS, STATUS[:100], STATUS[100:], TERMINATOR, b"</bts>", b"<?xml", b"<bts", LAUGHS, inquire_reply(WORKING), HEAD]
)
junk = st.lists(FRAGMENTS | st.binary(max_size=40), max_size=8).map(b"".join)


@given(junk, requests)
def test_any_bytes_give_an_answer_nothing_or_a_device_error(data: bytes, request: NewareRequest) -> None:
    buffer = bytearray(data)
    codec = NewareCodec()
    for _ in range(len(data) + 1):
        before = len(buffer)
        try:
            value = codec.decode(request, buffer)
        except DeviceError:
            assert len(buffer) < before
            continue
        if value is None:
            break
        assert len(buffer) < before
    else:
        pytest.fail("the codec does not come to an end")
    assert len(buffer) <= min(len(data), MAX_REPLY)


@given(junk)
def test_any_bytes_give_a_request_or_nothing(data: bytes) -> None:
    buffer = bytearray(data)
    while take_request(buffer) is not None:
        pass
    assert len(buffer) <= min(len(data), MAX_REQUEST)


@given(junk, st.sampled_from(["request", "reply"]))
def test_any_bytes_are_explained_or_refused(data: bytes, direction: str) -> None:
    with suppress(BadReply):
        explained = explain(direction, data)  # pyright: ignore[reportArgumentType]
        assert explained.again == data


@given(junk)
def test_noise_never_hides_the_answer_behind_it(data: bytes) -> None:
    if STATUS in data or (data and (data + STATUS).find(STATUS) != len(data)):
        return
    codec, buffer = NewareCodec(), bytearray(data + STATUS)
    assert codec.decode(ASK_STATUS, buffer) == Statuses((ChannelStatus(CHANNEL, "working", 1),))


def test_what_is_no_message_is_not_explained() -> None:
    for direction, frame in (
        ("reply", STATUS[:-1]),
        ("reply", STATUS + STATUS),
        ("reply", NewareCodec().encode(ASK_STATUS)),
        ("request", STATUS),
        ("reply", STATUS.replace(b"getchlstatus_resp", b"teach_resp")),
        # Understood on the line, and not what either side would write.
        ("reply", STATUS.replace(b"\r\n", b"\n")),
        ("request", NewareCodec().encode(ASK_STATUS).replace(b"count = ", b"count=")),
    ):
        with pytest.raises(BadReply):
            explain(direction, frame)  # pyright: ignore[reportArgumentType]
