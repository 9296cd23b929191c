"""The JBD driver on its emulator: switches, settings and passwords, and what may be asked and written at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.jbd_bench import BASIC_4S, Bench, ask, stated, with_jbd
from tests.unit.wire_parts import PlainBms

from packbench.core.errors import BadReply
from packbench.wire.jbd import frames as jbd
from packbench.wire.jbd.frames import JbdRefused, JbdRequest, explain, read_register, reply_frame, write_register
from packbench_sim.devices.jbd import WRONG_PASSWORD, JbdDevice, Plate


def test_switching_moves_the_plant_and_later_reads() -> None:
    async def use(bench: Bench) -> None:
        await bench.bms.identify()
        await bench.bms.switch(charge=False, discharge=True)
        sample = await bench.bms.read()
        assert (sample.charge_limit_a, sample.discharge_limit_a) == (0.0, 100.0)
        assert sample.alarms == ("mos_software_lock",)
        await bench.bms.switch(charge=True, discharge=False)
        sample = await bench.bms.read()
        assert (sample.charge_limit_a, sample.discharge_limit_a) == (75.0, 0.0)
        await bench.bms.switch(charge=True, discharge=True)
        assert (await bench.bms.read()).alarms == ()
        assert bench.switched == [(False, True), (True, False), (True, True)]
        assert bench.device.factory is False

    with_jbd(use)


def test_a_switch_that_does_not_open_is_told() -> None:
    async def use(bench: Bench) -> None:
        def welded(_t_ns: int, data: bytes) -> bytes:
            return BASIC_4S if data[1] == jbd.BASIC else data

        bench.link.from_device = welded
        with pytest.raises(BadReply, match="discharging was switched off"):
            await bench.bms.switch(charge=True, discharge=False)

    with_jbd(use)


def test_a_pack_that_may_not_be_charged_has_its_charge_mosfet_off() -> None:
    async def use(bench: Bench) -> None:
        sample = await bench.bms.read()
        assert (sample.charge_limit_a, sample.alarms) == (0.0, ("cell_over_voltage",))

    with_jbd(use, part=stated(charge_limit_a=0.0, alarms=("cell_over_voltage",)))


def test_eeprom_writes_read_back_and_are_saved_or_forgotten() -> None:
    device = JbdDevice(stated())
    read, write = read_register(0x24), write_register(0x24, b"\x0e\x42")
    before = reply_frame(0x24, (3750).to_bytes(2, "big"))
    assert ask(device, jbd.enter_factory(), read)[1] == before
    assert ask(device, write, read) == [reply_frame(0x24), reply_frame(0x24, b"\x0e\x42")]
    ask(device, jbd.leave_factory(save=False), jbd.enter_factory())
    assert ask(device, read) == [before]
    ask(device, write, jbd.leave_factory(save=True), jbd.enter_factory())
    assert ask(device, read) == [reply_frame(0x24, b"\x0e\x42")]


def test_texts_have_a_length_of_their_own() -> None:
    device = JbdDevice(stated())
    ask(device, jbd.enter_factory())
    assert ask(device, write_register(0xA1, b"\x04Pack"), read_register(0xA1))[1] == reply_frame(0xA1, b"\x04Pack")
    assert ask(device, write_register(0xA1, b"\x09Pack")) == [reply_frame(0xA1, status=jbd.REFUSED)]


BAD = [
    read_register(0x24),
    read_register(0x77),
    write_register(0x24, b"\x0e\x42"),
    write_register(jbd.BASIC, b"\0\0"),
    write_register(jbd.FACTORY_ENTER, b"\x12\x34"),
    write_register(jbd.FETS, b"\0"),
]


@pytest.mark.parametrize("request_", BAD, ids=JbdRequest.describe)
def test_bad_requests_are_refused_or_not_answered(request_: JbdRequest) -> None:
    assert ask(JbdDevice(stated()), request_) == [reply_frame(request_.register, status=jbd.REFUSED)]
    assert ask(JbdDevice(stated(), Plate(on_bad="silent")), request_) == [b""]


def test_the_driver_tells_a_refusal_from_silence() -> None:
    async def use(bench: Bench) -> None:
        link = bench.bms._link
        with pytest.raises(JbdRefused) as refused:
            await link.exchange(read_register(0x24))
        assert refused.value.status == jbd.REFUSED

    with_jbd(use)


def test_a_password_opens_factory_mode() -> None:
    device = JbdDevice(stated(), Plate(password=b"333333"))
    wrong, right = (write_register(jbd.USE_PASSWORD, b"\x06" + word) for word in (b"000000", b"333333"))
    refused = reply_frame(jbd.FACTORY_ENTER, status=WRONG_PASSWORD)
    assert ask(device, jbd.enter_factory(), wrong, jbd.enter_factory()) == [
        refused,
        reply_frame(jbd.USE_PASSWORD, status=WRONG_PASSWORD),
        refused,
    ]
    assert ask(device, right, jbd.enter_factory()) == [reply_frame(jbd.USE_PASSWORD), reply_frame(jbd.FACTORY_ENTER)]


def test_a_written_remaining_capacity_moves_with_the_plant() -> None:
    part = stated(soc=0.5)
    device = JbdDevice(part, Plate(nominal_ah=100.0))
    ask(device, write_register(jbd.REMAINING, (8000).to_bytes(2, "big")))
    values = explain("reply", ask(device, read_register(jbd.BASIC))[0]).values
    assert (values["remaining_ah"], values["soc"]) == (80.0, 0.8)


def test_the_balance_test_closes_every_other_cell_until_factory_mode_is_left() -> None:
    device = JbdDevice(stated(6))
    ask(device, jbd.enter_factory(), write_register(jbd.BALANCE_TEST, b"\0\x02"))
    assert ask(device, read_register(jbd.BASIC))[0][16:20] == b"\0\x2a\0\0"
    ask(device, jbd.leave_factory(save=False))
    assert ask(device, read_register(jbd.BASIC))[0][16:20] == bytes(4)


def test_protections_are_counted_when_they_begin() -> None:
    part = PlainBms(4, 2)

    async def use(bench: Bench) -> None:
        for alarms in (("cell_over_voltage",), ("cell_over_voltage", "over_temperature"), (), ("cell_over_voltage",)):
            part.alarms = alarms
            await bench.bms.read()
        counts = await bench.bms.error_counts()
        # The pack is being discharged: its over-temperature is the discharge's.
        assert {name: count for name, count in counts.items() if count} == {
            "cell_over_voltage": 2,
            "discharge_over_temperature": 1,
        }

    with_jbd(use, part=part)


@given(
    st.lists(
        st.builds(
            JbdRequest,
            st.sampled_from([0x00, 0x01, 0x03, 0x06, 0x24, 0xA1, 0xAA, 0xE0, 0xE1, 0xE2]) | st.integers(0, 255),
            st.booleans(),
            st.binary(max_size=8),
        )
        | st.just(jbd.enter_factory()),
        max_size=12,
    )
)
def test_whatever_is_asked_and_written_it_can_be_read(requests: list[JbdRequest]) -> None:
    device = JbdDevice(stated(16))
    ask(device, *requests)
    assert explain("reply", ask(device, read_register(jbd.BASIC))[0]).values["cell_count"] == 16
