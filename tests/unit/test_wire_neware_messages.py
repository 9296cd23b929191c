"""Neware's messages: what the reference client sends, and what a BTS answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.neware_words import ASK_STATUS, CHANNEL, HEAD, OTHER, REPLY_HEAD, STATUS, WORKING, answer, inquire_reply

from packbench.wire.neware.frames import NewareCodec, explain, reply_frame, take_request
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
    Readings,
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
    Inquire,
    InquireData,
    Job,
    NewareRequest,
    Start,
)


def place(channel: Channel = CHANNEL) -> bytes:
    return (
        f'devtype="{channel.devtype}" devid="{channel.devid}" subdevid="{channel.subdevid}" chlid="{channel.chlid}"'
    ).encode()


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
