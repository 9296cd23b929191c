"""GB/T 27930 messages: real ones with their stated meaning, every field back again, and any bytes at all."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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
from packbench.wire.gbt27930.layout import LAYOUTS, decode_message, encode_message
from packbench.wire.gbt27930.messages import (
    BEM_CAUSES,
    BST_CAUSES,
    CEM_CAUSES,
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
    causes,
    states,
)

FF = "ff"
# (message, payload, what it says). Every row is of a real session unless it says otherwise; see gbt27930_trace.
STATED: list[tuple[type, str, dict[str, Any]]] = [
    (Chm, "010100", {"version_major": 1, "version_minor": 1}),
    (Bhm, "5713", {"voltage_max_v": 495.1}),
    (Bhm, "d80f", {"voltage_max_v": 405.6}),
    (Crm, "00ffffffffffffff", {"state": 0, "charger_number": None, "region": None}),
    (Crm, "aaffffffffffffff", {"state": 0xAA, "charger_number": None, "region": None}),
    (Crm, "0000000000554120", {"state": 0, "charger_number": 0, "region": "UA "}),
    (
        Brm,
        "010100033c004c1d" + FF * 41,
        {
            "version_major": 1,
            "version_minor": 1,
            "battery_type": 3,
            "capacity_ah": 6.0,
            "voltage_v": 750.0,
            "maker": None,
            "serial": None,
            "made_year": None,
            "charges": None,
            "owned": None,
            "vin": None,
            "software": None,
            "length": 49,
        },
    ),
    (Brm, "0101000608078a0d4341544c" + FF * 37, {"battery_type": 6, "capacity_ah": 180.0, "maker": "CATL"}),
    # The 2011 edition: 41 bytes, version 1.0.
    (
        Brm,
        "000100060603600c" + FF * 33,
        {"version_major": 1, "version_minor": 0, "capacity_ah": 77.4, "voltage_v": 316.8, "length": 41},
    ),
    (
        Bcp,
        "f401f00ab0048813aa3200cc10",
        {
            "cell_voltage_max_v": 5.0,
            "charge_current_max_a": 120.0,
            "energy_wh": 120_000.0,
            "voltage_max_v": 500.0,
            "temperature_max_c": 120.0,
            "soc": 0.05,
            "voltage_v": 430.0,
        },
    ),
    (
        Bcp,
        "a101d0077a02d80f695701900d",
        {
            "cell_voltage_max_v": 4.17,
            "charge_current_max_a": 200.0,
            "energy_wh": 63_400.0,
            "voltage_max_v": 405.6,
            "temperature_max_c": 55.0,
            "soc": 0.343,
            "voltage_v": 347.2,
        },
    ),
    (Cts, FF * 7, {"clock": None}),
    (Cts, "00000809071514", {"clock": bytes.fromhex("00000809071514")}),
    (
        Cml,
        "8813d007f00a780f",
        {"voltage_max_v": 500.0, "voltage_min_v": 200.0, "current_max_a": 120.0, "current_min_a": 4.0, "length": 8},
    ),
    (Cml, "8813d007f00a", {"current_max_a": 120.0, "current_min_a": None, "length": 6}),
    (Cml, "9411d007f00a9a0f", {"voltage_max_v": 450.0, "current_min_a": 0.6}),
    (Bro, "aa", {"state": 0xAA}),
    (Cro, "00", {"state": 0}),
    (Bcl, "9411ac0d02", {"voltage_demand_v": 450.0, "current_demand_a": 50.0, "mode": 2}),
    (Bcl, "d80fd00702", {"voltage_demand_v": 405.6, "current_demand_a": 200.0, "mode": 2}),
    (
        Bcs,
        "b710a00f7271050a00",
        {
            "voltage_v": 427.9,
            "current_a": 0.0,
            "cell_voltage_max_v": 3.7,
            "cell_group": 7,
            "soc": 0.05,
            "remaining_s": 600.0,
        },
    ),
    (Bcs, "9611a00f7271060a00", {"voltage_v": 450.2, "soc": 0.06}),
    # Charging with 115.4 A; and 2.5 A flowing out of the pack while the charger pauses.
    (Bcs, "de0d1e0b7341235400", {"voltage_v": 355.0, "current_a": 115.4, "cell_voltage_max_v": 3.71, "cell_group": 4}),
    (Bcs, "900db90f6901225600", {"current_a": -2.5, "cell_voltage_max_v": 3.61, "cell_group": 0, "soc": 0.34}),
    (
        Ccs,
        "3a11a00f0000fc",
        {"voltage_v": 441.0, "current_a": 0.0, "elapsed_s": 0.0, "permit": 0, "unused": 0x3F, "length": 7},
    ),
    (Ccs, "a811a00f0000fd", {"voltage_v": 452.0, "permit": 1}),
    # A charger that leaves unused bits at 0, and one of 2011 that has none of byte 7.
    (Ccs, "ca0d0e0b010001", {"voltage_v": 353.0, "current_a": 117.0, "elapsed_s": 60.0, "permit": 1, "unused": 0}),
    (Ccs, "7a0d920f0000", {"voltage_v": 345.0, "current_a": 1.4, "permit": None, "length": 6}),
    (
        Bsm,
        "015501530200d0",
        {
            "cell_max_number": 2,
            "temperature_max_c": 35.0,
            "temperature_max_number": 2,
            "temperature_min_c": 33.0,
            "temperature_min_number": 3,
            "cell_voltage": 0,
            "soc": 0,
            "over_current": 0,
            "over_temperature": 0,
            "insulation": 0,
            "connector": 0,
            "permit": 1,
            "unused": 3,
        },
    ),
    (Bsm, "494f034d1a00d0", {"cell_max_number": 74, "temperature_max_c": 29.0, "temperature_min_c": 27.0}),
    (Bsm, "2d460145050010", {"cell_max_number": 46, "temperature_max_c": 20.0, "permit": 1, "unused": 0}),
    # By hand: cell too low, over-temperature not to be trusted, insulation faulty, charging forbidden.
    (
        Bsm,
        "ffffff00018201",
        {
            "cell_max_number": None,
            "temperature_max_c": None,
            "temperature_min_c": -50.0,
            "cell_voltage": 2,
            "over_temperature": 2,
            "insulation": 1,
            "permit": 0,
            "unused": 0,
        },
    ),
    # By hand: 3.65 V in group 1, 3.31 V in group 0, a cell that is not measured, one without a group.
    (Bmv, "6d114b01ffff4bf1", {"cell_voltages_v": (3.65, 3.31, None, 3.31), "groups": (1, 0, None, None)}),
    (Bmt, "4b32ff", {"temperatures_c": (25.0, 0.0, None)}),
    (Bsp, "0102ff", {"data": b"\x01\x02\xff"}),
    (Bst, "00000000", {"states": (0,) * 14, "unused": 0}),
    (Cst, "0400f0f0", {"states": (0, 1) + (0,) * 10, "unused": 0xF0F00000}),
    (
        Bsd,
        "06f401d0073264",
        {
            "soc": 0.06,
            "cell_voltage_min_v": 5.0,
            "cell_voltage_max_v": 20.0,
            "temperature_min_c": 0.0,
            "temperature_max_c": 50.0,
        },
    ),
    (Csd, "00000000ffffffff", {"elapsed_s": 0.0, "energy_wh": 0.0, "charger_number": None}),
    (Bem, "f4f0f0fc", {"states": (0, 1, 0, 0, 0, 0, 0), "unused": 0xFCF0F0F0}),
    (Bem, "f0f1f0fc", {"states": (0, 0, 1, 0, 0, 0, 0)}),
    # By hand: BCL timed out.
    (Cem, "fcf0c4fc", {"states": (0, 0, 0, 0, 1, 0, 0), "unused": 0xFCC0F0FC}),
]


@pytest.mark.parametrize(
    ("kind", "payload", "said"), STATED, ids=lambda item: getattr(item, "__name__", str(item)[:26])
)
def test_messages_say_what_is_stated_and_come_back_byte_for_byte(
    kind: type, payload: str, said: dict[str, Any]
) -> None:
    message = decode_message(kind, bytes.fromhex(payload))
    assert {name: getattr(message, name) for name in said} == said
    assert encode_message(message).hex() == payload


def test_every_message_is_in_the_table_above() -> None:
    assert {kind for kind, _, _ in STATED} == set(KINDS) == set(LAYOUTS)


def test_causes_have_names() -> None:
    assert causes(decode_message(Cst, bytes.fromhex("0400f0f0"))) == ("manual",)
    assert causes(decode_message(Bem, bytes.fromhex("f4f0f0fc"))) == ("crm_aa",)
    assert causes(decode_message(Bem, bytes.fromhex("f0f1f0fc"))) == ("cts_cml",)
    assert encode_message(Bst(states(BST_CAUSES, "soc_reached", "other_fault", "voltage_abnormal"))).hex() == "010040f4"
    assert encode_message(Cem(states(CEM_CAUSES, "brm", "bsd"))).hex() == "fdf0c0fd"
    assert encode_message(Cst(states(CST_CAUSES, "current_mismatch"))).hex() == "0000f0f1"
    assert encode_message(Bem(states(BEM_CAUSES, "crm_00"))).hex() == "f1f0f0fc"
    with pytest.raises(ValueError, match="soc_reached"):
        states(CST_CAUSES, "soc_reached")


def test_the_two_socs_have_different_steps() -> None:
    """0.1 % in BCP, 1 % in BCS and BSD."""
    bcp = decode_message(Bcp, bytes.fromhex("f401f00ab0048813aa3200cc10"))
    bcs = decode_message(Bcs, bytes.fromhex("b710a00f7271320a00"))
    assert (bcp.soc, bcs.soc) == (0.05, 0.5)


def test_charging_is_negative_on_the_wire_and_positive_here() -> None:
    bcl = encode_message(Bcl(450.0, 50.0, 2))
    assert int.from_bytes(bcl[2:4], "little") == 3500 == 4000 - 500


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        (Chm, (2, 4)), (Bhm, (1, 3)), (Crm, (7,)), (Brm, (40, 42, 48, 50)), (Bcp, (12, 14)), (Cts, (6, 8)),
        (Cml, (5, 7)), (Bro, (0, 2)), (Cro, (0, 2)), (Bcl, (4, 8)), (Bcs, (8, 10)), (Ccs, (5, 9)), (Bsm, (6, 8)),
        (Bmv, (0, 3, 514)), (Bmt, (0, 129)), (Bsp, (0, 17)), (Bst, (3, 5)), (Cst, (3,)), (Bsd, (6, 8)), (Csd, (7,)),
        (Bem, (3, 5)), (Cem, (3, 5)),
    ],
    ids=lambda item: getattr(item, "__name__", ""),
)  # fmt: skip
def test_wrong_lengths_are_refused(kind: type, sizes: tuple[int, ...]) -> None:
    for size in sizes:
        with pytest.raises(BadReply, match="expected"):
            decode_message(kind, bytes(size))


@settings(deadline=None)
@given(st.sampled_from(sorted(LAYOUTS, key=lambda kind: kind.__name__)), st.data())
def test_every_payload_of_a_right_length_comes_back(kind: type, data: st.DataObject) -> None:
    lengths = LAYOUTS[kind].lengths
    size = data.draw(st.sampled_from(list(lengths)))
    payload = data.draw(st.binary(min_size=size, max_size=size))
    message = decode_message(kind, payload)
    assert encode_message(message) == payload
    assert decode_message(kind, encode_message(message)) == message


@pytest.mark.parametrize(
    "message",
    [
        Bhm(-0.1), Bhm(6553.5), Bcl(450.0, 400.1, 2), Bcl(450.0, -6154.0, 2), Bro(256), Bmt((205.0,)), Bmt((-51.0,)),
        Bmv((40.95,), (0,)), Bmv((3.0,), (16,)), Cts(b"123"), Bsm(257, 0.0, 1, 0.0, 1), Ccs(1.0, 1.0, 1.0, 4),
        Crm(0xAA, region="four"), Bst((4,) + (0,) * 13), Bst((0,) * 14, unused=1),
    ],
    ids=repr,
)  # fmt: skip
def test_what_does_not_fit_is_not_sent(message: Any) -> None:
    with pytest.raises(ValueError, match=r"fit|bytes|outside"):
        encode_message(message)


def test_lengths_that_no_message_has_are_not_sent() -> None:
    with pytest.raises(ValueError, match="CCS of 5 bytes"):
        encode_message(Ccs(1.0, 1.0, 1.0, length=5))
    with pytest.raises(ValueError, match="expected 2 to 512"):
        encode_message(Bmv((), ()))


def test_a_shorter_form_leaves_out_what_it_has_no_room_for() -> None:
    long = Ccs(441.0, 0.0, 0.0)
    assert [encode_message(replace(long, length=size)).hex() for size in (6, 7, 8)] == [
        "3a11a00f0000", "3a11a00f0000fd", "3a11a00f0000fdff"
    ]  # fmt: skip


# ------------------------------------------------------------------------------ frames


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
