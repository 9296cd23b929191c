"""The Daly Modbus drivers (D2, 0x81) on their emulators in virtual time, and both against the golden frames."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.daly_bench import D2, MS, P81, SECOND, Bench, array, stated, with_daly

from packbench.core.errors import BadReply, DeviceRefused, ReplyTimeout
from packbench.core.samples import Quality
from packbench.maps.schema import DeviceType
from packbench.transport.link import Timing
from packbench.wire.modbus import ModbusCodec, rtu_frame, write_register
from packbench_sim.devices.daly_modbus import DalyModbusDevice


def d2_golden() -> list[tuple[str, bytes, bytes]]:
    return [(item.source, item.request, item.reply) for item in D2.golden]


def test_d2_golden_replies_come_out_byte_for_byte() -> None:
    (_, one, one_reply), (_, echo, echo_reply), (_, many, many_reply), mock, cells_24, blue = d2_golden()
    # The sheet's examples write over a cell's voltage and read it back.
    board = DalyModbusDevice(D2, stated(), takes_any_write=True)
    assert board.on_bytes(0, echo) == echo_reply
    assert board.on_bytes(0, one) == one_reply
    assert board.on_bytes(0, many) == many_reply
    assert board.on_bytes(0, rtu_frame(0xD2, bytes.fromhex("03000c0002")))[3:7] == bytes.fromhex("00010002")
    for asked in (echo, many):
        assert DalyModbusDevice(D2, stated()).on_bytes(0, asked) == rtu_frame(0xD2, bytes((asked[1] | 0x80, 2)))
    board = DalyModbusDevice(
        D2,
        stated(
            cell_voltages_v=array(4.127, 4.137, 4.147, 4.157), temperatures_c=array(20, 21, 22, 23), voltage_v=14.0,
            current_a=3.0, soc=0.9, soh=1.0, cycles=57, balancing=True,
        ),
        rated_ah=384.0,
        fixed={
            "temperature_max_c": -40, "temperature_min_c": -40, "activity": 0, "charging_allowed": 0,
            "cell_average_v": 4.142, "cell_spread_v": 0.321,
        },
    )  # fmt: skip
    assert board.on_bytes(0, mock[1]) == mock[2]
    cells = [3.292] * 24
    cells[1], cells[6], cells[14], cells[21] = 3.291, 3.294, 3.294, 3.294
    board = DalyModbusDevice(
        D2,
        stated(
            cell_voltages_v=array(*cells), temperatures_c=array(16, 14, 16, 16), voltage_v=79.0, soc=0.333, soh=1.0,
            cycles=0,
        ),
        rated_ah=104.5 / 0.333,
    )  # fmt: skip
    assert board.on_bytes(0, cells_24[1]) == cells_24[2]
    cells = [3.283] * 16
    cells[0], cells[1], cells[5] = 3.281, 3.282, 3.282
    board = DalyModbusDevice(
        D2,
        stated(
            cell_voltages_v=array(*cells), temperatures_c=array(13, 13, 13, 13), voltage_v=52.5, current_a=-2.5,
            soc=0.561, soh=1.0, cycles=60,
        ),
        rated_ah=210.0,
        fixed={"cell_average_v": 3.282, "mos_temperature_c": 15, "board_temperature_c": -40},
    )  # fmt: skip
    assert board.on_bytes(0, blue[1]) == blue[2]


def test_p81_golden_replies_come_out_byte_for_byte_from_another_address() -> None:
    cells, status = P81.golden
    mv = [3316, 3312, 3315, 3314, 3315, 3313, 3315, 3315, 3312, 3315, 3315, 3316, 3315, 3315, 3315, 3317]
    raw_5c = [0, 0, 0xFFFF, 0, 30000, 0x1A06, 0x0214, 0x0221, 0x0B4B, 0x0402, 0, 0, 128, 0, 0x74BE, 17, 0x035F]
    board = DalyModbusDevice(
        P81,
        stated(
            cell_voltages_v=array(*mv) / 1000, temperatures_c=array(22, 22, 22, 22), voltage_v=53.0, current_a=-8.9,
            soc=0.864, soh=1.0, cycles=7,
        ),
        rated_ah=271.2 / 0.864,
        alive=0xB6,
        fixed={
            "cell_min_index": 9, "temperature_max_index": 4, "balance_state": 7, "cell_average_v": 3.314,
            "power_w": 471, "mos_temperature_c": 24, "board_temperature_c": 30, "raw_5c": raw_5c,
            "raw_6f": [0, 128, 0, 0, 0, *[0xFFFF] * 8, 0x00FF, 0xFFFF, 2],
        },
    )  # fmt: skip
    assert cells.reply[0] == status.reply[0] == 0x51
    assert board.on_bytes(0, cells.request) == cells.reply
    assert board.on_bytes(0, status.request) == status.reply


@pytest.mark.parametrize(
    ("device", "requests"),
    [(D2, ["d2030000003ed7b9"]), (P81, ["8103000000405bfa", "81030041003e8bce"])],
    ids=["d2", "p81"],
)
def test_modbus_reads_what_was_stated_in_the_app_s_own_requests(device: DeviceType, requests: list[str]) -> None:
    part = stated(
        cell_voltages_v=array(*[3.3 + 0.001 * n for n in range(16)]), temperatures_c=array(-7.0, 22.0),
        voltage_v=52.9, current_a=-40.1, soc=0.376, cycles=1234,
    )  # fmt: skip

    async def use(bench: Bench) -> None:
        identity = await bench.bms.identify()
        assert (identity.model, identity.firmware) == ("DALY 16S", "1.2.3")
        bench.sent.clear()
        sample = await bench.bms.read()
        assert bench.sent == requests
        assert sample.cell_voltages_v.tolist() == [round(3.3 + 0.001 * n, 3) for n in range(16)]
        assert sample.temperatures_c == (-7.0, 22.0)
        assert (sample.voltage_v, sample.current_a, sample.soc, sample.cycles) == (52.9, -40.1, 0.376, 1234)
        assert (sample.soh, sample.charge_limit_a, sample.discharge_limit_a) == (None, None, None)
        assert sample.balancing is (False if device is D2 else None), "the p81's register says things nobody lists"
        assert sample.quality is Quality.GOOD

    with_daly(device, DalyModbusDevice(device, part, model="DALY 16S", firmware="1.2.3"), use)


def test_p81_a_driver_that_waits_for_0x81_hears_nothing() -> None:
    async def use(bench: Bench) -> None:
        with pytest.raises(ReplyTimeout):
            await bench.bms.read()
        assert bench.port.stats.counters.foreign_frames > 0

    with_daly(replace(P81, reply_unit_offset=0), DalyModbusDevice(P81, stated()), use)


@pytest.mark.parametrize("device", [D2, P81], ids=["d2", "p81"])
@pytest.mark.parametrize("current_a", [-8.9, 8.9])
def test_modbus_the_sign_is_an_option_and_a_wrong_one_is_no_reading(device: DeviceType, current_a: float) -> None:
    async def right(bench: Bench) -> None:
        assert (await bench.bms.read()).current_a == current_a

    async def wrong(bench: Bench) -> None:
        with pytest.raises(BadReply, match="raw_above_30000"):
            await bench.bms.read()

    as_documented = {"raw_above_30000": "discharge"}
    with_daly(device, DalyModbusDevice(device, stated(current_a=current_a)), right)
    board = DalyModbusDevice(device, stated(current_a=current_a), raised="discharge")
    with_daly(device, board, right, settings=as_documented)
    with_daly(device, board, wrong)
    with_daly(device, DalyModbusDevice(device, stated(current_a=current_a)), wrong, settings=as_documented)


def test_modbus_no_current_is_not_minus_no_current() -> None:
    async def use(bench: Bench) -> None:
        assert str((await bench.bms.read()).current_a) == "0.0"

    board = DalyModbusDevice(D2, stated(), raised="discharge")
    with_daly(D2, board, use, settings={"raw_above_30000": "discharge"})


def test_captured_discharges_read_as_discharges() -> None:
    """The "blue" board and the p81 with the answers that were captured of them, and their drivers' own options."""
    blue = D2.golden[5].reply[3:-2]
    p81 = {item.request: item.reply for item in P81.golden}

    async def d2(bench: Bench) -> None:
        bench.link.from_device = lambda _t_ns, _said: rtu_frame(0xD2, b"\x03\x7c" + blue[:124])
        assert (await bench.bms.read()).current_a == -2.5

    async def captured(bench: Bench) -> None:
        asked: list[bytes] = []
        bench.link.to_device = lambda _t_ns, sent: asked.append(sent) or sent
        bench.link.from_device = lambda _t_ns, _said: p81[asked[-1]]
        sample = await bench.bms.read()
        assert (sample.current_a, sample.cycles, sample.temperatures_c) == (-8.9, 7, (22.0,) * 4)

    with_daly(D2, DalyModbusDevice(D2, stated()), d2)
    with_daly(P81, DalyModbusDevice(P81, stated()), captured)


@pytest.mark.parametrize(
    ("registers", "alarms"),
    [
        # The first six: syssi/esphome-daly-bms, tests/esp32-ble-alarms-faker.yaml; the next two: its pull request 20.
        ("0100 0000 0000 0000", ("charge_over_temperature_warning",)),
        ("0001 0000 0000 0000", ("cell_over_voltage_warning",)),
        ("0000 0100 0000 0000", ("cell_spread_warning",)),
        ("0000 0001 0000 0000", ("charge_over_current_warning",)),
        ("0000 0000 0100 0000", ("measuring_chip",)),
        ("0000 0000 0001 0000", ("charge_mos_over_temperature",)),
        ("0000 0800 0000 0000", ("temperature_spread",)),
        ("0000 0c00 0000 0000", ("temperature_spread_warning", "temperature_spread")),
        ("1000 0000 0000 0014", ("discharge_over_temperature_warning", "short_circuit", "faults_bit_20")),
        ("0000 1000 0000 0000", ("alarms_bit_28",)),
    ],
)
def test_d2_alarm_registers(registers: str, alarms: tuple[str, ...]) -> None:
    async def use(bench: Bench) -> None:
        def alarmed(_t_ns: int, said: bytes) -> bytes:
            return rtu_frame(0xD2, said[1:3] + said[3:119] + bytes.fromhex(registers))

        bench.link.from_device = alarmed
        assert (await bench.bms.read()).alarms == alarms

    with_daly(D2, DalyModbusDevice(D2, stated()), use)


def test_modbus_emulators_never_swallow_an_alarm() -> None:
    for device, alarm, shown in (
        (D2, "cell_spread", ("cell_spread",)),
        (D2, "over_temperature", ("charge_over_temperature", "discharge_over_temperature")),
        (D2, "contactor_fault", ("internal_communication",)),
        (P81, "contactor_fault", ("alarms_bit_0",)),
    ):

        async def use(bench: Bench, shown: tuple[str, ...] = shown) -> None:
            assert (await bench.bms.read()).alarms == shown

        with_daly(device, DalyModbusDevice(device, stated(alarms=(alarm,))), use)


def test_p81_a_counter_that_stands_still_makes_an_old_sample() -> None:
    async def use(bench: Bench) -> None:
        first = await bench.bms.read()
        await bench.wait(2 * SECOND)
        second = await bench.bms.read()
        assert second.t_ns > first.t_ns + 2 * SECOND
        frozen = {item.request: item.reply for item in P81.golden}
        asked: list[bytes] = []
        bench.link.to_device = lambda _t_ns, sent: asked.append(sent) or sent
        bench.link.from_device = lambda _t_ns, _said: frozen[asked[-1]]
        old = await bench.bms.read()
        await bench.wait(5 * SECOND)
        assert (await bench.bms.read()).t_ns == old.t_ns

    with_daly(P81, DalyModbusDevice(P81, stated()), use)


def test_d2_reads_beyond_the_app_s_may_get_silence_and_are_not_needed() -> None:
    beyond = rtu_frame(0xD2, bytes.fromhex("03003e0009"))
    board = DalyModbusDevice(D2, stated(), answers_beyond=False)
    assert board.on_bytes(0, beyond) == b""
    assert len(DalyModbusDevice(D2, stated()).on_bytes(0, beyond)) == 5 + 18

    async def use(bench: Bench) -> None:
        await bench.bms.identify()
        assert (await bench.bms.read()).cell_voltages_v.size == 16

    with_daly(D2, board, use)
    with_daly(P81, DalyModbusDevice(P81, stated(), answers_beyond=False), use)


def test_d2_the_vendor_s_write_without_a_byte_count_is_no_request() -> None:
    assert DalyModbusDevice(D2, stated()).on_bytes(0, bytes.fromhex("d210000c0002000100027d65")) == b""


def test_d2_writes_change_later_readings_and_a_p81_takes_none() -> None:
    switched: list[tuple[bool, bool]] = []
    part = stated(soc=0.5)
    board = DalyModbusDevice(D2, part, switches=lambda _t_ns, *state: switched.append(state))
    fields = D2.fields

    async def use(bench: Bench) -> None:
        timing = Timing(SECOND, 0, 20 * MS)
        link = bench.port.link(ModbusCodec("rtu", bench.port.counters), timing)
        await link.exchange(write_register(0xD2, fields["charge_switch"].address, 0))
        sample = await bench.bms.read()
        assert (sample.charge_limit_a, sample.discharge_limit_a) == (0.0, None)
        await link.exchange(write_register(0xD2, fields["discharge_switch"].address, 0))
        await link.exchange(write_register(0xD2, fields["charge_switch"].address, 1))
        sample = await bench.bms.read()
        assert (sample.charge_limit_a, sample.discharge_limit_a) == (None, 0.0)
        assert switched == [(False, True), (False, False), (True, False)]
        assert sample.soc == 0.5
        await link.exchange(write_register(0xD2, fields["soc_setting"].address, 820))
        assert (await bench.bms.read()).soc == 0.82
        await link.exchange(write_register(0xD2, fields["rated_ah"].address, 2800))
        assert board.on_bytes(0, rtu_frame(0xD2, bytes.fromhex("0300800001")))[3:5] == (2800).to_bytes(2, "big")
        assert switched == [(False, True), (False, False), (True, False)], "and nothing else was switched"

    with_daly(D2, board, use)
    p81 = DalyModbusDevice(P81, part)
    for address in (0x127, 0x178, 0):
        frame = rtu_frame(0x81, b"\x06" + address.to_bytes(2, "big") + b"\x00\x01")
        assert p81.on_bytes(0, frame) == rtu_frame(0x51, b"\x86\x02")


def test_modbus_more_than_a_board_can_say_does_not_bring_the_emulator_down() -> None:
    part = stated(
        cells=96, sensors=20, temperatures_c=array(*[-60.0] * 20), voltage_v=400.0, current_a=-300.0,
    )  # fmt: skip
    for device, count in ((D2, 32), (P81, 48)):

        async def use(bench: Bench, count: int = count) -> None:
            sample = await bench.bms.read()
            assert (sample.cell_voltages_v.size, len(sample.temperatures_c)) == (count, 8)

        with_daly(device, DalyModbusDevice(device, part), use)


def test_modbus_a_refusal_is_the_board_s_own() -> None:
    async def use(bench: Bench) -> None:
        refusal = rtu_frame(0xD2, b"\x83\x02")
        bench.link.from_device = lambda _t_ns, _said: refusal
        with pytest.raises(DeviceRefused, match="no such address"):
            await bench.bms.read()

    with_daly(D2, DalyModbusDevice(D2, stated()), use)
