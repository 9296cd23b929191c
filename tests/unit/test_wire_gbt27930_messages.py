"""GB/T 27930 messages: real ones with their stated meaning, and every field back again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.gbt27930_stated import STATED

from packbench.core.errors import BadReply
from packbench.wire.gbt27930.frames import KINDS
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
