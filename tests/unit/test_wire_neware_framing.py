"""Neware's messages in the stream: whose answer it is, noise and pieces, and hostile documents."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from tests.unit.neware_words import ASK_STATUS, CHANNEL, LAUGHS, OTHER, STATUS, WORKING, answer, inquire_reply

from packbench.core.errors import BadReply
from packbench.wire.neware.frames import (
    MAX_REPLY,
    MAX_REQUEST,
    TERMINATOR,
    NewareCodec,
    NewareRefused,
    reply_frame,
    take_request,
)
from packbench.wire.neware.replies import Acknowledged, ChannelStatus, Connected, Readings, Row, Rows, Statuses
from packbench.wire.neware.requests import ChannelAction, Connect, Download, Inquire, Job, Start
from packbench.wire.neware.xml import parse_xml

# ------------------------------------------------------------ whose answer it is


def test_a_unit_of_1_by_mistake_is_merged_by_order() -> None:
    """getchlstatus of 13-5-5 was seen to answer for 13-1-5."""
    assert answer(ASK_STATUS, STATUS.replace(b'subdevid="5"', b'subdevid="1"')) == Statuses(
        (ChannelStatus(CHANNEL, "working", 1),)
    )
    reply = answer(Inquire((CHANNEL,)), inquire_reply(WORKING.replace(b"27-21-5-3-0", b"27-21-1-3-0")))
    assert isinstance(reply, Readings)
    assert reply.items[0].channel == CHANNEL


def test_the_reply_to_start_may_say_channel_0() -> None:
    frame = reply_frame(Acknowledged("start", ((replace(CHANNEL, chlid=0), True),)))
    assert answer(Start((Job(CHANNEL, "p", "a"),)), frame) == Acknowledged("start", ((CHANNEL, True),))
    stop = reply_frame(Acknowledged("stop", ((replace(CHANNEL, chlid=0), True),)))
    assert answer(ChannelAction("stop", (CHANNEL,)), stop) is None


@pytest.mark.parametrize(
    "foreign",
    [
        STATUS.replace(b'chlid="3"', b'chlid="4"'),
        STATUS.replace(b'subdevid="5"', b'subdevid="2"'),
        STATUS.replace(b'devid="21"', b'devid="22"'),
        STATUS.replace(b'devtype="27"', b'devtype="24"'),
        reply_frame(Statuses((ChannelStatus(CHANNEL, "working", 1), ChannelStatus(OTHER, "working", 1)))),
        reply_frame(Connected("ok")),
        inquire_reply(WORKING),
    ],
)
def test_the_answer_to_another_question_is_dropped_and_counted(foreign: bytes) -> None:
    codec = NewareCodec()
    buffer = bytearray(foreign)
    assert codec.decode(ASK_STATUS, buffer) is None
    assert (codec.counters.foreign_frames, buffer) == (1, b"")
    buffer += STATUS
    assert codec.decode(ASK_STATUS, buffer) == Statuses((ChannelStatus(CHANNEL, "working", 1),))


def test_rows_that_were_not_asked_for_are_no_answer() -> None:
    def row(seq_id: int) -> Row:
        return Row(seq_id, 1, 1, "cc", 0, "", 3.0, 1.0, 0.0, 0.0)

    reply = Rows(CHANNEL, 7, 1, 1000, (row(1), row(2)))
    assert answer(Download(CHANNEL, 1), reply_frame(reply)) == reply
    assert answer(Download(CHANNEL, 1001), reply_frame(reply)) is None
    assert answer(Download(CHANNEL, 1, 500), reply_frame(reply)) is None
    assert answer(Download(CHANNEL, 1, test_id=8), reply_frame(reply)) is None
    for wrong in ((row(2), row(1)), (row(1), row(1)), (row(1001),)):
        with pytest.raises(BadReply, match="row"):
            answer(Download(CHANNEL, 1), reply_frame(replace(reply, rows=wrong)))


def test_the_device_s_own_no() -> None:
    with pytest.raises(NewareRefused, match="start refused by channel 21-5-3"):
        answer(Start((Job(CHANNEL, "p", "a"),)), reply_frame(Acknowledged("start", ((CHANNEL, False),))))
    with pytest.raises(NewareRefused, match="stop refused by channel 21-5-4"):
        answer(
            ChannelAction("stop", (CHANNEL, OTHER)),
            reply_frame(Acknowledged("stop", ((CHANNEL, True), (OTHER, False)))),
        )
    with pytest.raises(NewareRefused, match="no licence"):
        answer(Connect(), reply_frame(Connected("no licence")))


# ------------------------------------------------------------ framing


def test_split_delivery_byte_by_byte() -> None:
    codec, buffer = NewareCodec(), bytearray()
    for at in range(len(STATUS) - 1):
        buffer += STATUS[at : at + 1]
        assert codec.decode(ASK_STATUS, buffer) is None
    buffer += STATUS[-1:]
    assert codec.decode(ASK_STATUS, buffer) is not None
    assert codec.counters.noise_bytes == codec.counters.foreign_frames == 0


@pytest.mark.parametrize("noise", [b"\x00\xff\xfe#\r\n", b"</bts>", STATUS[:90], b"\n\n#\r\n", b"<bts></bts> "])
def test_noise_before_the_answer_costs_only_itself(noise: bytes) -> None:
    codec, buffer = NewareCodec(), bytearray(noise + STATUS)
    assert codec.decode(ASK_STATUS, buffer) is not None
    assert (codec.counters.noise_bytes, buffer) == (len(noise), b"")
    assert codec.counters.crc_errors == codec.counters.foreign_frames == 0


def test_what_follows_the_answer_is_left() -> None:
    buffer = bytearray(STATUS + STATUS[:20])
    assert NewareCodec().decode(ASK_STATUS, buffer) is not None
    assert buffer == STATUS[:20]


def test_a_document_that_cannot_be_read_is_passed_over_if_another_follows() -> None:
    broken = STATUS.replace(b"</status>", b"</statut>")
    codec, buffer = NewareCodec(), bytearray(broken + STATUS)
    assert codec.decode(ASK_STATUS, buffer) is not None
    assert codec.counters.crc_errors == 1
    with pytest.raises(BadReply, match="not well-formed"):
        codec.decode(ASK_STATUS, bytearray(broken))


@pytest.mark.parametrize(
    ("attribute", "wrong"),
    [
        (b'voltage="354.6947"', b'voltage="nan"'),
        (b'voltage="354.6947"', b'voltage="inf"'),
        (b'voltage="354.6947"', b'voltage="1e999"'),
        (b'voltage="354.6947"', b'voltage="3_5"'),
        (b'voltage="354.6947"', 'voltage="٣"'.encode()),
        (b'cycle_id="44"', b'cycle_id="4.5"'),
        (b'workstatus="working"', b'workstate="working"'),
        (b'dev="27-21-5-3-0"', b'dev="27-21-5-3"'),
    ],
)
def test_values_that_are_none_of_the_format_are_refused(attribute: bytes, wrong: bytes) -> None:
    with pytest.raises(BadReply):
        answer(Inquire((CHANNEL,)), inquire_reply(WORKING.replace(attribute, wrong)))


def test_endless_bytes_do_not_grow_memory() -> None:
    codec, buffer = NewareCodec(), bytearray()
    for _ in range(5):
        buffer += b"x" * (MAX_REPLY // 2)
        assert codec.decode(ASK_STATUS, buffer) is None
        assert len(buffer) <= MAX_REPLY
    assert codec.counters.noise_bytes == 5 * (MAX_REPLY // 2) - MAX_REPLY
    buffer = bytearray(b"y" * (3 * MAX_REQUEST))
    assert take_request(buffer) is None
    assert len(buffer) <= MAX_REQUEST


# ------------------------------------------------------------ hostile documents

EXTERNAL = b'<?xml version="1.0"?><!DOCTYPE bts SYSTEM "file:///etc/passwd"><bts><cmd>connect_resp</cmd></bts>'
PARAMETER = b'<?xml version="1.0"?><!DOCTYPE bts [<!ENTITY % p SYSTEM "http://localhost/x">%p;]><bts><cmd>x</cmd></bts>'


@pytest.mark.parametrize("document", [LAUGHS, EXTERNAL, PARAMETER])
def test_a_document_type_is_refused_before_anything_unfolds(document: bytes) -> None:
    before = time.process_time()
    with pytest.raises(BadReply, match="document type"):
        answer(Connect(), document + TERMINATOR)
    assert take_request(bytearray(document + TERMINATOR)) is None
    with pytest.raises(ValueError, match="document type"):
        parse_xml(document, MAX_REPLY)
    assert time.process_time() - before < 0.5  # ten billion "ha" take longer


def test_a_document_type_is_refused_by_the_parser_as_well() -> None:
    """The second lock, seen by itself: UTF-7 and the like cannot get around it, for text is what is parsed."""
    hidden = type("Hidden", (bytes,), {"decode": lambda self, _: Unsearchable(bytes(self), "utf-8")})
    with pytest.raises(ValueError, match="document type"):
        parse_xml(hidden(EXTERNAL), MAX_REPLY)


def test_what_only_looks_like_a_document_type_is_refused_as_well() -> None:
    """The first lock, seen by itself: nothing is parsed that has the words in it, wherever they stand."""
    for document in (b"<bts><!-- <!DOCTYPE --></bts>", b"<bts><![CDATA[<!ENTITY]]></bts>"):
        with pytest.raises(ValueError, match="document type"):
            parse_xml(document, MAX_REPLY)


class Unsearchable(str):
    """Text whose document type is not found by looking for it."""

    __slots__ = ()

    def __contains__(self, part: object) -> bool:
        return False


def test_other_encodings_are_refused() -> None:
    for encoding in ("utf-16", "utf-32"):
        with pytest.raises(ValueError):
            parse_xml('<?xml version="1.0"?><bts/>'.encode(encoding), MAX_REPLY)
    with pytest.raises(ValueError, match="not UTF-8"):
        parse_xml("<bts>é</bts>".encode("latin-1"), MAX_REPLY)
    # What it declares does not matter: it is read as UTF-8.
    assert parse_xml('<?xml version="1.0" encoding="GB2312"?><bts>批</bts>'.encode(), MAX_REPLY).text == "批"


def test_undeclared_entities_deep_nesting_and_size() -> None:
    with pytest.raises(ValueError, match="not well-formed"):
        parse_xml(b"<bts>&unknown;</bts>", MAX_REPLY)
    with pytest.raises(ValueError, match="more than 10"):
        parse_xml(b"<bts>" + b" " * 10 + b"</bts>", 10)
    deep = b"<bts>" * 100_000 + b"</bts>" * 100_000
    assert parse_xml(deep, MAX_REPLY).tag == "bts"
    assert take_request(bytearray(b"<?xml?>" + deep + TERMINATOR)) is None
