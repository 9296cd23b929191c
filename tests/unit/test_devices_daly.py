"""Daly drivers on their emulators, byte by byte in virtual time, and each of them against the golden frames."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from tests.unit.golden import golden_frames
from tests.unit.wire_parts import PlainBms, device_map

from packbench.core.errors import BadReply, DeviceRefused, InputError, ReplyTimeout
from packbench.core.samples import Quality
from packbench.drivers.daly_current import check_direction
from packbench.drivers.factory import Wanted, make_driver
from packbench.maps.schema import DeviceType
from packbench.run.port import Port
from packbench.transport.link import Timing
from packbench.wire.daly import a5_data as data
from packbench.wire.daly.a5 import read, reply_frame, request_frame, write
from packbench.wire.modbus import ModbusCodec, rtu_frame, write_register
from packbench_sim.devices.bus import BusDevices
from packbench_sim.devices.daly_a5 import DalyA5Device
from packbench_sim.devices.daly_modbus import DalyModbusDevice
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.parts import WireDevice
from packbench_sim.stated import StatedBms
from packbench_sim.wire import MemoryLink

MS = 1_000_000
SECOND = 1_000_000_000
BYTE_TIME_9600_NS = 1_041_667
A5, D2, P81 = device_map("daly-a5"), device_map("daly-d2"), device_map("daly-p81")
CAPTURE = [item.frame for item in golden_frames("daly_a5") if item.direction == "reply"]
"""In file order: 90, 91, 92, 93, 94, 96, 95 (frames 1 and 3), 90 and 94 of another board, the document's 90."""


def stated(cells: int = 16, sensors: int = 4, **values: Any) -> StatedBms:
    return StatedBms(PlainBms(cells, sensors), {"current_a": 0.0, **values})


def array(*values: float) -> Any:
    return np.array(values)


@dataclass(slots=True, eq=False)
class Bench:
    """A driver, the line to the emulator at its other end, and what went over it."""

    bms: Any
    clock: VirtualClock
    link: MemoryLink
    port: Port
    sent: list[str] = field(default_factory=list)

    async def wait(self, ns: int) -> None:
        await self.clock.sleep_until(self.clock.now_ns() + ns)


def with_daly(
    device_type: DeviceType,
    device: WireDevice,
    use: Callable[[Bench], Awaitable[None]],
    *,
    settings: dict[str, Any] | None = None,
    unit: int | None = None,
) -> None:
    async def main(clock: VirtualClock) -> None:
        link = MemoryLink(asyncio.get_running_loop(), device, clock, byte_time_ns=BYTE_TIME_9600_NS)
        port = Port(link, clock)
        number = device_type.unit if unit is None else unit
        wanted = Wanted(device_type, number, "pty", port, device_type.line.reply_timeout_ns, settings or {})
        bench = Bench(make_driver(wanted), clock, link, port)

        def heard(_t_ns: int, sent: bytes) -> bytes:
            bench.sent.append(sent.hex())
            return sent

        link.to_device = heard
        await use(bench)
        port.close()

    run_virtual(main)


# --------------------------------------------------------------- A5: emulator


def captured_board() -> DalyA5Device:
    """The board of diysolarforum 21898: cells that the capture does not show lie between its extremes."""
    cells = [3.776, 3.778, 3.783, 3.779, 3.784, 3.779, 3.778, 3.778, 3.740, 3.778, 3.778, 3.778, 3.778, 3.778]
    part = stated(cell_voltages_v=array(*cells), temperatures_c=array(21.0), voltage_v=52.8, soc=0.5, soh=1.0, cycles=0)
    return DalyA5Device(part, rated_ah=40.0, io_bits=2, life=16)


def test_the_captured_sequence_comes_out_byte_for_byte_leftovers_included() -> None:
    board = captured_board()
    replies = [board.on_bytes(0, request_frame(read(command))) for command in range(0x90, 0x97)]
    assert replies[:5] == CAPTURE[:5]
    assert replies[6] == CAPTURE[5]
    cells = [replies[5][at : at + 13] for at in range(0, len(replies[5]), 13)]
    assert len(cells) == 5
    assert (cells[0], cells[2]) == (CAPTURE[6], CAPTURE[7])


def test_leftovers_are_those_of_the_reply_before_whatever_it_was() -> None:
    board = captured_board()
    first = board.on_bytes(0, request_frame(read(data.CELL_RANGE)))
    assert first[10:12] == b"\0\0", "nothing was sent before"
    board.on_bytes(0, request_frame(read(data.PACK)))
    assert board.on_bytes(0, request_frame(read(data.CELL_RANGE))) == CAPTURE[1]


def test_replies_of_the_other_captures_come_out_byte_for_byte() -> None:
    part = stated(cells=4, sensors=2, voltage_v=13.3, soc=0.484, soh=1.0, cycles=0)
    # What is left over in byte 7 is the low byte of a remaining charge: 67 mAh.
    board = DalyA5Device(part, rated_ah=0.067 / 0.484)
    assert board.on_bytes(0, request_frame(read(data.PACK))) == CAPTURE[8]
    board.on_bytes(0, request_frame(read(data.STATE)))
    assert board.on_bytes(0, request_frame(read(data.STATUS))) == CAPTURE[9]
    part = stated(voltage_v=76.4, current_a=-11.3, soc=0.0)
    assert DalyA5Device(part).on_bytes(0, request_frame(read(data.PACK))) == CAPTURE[10]


def test_whatever_is_no_whole_request_to_this_board_gets_silence() -> None:
    board = captured_board()
    good = request_frame(read(data.PACK))
    broken = bytearray(good)
    broken[-1] ^= 1
    for heard in (broken, good[:-1] + b"\0", CAPTURE[0], request_frame(read(data.PACK, board=2)), b"\xa5\x40"):
        assert board.on_bytes(0, bytes(heard)) == b"", heard.hex()
    assert board.on_bytes(0, request_frame(read(0x5A))) == b"", "no board knows this command"
    assert board.on_bytes(0, good) == CAPTURE[0], "and what was heard before does no harm"


def test_uart_hosts_get_every_frame_and_rs485_hosts_those_with_cells() -> None:
    for host, all_frames, cells, sensors in ((0x40, None, 5, 1), (0x80, None, 16, 3), (0x40, True, 16, 3)):
        board = captured_board()
        board._all_frames = all_frames
        reply = board.on_bytes(0, request_frame(read(data.CELLS, host=host)))
        assert [reply[at + 4] for at in range(0, len(reply), 13)] == list(range(1, cells + 1))
        assert len(board.on_bytes(0, request_frame(read(data.TEMPERATURES, host=host)))) == 13 * sensors


def test_a_pack_that_no_board_could_serve_does_not_bring_the_emulator_down() -> None:
    part = stated(
        cells=96, sensors=20, temperatures_c=array(*[-60.0] * 20), voltage_v=-0.5, alarms=("contactor_fault",)
    )
    board = DalyA5Device(part)
    for command in (*range(0x90, 0x99), 0x50, 0x53, 0x57):
        assert len(board.on_bytes(0, request_frame(read(command)))) % 13 == 0
    status = data.decode_status(board.on_bytes(0, request_frame(read(data.STATUS)))[4:12])
    assert (status.cells, status.sensors) == (48, 16)


# ----------------------------------------------------------------- A5: driver


def test_a5_reads_what_was_stated_and_asks_in_the_captured_words() -> None:
    cells = np.linspace(3.201, 3.216, 16).round(3)
    part = stated(
        cell_voltages_v=cells, temperatures_c=array(-5.0, 0.0, 21.0, 40.0), voltage_v=51.3, current_a=-12.3, soc=0.43,
        cycles=321, alarms=("cell_under_voltage", "short_circuit"), balancing=True,
    )  # fmt: skip

    async def use(bench: Bench) -> None:
        identity = await bench.bms.identify()
        assert (identity.model, identity.serial) == (A5.title, "PACK 7 of 9")
        started_ns = bench.clock.now_ns()
        sample = await bench.bms.read()
        assert sample.cell_voltages_v.tolist() == cells.tolist()
        assert (sample.cell_min_index, sample.cell_max_index) == (1, 16)
        assert sample.temperatures_c == (-5.0, 0.0, 21.0, 40.0)
        assert (sample.voltage_v, sample.current_a, sample.soc, sample.cycles) == (51.3, -12.3, 0.43, 321)
        assert sample.alarms == ("cell_under_voltage", "short_circuit")
        assert (sample.balancing, sample.charge_limit_a, sample.discharge_limit_a) == (True, None, None)
        assert (sample.soh, sample.quality) == (None, Quality.GOOD)
        # The instant is the oldest answer's: one request and one reply of 13 bytes after the start, and the gap.
        assert sample.t_ns - started_ns == pytest.approx(47 * MS, abs=2 * MS)
        golden = {item.frame.hex() for item in golden_frames("daly_a5") if item.direction == "request"}
        extremes = {request_frame(read(command)).hex() for command in (data.CELL_RANGE, data.TEMPERATURE_RANGE)}
        assert golden - extremes <= set(bench.sent), "0x91 and 0x92 say nothing that 0x95 and 0x96 do not"

    with_daly(A5, DalyA5Device(part, code="PACK 7 of 9"), use)


def test_a5_a_discharge_reads_negative_and_a_charge_positive() -> None:
    for current_a in (-30.0, 30.0):

        async def use(bench: Bench, current_a: float = current_a) -> None:
            assert (await bench.bms.read()).current_a == current_a

        with_daly(A5, DalyA5Device(stated(current_a=current_a)), use)
        board = DalyA5Device(stated(current_a=current_a), raised="charge")
        with_daly(A5, board, use, settings={"raw_above_30000": "charge"})


@pytest.mark.parametrize("current_a", [-8.9, 8.9])
def test_a5_a_sign_that_contradicts_the_board_s_state_is_no_reading(current_a: float) -> None:
    async def use(bench: Bench) -> None:
        with pytest.raises(BadReply, match="raw_above_30000"):
            await bench.bms.read()

    with_daly(A5, DalyA5Device(stated(current_a=current_a), raised="charge"), use)


def test_a_small_current_may_contradict_the_state_of_a_moment_ago() -> None:
    check_direction(data.DISCHARGING, 0.9)
    check_direction(data.CHARGING, -0.9)
    check_direction(data.IDLE, 50.0)
    check_direction(7, 50.0)
    with pytest.raises(BadReply, match=r"discharging.*\+1\.1 A"):
        check_direction(data.DISCHARGING, 1.1)
    with pytest.raises(BadReply, match=r"is charging.*-1\.1 A"):
        check_direction(data.CHARGING, -1.1)


def test_a5_a_sleeping_board_is_told_and_wakes_with_current() -> None:
    part = PlainBms(16, 4)
    part.current_a = 0.0
    board = DalyA5Device(part, asleep=True)

    async def use(bench: Bench) -> None:
        with pytest.raises(BadReply, match="sleeps"):
            await bench.bms.read()
        assert bench.port.stats.bad_replies == 2, "asked twice, believed never"
        part.current_a = 5.0
        await bench.wait(2 * SECOND)
        assert (await bench.bms.read()).current_a == 5.0
        part.current_a = 0.0
        assert (await bench.bms.read()).current_a == 0.0, "awake from then on"

    with_daly(A5, board, use)


def test_a5_on_uart_the_frames_that_are_not_needed_disturb_nothing() -> None:
    part = PlainBms(7, 2)
    part.current_a = 0.0

    for frames in ("needed", "all"):

        async def use(bench: Bench, frames: str = frames) -> None:
            for spread_v in (0.0, 0.1):
                part.cells_v = np.linspace(3.2, 3.2 + spread_v, 7).round(3)
                sample = await bench.bms.read()
                assert sample.cell_voltages_v.tolist() == part.cells_v.tolist()
                assert sample.temperatures_c == (20.0, 26.0)
            assert bench.sent[0] == "a580940800000000000000" + "00c1"
            assert bench.port.stats.retries == bench.port.stats.timeouts == 0
            assert (bench.port.stats.dropped_bytes > 0) is (frames == "needed")

        with_daly(A5, DalyA5Device(part), use, settings={"host": "uart", "frames": frames})


def test_a5_a_board_that_sends_fewer_frames_than_waited_for_is_a_time_out() -> None:
    async def use(bench: Bench) -> None:
        with pytest.raises(ReplyTimeout):
            await bench.bms.read()

    with_daly(A5, DalyA5Device(stated(), all_frames=False), use, settings={"frames": "all"})


def test_a5_a_battery_code_in_frames_of_another_kind_is_no_failure() -> None:
    async def use(bench: Bench) -> None:
        odd = reply_frame(1, data.CODE, bytes(8))
        bench.link.from_device = lambda _t_ns, said: odd if said[2] == data.CODE else said
        assert (await bench.bms.identify()).serial == ""
        bench.link.from_device = lambda _t_ns, said: said
        assert (await bench.bms.read()).cell_voltages_v.size == 16

    with_daly(A5, DalyA5Device(stated()), use)


def test_a5_readings_that_a_board_does_not_give_can_be_left_out() -> None:
    board = DalyA5Device(stated(alarms=("short_circuit",), balancing=True))
    board.charge_on = False
    unanswered = {data.STATE, data.TEMPERATURES, data.FAULTS, data.BALANCING, data.CODE}

    async def use(bench: Bench) -> None:
        bench.link.to_device = lambda _t_ns, sent: b"" if sent[2] in unanswered else sent
        assert (await bench.bms.identify()).serial == "", "no battery code is no failure"
        sample = await bench.bms.read()
        assert sample.cell_voltages_v.size == 16
        assert (sample.temperatures_c, sample.alarms, sample.balancing, sample.charge_limit_a) == ((), None, None, None)
        assert sample.quality is Quality.GOOD

    with_daly(A5, board, use, settings={"leave_out": "state, temperatures,faults,balancing"})


@pytest.mark.parametrize(
    ("settings", "unit", "complaint"),
    [
        ({"raw_above_30000": "positive"}, 1, "raw_above_30000"),
        ({"host": "0x40"}, 1, "host"),
        ({"frames": 16}, 1, "frames"),
        ({"leave_out": "cells"}, 1, "leave_out"),
        ({}, 0, "unit"),
        ({}, 64, "unit"),
    ],
)
def test_a5_wrong_options_are_refused_before_anything_is_asked(
    settings: dict[str, Any], unit: int, complaint: str
) -> None:
    async def use(_bench: Bench) -> None:
        pytest.fail("the driver was made")

    with pytest.raises(InputError, match=complaint):
        with_daly(A5, DalyA5Device(stated()), use, settings=settings, unit=unit)


@pytest.mark.parametrize(
    "values",
    [
        {"temperatures_c": array(-40.0, 20.0, 20.0, 20.0)},
        {"cell_voltages_v": array(3.3, 0.0, 3.3), "voltage_v": 6.6},
        {"cell_voltages_v": array(3.3, 5.6, 3.3), "voltage_v": 12.2},
    ],
)
def test_a5_values_that_no_pack_has_are_implausible(values: dict[str, Any]) -> None:
    async def use(bench: Bench) -> None:
        assert (await bench.bms.read()).quality is Quality.IMPLAUSIBLE

    with_daly(A5, DalyA5Device(stated(**values)), use)


def test_a5_a_soc_above_one_is_implausible() -> None:
    async def use(bench: Bench) -> None:
        reply = reply_frame(1, data.PACK, data.encode_pack(data.Pack(52.8, 0.0, 1.001)))
        bench.link.from_device = lambda _t_ns, said: reply if said[2] == data.PACK else said
        assert (await bench.bms.read()).quality is Quality.IMPLAUSIBLE

    with_daly(A5, DalyA5Device(stated()), use)


@pytest.mark.parametrize("counts", [(0, 1), (49, 1), (16, 113)])
def test_a5_a_board_that_reports_impossible_counts_is_not_read(counts: tuple[int, int]) -> None:
    async def use(bench: Bench) -> None:
        reply = reply_frame(1, data.STATUS, data.encode_status(data.Status(*counts, 0, 0, 0, 0)))
        bench.link.from_device = lambda _t_ns, _said: reply
        with pytest.raises(BadReply, match=f"reports {counts[0]} cells and {counts[1]} sensors"):
            await bench.bms.read()

    with_daly(A5, DalyA5Device(stated()), use)


def test_a5_writes_change_later_readings() -> None:
    switched: list[tuple[bool, bool]] = []
    board = DalyA5Device(stated(soc=0.5), switches=lambda _t_ns, *state: switched.append(state))

    async def use(bench: Bench) -> None:
        sample = await bench.bms.read()
        assert (sample.charge_limit_a, sample.discharge_limit_a, sample.soc) == (None, None, 0.5)
        off = data.encode_switch(data.Switch(0))
        reply = board.on_bytes(0, request_frame(write(data.SWITCH_CHARGE, off)))
        assert data.decode_switch(reply[4:12]).on == 0
        assert (await bench.bms.read()).charge_limit_a == 0.0
        board.on_bytes(0, request_frame(write(data.SWITCH_DISCHARGE, off)))
        sample = await bench.bms.read()
        assert (sample.charge_limit_a, sample.discharge_limit_a) == (0.0, 0.0)
        board.on_bytes(0, request_frame(write(data.SWITCH_CHARGE, data.encode_switch(data.Switch(1)))))
        assert (await bench.bms.read()).charge_limit_a is None
        assert switched == [(False, True), (False, False), (True, False)]
        reply = board.on_bytes(0, request_frame(write(data.SET_SOC, data.encode_set_soc(data.SetSoc(0.875)))))
        assert reply[4] == 1
        assert (await bench.bms.read()).soc == 0.875
        assert len(board.on_bytes(0, request_frame(write(data.RESTART, bytes(8))))) == 13

    with_daly(A5, board, use)


def test_a5_boards_share_a_bus() -> None:
    boards = [DalyA5Device(stated(soc=number / 10), board=number) for number in (1, 2, 3)]

    async def use(bench: Bench) -> None:
        assert (await bench.bms.read()).soc == 0.2
        assert bench.port.stats.timeouts == 0

    with_daly(A5, BusDevices(boards), use, unit=2)


def test_a5_silence_is_a_time_out() -> None:
    async def use(bench: Bench) -> None:
        with pytest.raises(ReplyTimeout):
            await bench.bms.read()

    with_daly(A5, DalyA5Device(stated(), silent=lambda _t_ns: True), use)


# --------------------------------------------------------------------- Modbus


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
