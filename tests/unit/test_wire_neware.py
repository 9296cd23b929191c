"""Neware's messages: what the reference client sends, what a BTS answers, and everything that is neither."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packbench.core.errors import BadReply, DeviceError
from packbench.wire.neware.frames import (
    MAX_REPLY,
    MAX_REQUEST,
    TERMINATOR,
    NewareCodec,
    NewareRefused,
    explain,
    reply_frame,
    take_request,
)
from packbench.wire.neware.replies import (
    Acknowledged,
    ChannelStatus,
    Connected,
    DataCount,
    DataCounts,
    DeviceChannel,
    Devices,
    LogEntries,
    LogEntry,
    NewareReply,
    Reading,
    Readings,
    Row,
    Rows,
    Server,
    Statuses,
    Steps,
    StepSummary,
)
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
from packbench.wire.neware.xml import number_text, parse_xml

CHANNEL = Channel(27, 21, 5, 3)
OTHER = Channel(27, 21, 5, 4)
HEAD = b'<?xml version="1.0" encoding="UTF-8" ?><bts version="1.0">'
"""How aurora-neware begins every request (`NewareAPI.start_message`)."""
REPLY_HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\r\n<bts version="1.0">\r\n'
"""How a BTS 8.0 begins every reply (aurora-neware, tests/mocks.py)."""

ASK_STATUS = GetStatus((CHANNEL,))
STATUS = REPLY_HEAD + (
    b'  <cmd>getchlstatus_resp</cmd>\r\n  <list count="1">\r\n'
    b'    <status ip="127.0.0.1" devtype="27" devid="21" subdevid="5" chlid="3" reservepause="1">working</status>\r\n'
    b"  </list>\r\n</bts>\n\n#\r\n"
)


def place(channel: Channel = CHANNEL) -> bytes:
    return (
        f'devtype="{channel.devtype}" devid="{channel.devid}" subdevid="{channel.subdevid}" chlid="{channel.chlid}"'
    ).encode()


def answer(request: NewareRequest, frame: bytes) -> NewareReply | None:
    return NewareCodec().decode(request, bytearray(frame))


# ------------------------------------------------------------ what the client sends


SENT = [
    (
        Connect(),
        b"<cmd>connect</cmd><username>admin</username><password>neware</password><type>bfgs</type>",
    ),
    (GetDevices(), b"<cmd>getdevinfo</cmd>"),
    (
        ASK_STATUS,
        b'<cmd>getchlstatus</cmd><list count = "1"><status ip="127.0.0.1" ' + place() + b">true</status></list>",
    ),
    (
        Inquire((CHANNEL,)),
        b'<cmd>inquire</cmd><list count = "1"><inquire ip="127.0.0.1" '
        + place()
        + b' aux="0" barcode="1">true</inquire></list>',
    ),
    (
        InquireData((CHANNEL,)),
        b'<cmd>inquiredf</cmd><list count = "1"><chl ' + place() + b' testid="0" /></list>',
    ),
    (
        ChannelAction("stop", (CHANNEL, OTHER)),
        b'<cmd>stop</cmd><list count = "2"><stop ip="127.0.0.1" '
        + place()
        + b'>true</stop><stop ip="127.0.0.1" '
        + place(OTHER)
        + b">true</stop></list>",
    ),
    (
        ChannelAction("clearflag", (CHANNEL,)),
        b'<cmd>clearflag</cmd><list count = "1"><clearflag ip="127.0.0.1" ' + place() + b">true</clearflag></list>",
    ),
    (
        ChannelAction("light", (CHANNEL,), on=False),
        b'<cmd>light</cmd><list count = "1"><light ip="127.0.0.1" ' + place() + b">false</light></list>",
    ),
    (
        Download(CHANNEL, 2001, 1000),
        b"<cmd>download</cmd><download " + place() + b' auxid="0" testid="0" startpos="2001" count="1000"/>',
    ),
    (
        DownloadLog(CHANNEL),
        b"<cmd>downloadlog</cmd><download " + place() + b' testid="0"/>',
    ),
    (
        DownloadSteps(CHANNEL),
        b"<cmd>downloadStepLayer</cmd><downloadStepLayer " + place() + b" />",
    ),
    (
        Start((Job(CHANNEL, "pack-7", "C:\\steps\\payload.xml"),), (("backupdir", "C:\\data"), ("filetype", "0"))),
        b'<cmd>start</cmd><list count = "1"><start ip="127.0.0.1" '
        + place()
        + b' barcode="pack-7">C:\\steps\\payload.xml</start><backup backupdir="C:\\data" filetype="0" /></list>',
    ),
]


@pytest.mark.parametrize(("request_", "body"), SENT, ids=lambda value: getattr(value, "command", ""))
def test_requests_are_those_of_the_reference_client_byte_for_byte(request_: NewareRequest, body: bytes) -> None:
    frame = HEAD + body + b"</bts>\n\n#\r\n"
    assert NewareCodec().encode(request_) == frame
    buffer = bytearray(frame)
    assert take_request(buffer) == request_
    assert buffer == b""
    explained = explain("request", frame)
    assert explained.values["command"] == request_.command
    assert explained.again == frame


def test_the_stray_quote_after_the_list_of_start_is_accepted() -> None:
    """aurora-neware's `start` ends `</list>"</bts>`."""
    body = (
        b'<cmd>start</cmd><list count = "1"><start ip="127.0.0.1" '
        + place()
        + b' barcode="p">C:\\a.xml</start></list>"'
    )
    assert take_request(bytearray(HEAD + body + b"</bts>\n\n#\r\n")) == Start((Job(CHANNEL, "p", "C:\\a.xml"),))


def test_other_clients_of_the_same_commands_are_understood() -> None:
    """Indented, `#` straight after the document, `download` inside a list, orders without `true`."""
    body = b'\n<cmd>download</cmd>\n<list count="1">\n<download ip="127.0.0.1" ' + place()
    body += b' auxid="0" testid="7" startpos="1" count="500">true</download>\n</list>\n'
    assert take_request(bytearray(HEAD + body + b"</bts>#\r\n")) == Download(CHANNEL, 1, 500, test_id=7)
    body = b'<cmd>resetalarm</cmd>\n<list count="1">\n<resetalarm ip="10.0.0.2" ' + place() + b" />\n</list>"
    expected = ChannelAction("resetalarm", (replace(CHANNEL, ip="10.0.0.2"),))
    assert take_request(bytearray(HEAD + body + b"</bts>\n\n#\r\n")) == expected
    body = b'<cmd>inquire</cmd><list count="1"><inquire ip="127.0.0.1" ' + place() + b">true</inquire></list>"
    assert take_request(bytearray(HEAD + body + b"</bts>\n\n#\r\n")) == Inquire((CHANNEL,), barcode=False)


@pytest.mark.parametrize(
    "body",
    [
        b"<cmd>broadcaststop</cmd>",
        b"<cmd>getchlstatus</cmd><list><status devtype='27'>true</status></list>",
        b"<cmd>download</cmd>",
        b"<cmd>goto</cmd><list><goto " + place() + b">true</goto></list>",
        b"<cmd>download</cmd><download " + place() + b" startpos='x' count='1'/>",
        b"<command>connect</command>",
    ],
)
def test_a_request_that_cannot_be_read_costs_only_itself(body: bytes) -> None:
    buffer = bytearray(HEAD + body + b"</bts>\n\n#\r\n" + NewareCodec().encode(ASK_STATUS))
    assert take_request(buffer) == ASK_STATUS
    assert take_request(buffer) is None


def test_reads_may_be_sent_twice_and_orders_may_not() -> None:
    repeatable = {request.command for request, _ in SENT if request.repeatable}
    assert repeatable.isdisjoint({"start", *ACTIONS})
    assert {"connect", "getdevinfo", "getchlstatus", "inquire", "inquiredf", "download", "downloadlog"} <= repeatable
    assert Inquire((CHANNEL, OTHER)).describe() == "inquire 21-5-3, 21-5-4"


def test_text_that_xml_cannot_carry_is_the_caller_s_mistake() -> None:
    with pytest.raises(ValueError, match=r"U\+0001"):
        NewareCodec().encode(Start((Job(CHANNEL, "\x01", "a"),)))


def test_text_is_escaped() -> None:
    request = Start((Job(CHANNEL, 'a"<&>\n', "C:\\<&>.xml"),))
    assert take_request(bytearray(NewareCodec().encode(request))) == request


# ------------------------------------------------------------ what the device answers


def inquire_reply(attributes: bytes, count: bytes = b"1") -> bytes:
    return (
        REPLY_HEAD
        + b'  <cmd>inquire_resp</cmd>\r\n  <list count="'
        + count
        + b'">\r\n    <inquire '
        + attributes
        + b" />\r\n  </list>\r\n</bts>\n\n#\r\n"
    )


WORKING = (
    b'dev="27-21-5-3-0" cycle_id="44" step_id="4" step_type="dc" workstatus="working" barcode="pack_02" '
    b'current="-66.0003" voltage="354.6947" capacity="12.001" energy="4200.0047" totaltime="3189199.3" '
    b'relativetime="12319" open_or_close="0" log_code="102000"'
)
FINISHED = (
    b'dev="27-21-5-3-0" cycle_id="1" step_type="--" workstatus="finish" barcode="pack_01" current="0" '
    b'voltage="353.8834" capacity="0" energy="0" totaltime="0" relativetime="0" open_or_close="0" log_code="0"'
)


def test_inquire_gives_si_units_and_a_negative_discharge_current() -> None:
    reply = answer(Inquire((CHANNEL,)), inquire_reply(WORKING))
    assert isinstance(reply, Readings)
    reading = reply.items[0]
    assert (reading.channel, reading.status, reading.step_type) == (CHANNEL, "working", "dc")
    assert (reading.current_a, reading.voltage_v) == (-66.0003, 354.6947)
    assert (reading.capacity_ah, reading.energy_wh) == (12.001, 4200.0047)
    assert (reading.total_time_s, reading.step_time_s) == (3189199.3, 12319.0)
    assert (reading.cycle_id, reading.step_id, reading.barcode, reading.log_code) == (44, 4, "pack_02", 102000)


def test_two_hyphens_and_what_is_left_out_are_none_and_never_zero() -> None:
    reply = answer(Inquire((CHANNEL,)), inquire_reply(FINISHED.replace(b'current="0"', b'current="--"')))
    assert isinstance(reply, Readings)
    reading = reply.items[0]
    assert (reading.step_type, reading.step_id, reading.current_a) == (None, None, None)
    assert reading.voltage_v == 353.8834


def test_the_list_s_own_count_is_not_believed() -> None:
    """A reply with two elements that says 1 was captured."""
    frame = inquire_reply(WORKING + b" />\r\n    <inquire " + WORKING.replace(b"-5-3-0", b"-5-4-0"))
    reply = answer(Inquire((CHANNEL, OTHER)), frame)
    assert isinstance(reply, Readings)
    assert [reading.channel for reading in reply.items] == [CHANNEL, OTHER]


def test_no_device_running_in_the_client_is_an_empty_list() -> None:
    frame = REPLY_HEAD + (
        b'  <cmd>getdevinfo_resp</cmd>\r\n  <serverip count="1">\r\n    <server ip="127.0.0.1" port="3306" />\r\n'
        b'  </serverip>\r\n  <middle count="0">\r\n</middle>\r\n</bts>\n\n#\r\n'
    )
    assert answer(GetDevices(), frame) == Devices((Server("127.0.0.1", 3306),), ())
    assert explain("reply", frame).again == frame


def test_getdevinfo_calls_the_channel_channelid() -> None:
    frame = REPLY_HEAD + (
        b'  <cmd>getdevinfo_resp</cmd>\r\n  <serverip count="1">\r\n    <server ip="127.0.0.1" port="3306" />\r\n'
        b'  </serverip>\r\n  <middle count="2">\r\n'
        b'    <channel ip="10.0.0.7" devtype="27" devid="21" subdevid="5" Channelid="3">true</channel>\r\n'
        b'    <channel ip="10.0.0.7" devtype="27" devid="21" subdevid="5" Channelid="4">false</channel>\r\n'
        b"</middle>\r\n</bts>\n\n#\r\n"
    )
    reply = answer(GetDevices(), frame)
    assert isinstance(reply, Devices)
    assert reply.channels == (
        DeviceChannel(replace(CHANNEL, ip="10.0.0.7"), idle=True),
        DeviceChannel(replace(OTHER, ip="10.0.0.7"), idle=False),
    )
    assert explain("reply", frame).again == frame
    newer = frame.replace(b"  <serverip", b'  <client version="BTS Client 8.0.0.515" />\r\n  <serverip')
    reply = answer(GetDevices(), newer)
    assert isinstance(reply, Devices)
    assert reply.client_version == "BTS Client 8.0.0.515"


@pytest.mark.parametrize("name", [b"donwload_resp", b"download_resp"])
def test_download_is_taken_in_both_spellings(name: bytes) -> None:
    frame = REPLY_HEAD + (
        b"  <cmd>" + name + b"</cmd>\r\n  <download " + place() + b' testid="143" startpos="219576" count="1000"'
        b' auxid="0" />\r\n  <list count="2">\r\n'
        b'    <data seqid="219576" stepid="24" cycleid="29" steptype="dc" testtime="36070000" '
        b'atime="2025-12-28 22:29:05" volt="3.6780698299408" curr="-0.000295051460852847" cap="0.00295628436449786" '
        b'eng="0.0135611368830335" />\r\n'
        b'    <data seqid="219577" stepid="24" cycleid="29" steptype="dc" testtime="36080300" '
        b'atime="2025-12-28 22:29:15" volt="3.65799260139465" curr="-0.0002950521" cap="0.002957" eng="0.013564" '
        b'T1="25.4" />\r\n  </list>\r\n</bts>\n\n#\r\n'
    )
    reply = answer(Download(CHANNEL, 219576), frame)
    assert isinstance(reply, Rows)
    assert (reply.test_id, len(reply.rows)) == (143, 2)
    row = reply.rows[0]
    assert (row.seq_id, row.step_id, row.cycle_id, row.step_type) == (219576, 24, 29, "dc")
    assert row.step_time_ms == 36_070_000  # ten hours and a minute: milliseconds since the step began
    assert (row.voltage_v, row.current_a, row.capacity_ah) == (
        3.6780698299408,
        -0.000295051460852847,
        0.00295628436449786,
    )
    assert reply.rows[1].extra == (("T1", "25.4"),)
    assert explain("reply", frame).again == frame


def test_no_rows_still_tell_the_number_of_the_test() -> None:
    frame = REPLY_HEAD + (
        b"  <cmd>donwload_resp</cmd>\r\n  <download "
        + place()
        + b' testid="143" startpos="0" count="0" auxid="0" />\r\n'
        b'  <list count="0" />\r\n</bts>\n\n#\r\n'
    )
    reply = answer(Download(CHANNEL, 0, 0), frame)
    assert isinstance(reply, Rows)
    assert (reply.test_id, reply.rows) == (143, ())
    assert explain("reply", frame).again == frame


REPLIES: list[tuple[NewareRequest, NewareReply]] = [
    (Connect(), Connected("ok")),
    (ASK_STATUS, Statuses((ChannelStatus(CHANNEL, "working", 1),))),
    (
        InquireData((CHANNEL, OTHER)),
        DataCounts((DataCount(CHANNEL, 143, 219585, True), DataCount(OTHER, 144, 0, False))),
    ),
    (Start((Job(CHANNEL, "p", "a"),)), Acknowledged("start", ((CHANNEL, True),))),
    *((ChannelAction(action, (CHANNEL,)), Acknowledged(action, ((CHANNEL, True),))) for action in ACTIONS),
    (DownloadLog(CHANNEL), LogEntries(CHANNEL, 143, (LogEntry(1, 100000, "2025-12-03 16:44:02"),))),
    (
        DownloadSteps(CHANNEL),
        Steps(
            CHANNEL,
            143,
            (
                StepSummary(
                    1, 4321, 1, 1, 1, "rest", 43_200_000, "2025-12-04 04:44:02", 3.18, 3.13, 0.0, 0.0, 0.0, 0.0, 0.0
                ),
            ),
        ),
    ),
]


@pytest.mark.parametrize(("request_", "reply"), REPLIES, ids=lambda value: getattr(value, "command", ""))
def test_replies_come_back_as_they_were_written(request_: NewareRequest, reply: NewareReply) -> None:
    frame = reply_frame(reply)
    assert answer(request_, frame) == reply
    assert explain("reply", frame).again == frame


def test_a_captured_status_is_written_again_byte_for_byte() -> None:
    assert answer(ASK_STATUS, STATUS) == Statuses((ChannelStatus(CHANNEL, "working", 1),))
    assert reply_frame(Statuses((ChannelStatus(CHANNEL, "working", 1),))) == STATUS
    explained = explain("reply", inquire_reply(WORKING))
    assert explained.again == inquire_reply(WORKING)
    assert (explained.values["voltage_v"], explained.values["current_a"]) == (354.6947, -66.0003)


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


LAUGHS = (
    b'<?xml version="1.0"?>\n<!DOCTYPE bts [<!ENTITY a "ha">'
    + b"".join(
        f'<!ENTITY {name} "{f"&{inner};" * 10}">'.encode() for inner, name in zip("abcdefghi", "bcdefghij", strict=True)
    )
    + b"]>\n<bts><cmd>&j;</cmd></bts>"
)
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


# ------------------------------------------------------------ properties


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
