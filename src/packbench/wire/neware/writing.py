r"""The replies of `wire/neware/replies.py` as the text that a BTS 8.0 sends.

Owns the device side's writing, for emulators and for checking captures. The lines, their indentation and
their order of attributes are the captured ones (aurora-neware, tests/mocks.py), `\r\n` included.
"""

from __future__ import annotations

from collections.abc import Iterable

from packbench.wire.neware.replies import (
    REPLY_NAMES,
    Acknowledged,
    Connected,
    DataCount,
    DataCounts,
    Devices,
    LogEntries,
    NewareReply,
    Reading,
    Readings,
    Row,
    Rows,
    Statuses,
    Steps,
    StepSummary,
)
from packbench.wire.neware.xml import ABSENT, attributes, content

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\r\n<bts version="1.0">\r\n'


def reply_text(reply: NewareReply) -> str:
    """The whole document, without the terminator. Raises ValueError for text that XML cannot carry."""
    match reply:
        case Connected(result):
            body = f"{_command('connect_resp')}  <result>{content(result)}</result>\r\n"
        case Devices():
            body = _command("getdevinfo_resp") + _devices(reply)
        case Statuses(items):
            body = _command("getchlstatus_resp") + _list(
                f"<status{attributes(*item.channel.place(), ('reservepause', item.reserve_pause))}>"
                f"{content(item.status)}</status>"
                for item in items
            )
        case Readings(items):
            body = _command("inquire_resp") + _list(f"<inquire{_reading(item)} />" for item in items)
        case DataCounts(items):
            body = _command("inquiredf_resp") + _list(f"<chl{_data_count(item)}</chl>" for item in items)
        case Acknowledged(command, items):
            body = _command(f"{command}_resp") + _list(
                f"<{command}{attributes(*channel.place())}>{'ok' if ok else 'false'}</{command}>"
                for channel, ok in items
            )
        case Rows():
            head = attributes(
                *reply.channel.place(with_ip=False),
                ("testid", reply.test_id),
                ("startpos", reply.start),
                ("count", reply.count),
                ("auxid", reply.aux),
            )
            body = _download("download", reply.misspelt, head) + _list(f"<data{_row(row)} />" for row in reply.rows)
        case LogEntries():
            head = attributes(*reply.channel.place(with_ip=False), ("testid", reply.test_id), ("log_lever", 0))
            body = _download("downloadlog", reply.misspelt, head) + _list(
                f"<data{attributes(('seqid', each.seq_id), ('log_code', each.log_code), ('atime', each.wall_time))} />"
                for each in reply.entries
            )
        case Steps():
            head = attributes(*reply.channel.place(with_ip=False), ("testid", reply.test_id))
            body = f"{_command('downloadStepLayer_resp')}  <downloadStepLayer{head} />\r\n" + _list(
                f"<data{_step(step)} />" for step in reply.steps
            )
    return f"{_HEAD}{body}</bts>"


def _command(name: str) -> str:
    return f"  <cmd>{name}</cmd>\r\n"


def _download(command: str, misspelt: bool, head: str) -> str:
    captured, documented = REPLY_NAMES[command]
    return f"{_command(captured if misspelt else documented)}  <download{head} />\r\n"


def _list(items: Iterable[str]) -> str:
    found = tuple(items)
    if not found:
        return '  <list count="0" />\r\n'
    lines = "".join(f"    {item}\r\n" for item in found)
    return f'  <list count="{len(found)}">\r\n{lines}  </list>\r\n'


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _devices(reply: Devices) -> str:
    client = "" if reply.client_version is None else f"  <client{attributes(('version', reply.client_version))} />\r\n"
    servers = "".join(
        f"    <server{attributes(('ip', server.ip), ('port', server.port))} />\r\n" for server in reply.servers
    )
    channels = "".join(
        "    <channel"
        + attributes(*item.channel.place()[:-1], ("Channelid", item.channel.chlid))
        + f">{_flag(item.idle)}</channel>\r\n"
        for item in reply.channels
    )
    return (
        f'{client}  <serverip count="{len(reply.servers)}">\r\n{servers}  </serverip>\r\n'
        # The captured reply does not indent this one end tag.
        f'  <middle count="{len(reply.channels)}">\r\n{channels}</middle>\r\n'
    )


def _reading(item: Reading) -> str:
    channel = item.channel
    place = (channel.devtype, channel.devid, channel.subdevid, channel.chlid, item.aux)
    return attributes(
        ("dev", "-".join(str(part) for part in place)),
        ("cycle_id", item.cycle_id),
        ("step_id", item.step_id),
        ("step_type", item.step_type or ABSENT),
        ("workstatus", item.status),
        ("barcode", item.barcode),
        ("current", item.current_a),
        ("voltage", item.voltage_v),
        ("capacity", item.capacity_ah),
        ("energy", item.energy_wh),
        ("totaltime", item.total_time_s),
        ("relativetime", item.step_time_s),
        ("open_or_close", item.open_or_close),
        ("log_code", item.log_code),
        *item.extra,
    )


def _data_count(item: DataCount) -> str:
    place = item.channel.place(with_ip=False)
    return f"{attributes(*place, ('testid', item.test_id), ('count', item.count))}>{_flag(item.complete)}"


def _row(row: Row) -> str:
    return attributes(
        ("seqid", row.seq_id),
        ("stepid", row.step_id),
        ("cycleid", row.cycle_id),
        ("steptype", row.step_type),
        ("testtime", row.step_time_ms),
        ("atime", row.wall_time),
        ("volt", row.voltage_v),
        ("curr", row.current_a),
        ("cap", row.capacity_ah),
        ("eng", row.energy_wh),
        *row.extra,
    )


def _step(step: StepSummary) -> str:
    return attributes(
        ("startseqid", step.first_seq_id),
        ("endseqid", step.last_seq_id),
        ("stepindex", step.index),
        ("stepid", step.step_id),
        ("cycleid", step.cycle_id),
        ("steptype", step.step_type),
        ("steptime", step.duration_ms),
        ("endatime", step.end_wall_time),
        ("startvolt", step.start_voltage_v),
        ("endvolt", step.end_voltage_v),
        ("startcurr", step.start_current_a),
        ("endcurr", step.end_current_a),
        ("cap", step.capacity_ah),
        ("eng", step.energy_wh),
        ("dcir", step.dcir),
    )
