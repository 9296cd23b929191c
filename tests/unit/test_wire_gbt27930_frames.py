"""GB/T 27930 frames: identifiers, groups of long messages, and what is explained of any bytes."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.gbt27930_stated import STATED
from tests.unit.gbt27930_trace import HANDSHAKE, TRACE, heard

from packbench.core.errors import BadReply
from packbench.wire.can.frame import CanFrame
from packbench.wire.can.j1939 import unpack_id
from packbench.wire.can.slcan import frame_line
from packbench.wire.gbt27930.frames import (
    BMS,
    CHARGER,
    KINDS,
    Kind,
    explain,
    frame_of,
    message_in,
    message_of,
    message_values,
    payload_of,
)
from packbench.wire.gbt27930.layout import decode_message
from packbench.wire.gbt27930.messages import (
    CST_CAUSES,
    Bcl,
    Bcp,
    Bcs,
    Bem,
    Bhm,
    Bmt,
    Bmv,
    Brm,
    Bro,
    Bsd,
    Bsm,
    Bsp,
    Bst,
    Ccs,
    Cem,
    Chm,
    Cml,
    Crm,
    Cro,
    Csd,
    Cst,
    Cts,
    states,
)


@pytest.mark.parametrize(
    ("kind", "can_id"),
    [
        (Chm, 0x1826F456), (Bhm, 0x182756F4), (Crm, 0x1801F456), (Cts, 0x1807F456), (Cml, 0x1808F456),
        (Bro, 0x100956F4), (Cro, 0x100AF456), (Bcl, 0x181056F4), (Ccs, 0x1812F456), (Bsm, 0x181356F4),
        (Bst, 0x101956F4), (Cst, 0x101AF456), (Bsd, 0x181C56F4), (Csd, 0x181DF456), (Bem, 0x081E56F4),
        (Cem, 0x081FF456),
    ],
    ids=lambda item: getattr(item, "__name__", ""),
)  # fmt: skip
def test_identifiers_of_the_standard(kind: type, can_id: int) -> None:
    payload = next(text for row, text, _ in STATED if row is kind)
    message = decode_message(kind, bytes.fromhex(payload))
    assert frame_of(message) == CanFrame(can_id, bytes.fromhex(payload))
    assert message_in(frame_of(message)) == message


@pytest.mark.parametrize(
    ("kind", "can_id"),
    [
        (Brm, 0x1C0256F4), (Bcp, 0x1C0656F4), (Bcs, 0x1C1156F4), (Bmv, 0x1C1556F4), (Bmt, 0x1C1656F4),
        (Bsp, 0x1C1756F4),
    ],
    ids=lambda item: getattr(item, "__name__", ""),
)  # fmt: skip
def test_groups_of_long_messages(kind: Any, can_id: int) -> None:
    where = unpack_id(can_id)
    assert KINDS[kind][:3] == (where.pgn, where.priority, where.source)
    assert isinstance(KINDS[kind], Kind)


def test_a_long_message_has_no_frame_and_a_short_list_has_one() -> None:
    with pytest.raises(ValueError, match="BCP of 13 bytes"):
        frame_of(decode_message(Bcp, bytes(13)))
    assert frame_of(Bmt((25.0, 26.0))) == CanFrame(0x1C1656F4, bytes((75, 76)))
    kind, payload = payload_of(Bmv((3.3,) * 96, (0,) * 96))
    assert (kind.pgn, len(payload)) == (0x1500, 192)


def test_what_is_not_of_this_protocol_says_nothing() -> None:
    assert message_in(CanFrame(0x18FEEE00, bytes(8))) is None
    assert message_in(CanFrame(0x1CEC56F4, bytes(8))) is None
    assert message_in(CanFrame(0x123, bytes(2), extended=False)) is None
    assert message_in(CanFrame(0x182756F4, remote_length=2)) is None
    # A BMS's message from the charger's address, and one for a third node.
    assert message_of(CHARGER, BMS, 0x2700, bytes(2)) is None
    assert message_of(BMS, 0x57, 0x2700, bytes(2)) is None
    with pytest.raises(BadReply, match="BHM of 3 bytes"):
        message_in(CanFrame(0x182756F4, bytes(3)))


def test_short_frames_filled_with_ones_are_understood_and_written_so_again() -> None:
    line = b"T182756F485713FFFFFFFFFFFF\r"
    assert message_in(CanFrame(0x182756F4, bytes.fromhex("5713ffffffffffff"))) == Bhm(495.1)
    assert explain("reply", line) == ({"message": "BHM", "voltage_max_v": 495.1}, line)
    assert message_of(BMS, CHARGER, 0x0600, bytes(13) + b"\xff") == decode_message(Bcp, bytes(13))
    with pytest.raises(BadReply, match="BHM of 8 bytes"):
        message_in(CanFrame(0x182756F4, bytes.fromhex("5713ffffffffff00")))


def test_every_frame_of_the_trace_is_explained_and_made_anew() -> None:
    said: list[str] = []
    for _, frame in TRACE:
        line = frame_line(frame)
        values, again = explain("reply", line)
        assert again == line
        said.append(values.get("message") or values["transport"])
    assert said[:3] == ["CRM", "rts", "cts"]
    assert set(said) == {
        "CRM", "rts", "cts", "data", "end_ack", "CML", "CTS", "BRO", "CRO", "BCL", "CCS", "BSM", "CST", "BST", "BSD",
        "CSD",
    }  # fmt: skip


def test_all_frames_of_a_long_message_are_explained_together() -> None:
    frames = [frame for _, frame in heard(HANDSHAKE)]
    brm, bcp = (b"".join(map(frame_line, part)) for part in (frames[1:11], frames[12:17]))
    values, again = explain("reply", brm)
    assert again == brm
    assert (values["message"], values["battery_type"], values["capacity_ah"], values["voltage_v"]) == (
        "BRM", 3, 6.0, 750.0
    )  # fmt: skip
    values, again = explain("reply", bcp)
    assert again == bcp
    assert (values["charge_current_max_a"], values["soc"], values["voltage_v"]) == (120.0, 0.05, 430.0)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"S5\r", {"command": "bitrate", "bitrate": 250_000}),
        (b"O\r", {"command": "open"}),
        (b"V\r", {"command": "version"}),
        (b"V1013\r", {"reply": "version", "text": "1013"}),
        (b"\r", {"reply": "ok", "text": ""}),
        (b"\a", {"reply": "error", "text": ""}),
        (b"T1CEC56F48FFFFFFFFFF000200\r", {"transport": "abort", "group": 0x0200, "reason": 0xFF}),
        (b"T1CEC56F481031000707000200\r",
         {"transport": "rts", "group": 0x0200, "size": 49, "packets": 7, "limit": 7}),
    ],
    ids=repr,
)  # fmt: skip
def test_lines_that_are_no_messages_are_explained_too(line: bytes, said: dict[str, Any]) -> None:
    assert explain("request", line) == (said, line)


@pytest.mark.parametrize(
    "line",
    [
        b"", b"T181056F459411AC0D02", b"T181056F459411AC0D\r", b"T182756F43010203\r", b"T18FEEE0080011223344556677\r",
        b"T1CEC56F482031000707000200\r", b"T1CEC56F410\r", b"T1CEC56F4810FFFF0707000200\r",
        b"T1CEB56F4801\r\r", b"O\rC\r",
        # Lower case, and a CTS whose reserved bytes are not ones: understood, and not written so.
        b"T181056F459411ac0d02\r", b"T1CECF45681107010000000200\r",
    ],
    ids=repr,
)  # fmt: skip
def test_what_cannot_be_explained_is_a_bad_reply(line: bytes) -> None:
    with pytest.raises(BadReply):
        explain("reply", line)


def test_frames_that_make_no_whole_message_are_a_bad_reply() -> None:
    frames = [frame_line(frame) for _, frame in heard(HANDSHAKE)]
    for part in (frames[3:10], frames[1:9], [*frames[1:10], frames[9]], [frames[0], frames[11]]):
        with pytest.raises(BadReply):
            explain("reply", b"".join(part))


@settings(deadline=None)
@given(
    st.one_of(
        st.binary(max_size=120),
        st.lists(
            st.builds(
                lambda can_id, data: frame_line(CanFrame(can_id, data)),
                st.sampled_from([0x1CEC56F4, 0x1CEB56F4, 0x181056F4, 0x1C1656F4, 0x1801F456]),
                st.binary(max_size=8),
            ),
            max_size=5,
        ).map(b"".join),
    )
)
def test_any_bytes_are_explained_or_a_bad_reply(line: bytes) -> None:
    with suppress(BadReply):
        assert explain("reply", line).again == line


def test_values_for_people() -> None:
    values = message_values(Cst(states(CST_CAUSES, "manual")))
    assert (values["message"], values["causes"]) == ("CST", ("manual",))
