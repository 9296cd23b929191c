"""The charger on the emulated BMS: a bad line, the shell itself, and the adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.gbt27930_bench import GBT, MS, Bench, S, pack, stated, with_bms
from tests.unit.wire_parts import ScriptedTransport

from packbench.app.devices import Buses, Line
from packbench.core.errors import InputError, LinkError, ReplyTimeout
from packbench.core.samples import Quality
from packbench.core.specs import DeviceSpec
from packbench.drivers.gbt27930_settings import ChargerSettings
from packbench.drivers.golden import check_golden
from packbench.run.charger import Charger, identity_of
from packbench.transport.memory import memory_pair
from packbench.transport.slcan import SlcanTransport
from packbench.wire.can.frame import CanFrame
from packbench.wire.can.j1939 import PGN_TP_DT, unpack_id
from packbench.wire.can.j1939_transport import TransportSettings
from packbench.wire.can.slcan import HostReader, frame_line
from packbench.wire.gbt27930.frames import BITRATE, frame_of, message_in
from packbench.wire.gbt27930.layout import decode_message
from packbench.wire.gbt27930.messages import NOT_YET, Bcl, Bhm, Brm, Chm, Crm
from packbench_sim.devices.gbt27930 import Gbt27930Device
from packbench_sim.devices.gbt27930_words import Plate
from packbench_sim.devices.slcan_adapter import SlcanAdapter
from packbench_sim.loop import VirtualClock, run_virtual

# --------------------------------------------------------------------- a bad line


def test_a_split_line_and_noise_cost_at_most_their_own_frame() -> None:
    """comms.can_off, comms.noise: pieces of lines, lost line ends, bytes that mean nothing."""

    async def use(bench: Bench) -> None:
        await bench.charging()
        plain = bench.link.from_device
        count = 0

        def mangle(t_ns: int, data: bytes) -> bytes:
            nonlocal count
            count += 1
            if count % 7 == 0:
                data = data[:-1]
            if count % 11 == 0:
                data = b"\x00\xfeT18" + data
            return plain(t_ns, data)

        bench.link.from_device = mangle
        for _ in range(60):
            await bench.wait(0.5)
            sample = await bench.charger.read()
            assert sample.voltage_v == 312.0
        counts = bench.charger.statistics()
        assert counts["malformed_lines"] > 50
        assert counts["noise_bytes"] > 200
        assert counts["handshakes_repeated"] == 0

    with_bms(use)


def test_lost_packets_are_asked_for_again() -> None:
    async def use(bench: Bench) -> None:
        await bench.charging()
        plain = bench.link.from_device
        count = 0

        def lossy(t_ns: int, data: bytes) -> bytes:
            nonlocal count
            frames = [item for item in HostReader().feed(data) if isinstance(item, CanFrame)]
            if any(unpack_id(frame.can_id).pgn == PGN_TP_DT for frame in frames):
                count += 1
                if count % 5 == 0:
                    return b""
            return plain(t_ns, data)

        bench.link.from_device = lossy
        for _ in range(30):
            await bench.wait(1.0)
            await bench.charger.read()

    with_bms(use)


def test_another_bit_rate_is_silence() -> None:
    async def use(bench: Bench) -> None:
        with pytest.raises(ReplyTimeout):
            await bench.charger.identify()
        assert bench.heard == []
        assert bench.device.adapter.bitrate == 500_000

    with_bms(use, bitrate=500_000)


def test_a_message_of_a_wrong_length_is_counted_and_not_believed() -> None:
    async def use(bench: Bench) -> None:
        await bench.charging()
        plain = bench.link.from_device
        bench.link.from_device = lambda t_ns, data: plain(t_ns, data + b"T181356F46015501530200\r")
        await bench.wait(1.0)
        bench.link.from_device = plain
        assert bench.charger.statistics()["malformed_messages"] > 10
        assert (await bench.charger.read()).quality is Quality.GOOD

    with_bms(use)


def test_what_the_adapter_refuses_is_counted() -> None:
    async def use(bench: Bench) -> None:
        await bench.charging()
        # It was not open when it was told to close.
        assert bench.charger.statistics()["refused"] == 1
        plain = bench.link.from_device
        bench.link.from_device = lambda t_ns, data: plain(t_ns, b"\a" if data == b"\r" else data)
        await bench.wait(1.0)
        assert bench.charger.statistics()["refused"] > 1

    with_bms(use)


@pytest.mark.parametrize(
    ("device", "settings"),
    [
        ({"plate": Plate(brm_bytes=41)}, {}),
        ({"transport_settings": TransportSettings(rts_limit=7)}, {}),
        ({"transport_settings": TransportSettings(rts_limit=2, packet_gap_ns=0)}, {}),
        ({}, {"edition": "2011"}),
        ({}, {"ccs_bytes": 7}),
        ({"spec": "lfp-45s-176ah"}, {}),
    ],
)
def test_variants_of_the_standard(device: dict[str, Any], settings: dict[str, Any]) -> None:
    async def use(bench: Bench) -> None:
        sample = await bench.charging()
        assert sample.cell_voltages_v.size == 96

    with_bms(use, settings=ChargerSettings(**settings), **device)


# ------------------------------------------------------------------ the shell itself


def test_frames_that_are_answered_within_the_very_call_keep_their_order() -> None:
    """A transport that hands over at once: what the BMS says to one frame comes before the next is sent."""

    async def main(clock: VirtualClock) -> None:
        near, far = memory_pair()
        said: list[Any] = []
        reader = HostReader()
        charger = Charger(SlcanTransport(near, BITRATE), clock, ChargerSettings(), S)

        def on_bytes(data: bytes) -> None:
            for item in reader.feed(data):
                if isinstance(item, CanFrame):
                    said.append(message_in(item))
                    if isinstance(said[-1], Chm):
                        far.write(frame_line(frame_of(Bhm(400.0))))

        far.attach(on_bytes, lambda _reason: None)
        asking = asyncio.ensure_future(charger.identify())
        await clock.sleep_until(clock.now_ns() + 100 * MS)
        assert said == [Chm(), Crm(NOT_YET)]
        with pytest.raises(ReplyTimeout):
            await asking
        await charger.close()

    run_virtual(main)


def test_alarms_do_not_multiply() -> None:
    """One alarm is set for what is due next; those that were overtaken set no others."""
    alarms = 0

    async def use(bench: Bench) -> None:
        nonlocal alarms
        await bench.charging()
        call_at = bench.clock.call_at

        def counted(t_ns: int, callback: Callable[[], object]) -> None:
            nonlocal alarms
            alarms += 1
            call_at(t_ns, callback)

        bench.charger._clock.call_at = counted  # type: ignore[method-assign]
        await bench.wait(10.0)

    with_bms(use)
    # CCS 20 times a second, and what the time-outs of long messages overtake.
    assert 200 <= alarms < 400


def test_a_line_that_takes_no_data_any_more_is_lost() -> None:
    async def main(clock: VirtualClock) -> None:
        transport = ScriptedTransport()
        charger = Charger(SlcanTransport(transport, BITRATE), clock, ChargerSettings(), S)
        assert transport.sent == [b"\rC\rS5\rO\r"]

        def full(_data: bytes) -> None:
            raise LinkError("takes no data any more")

        transport.on_write = full
        with pytest.raises(LinkError, match="no data any more"):
            await charger.identify()
        await charger.close()
        assert transport.closed

    run_virtual(main)


def test_an_adapter_that_says_nothing_is_no_hindrance() -> None:
    async def main(clock: VirtualClock) -> None:
        transport = ScriptedTransport()
        can = SlcanTransport(transport, BITRATE)
        got: list[CanFrame] = []
        can.attach(got.append, lambda _reason: None)
        transport.hear(b"T182756F425713\rz\r\aT1827")
        assert got == [frame_of(Bhm(495.1))]
        assert (can.stats.frames_in, can.stats.refused, can.malformed_lines) == (1, 1, 0)
        can.close()
        can.close()
        assert transport.sent[-1] == b"C\r"
        transport.hear(b"56F425713\r")
        assert len(got) == 1
        with pytest.raises(LinkError):
            can.send(got[0])

    run_virtual(main)


def test_identities() -> None:
    brm = decode_message(Brm, bytes.fromhex("0101000608078a0d4341544c" + "ff" * 37))
    assert identity_of(brm).model == "CATL NMC 180 Ah 346.6 V"
    assert (identity_of(brm).serial, identity_of(brm).firmware) == ("", "GB/T 27930 V1.1")
    told = replace(brm, battery_type=9, capacity_ah=None, maker=None, serial=b"\x00\x01\x02\x03", software=b"\x01" * 8)
    assert identity_of(told).model == "battery type 9 346.6 V"
    assert identity_of(told).serial == "00010203"
    assert identity_of(told).firmware == "GB/T 27930 V1.1, software 0101010101010101"
    assert identity_of(replace(told, vin="LTEST000000000001")).serial == "LTEST000000000001"


def test_a_session_is_alone_on_its_line() -> None:
    async def main(clock: VirtualClock) -> None:
        buses = Buses(clock)
        line = Line(ScriptedTransport())

        def make(**settings: Any) -> Any:
            return buses.driver(
                line, GBT, unit=0, scheme="slcan", reply_timeout_ns=S, settings=settings
            )  # fmt: skip

        with pytest.raises(InputError, match="edition"):
            make(edition="2023")
        assert isinstance(make(edition=2011), Charger)
        with pytest.raises(InputError, match="alone on its line"):
            make()
        assert buses.statistics(line)["frames_in"] == 0
        with pytest.raises(InputError, match="not reached so"):
            buses.driver(line, GBT, unit=0, scheme="pty", reply_timeout_ns=S, settings={})
        # A bench's time-out is that of a poll; the session is given the device's own.
        spec = DeviceSpec("bms", "gbt27930", "slcan:///x", 0, 1 * S, 12 * S, 500 * MS)
        charger = buses.bench_driver(Line(ScriptedTransport()), GBT, spec)
        assert isinstance(charger, Charger)
        assert charger._timeout_ns == 70 * S
        await buses.close()

    run_virtual(main)


def test_the_device_file_agrees_with_its_captures() -> None:
    assert len(GBT.golden) == 16
    assert check_golden(GBT) == []


# ----------------------------------------------------------------------- the adapter


def test_the_adapter_s_manners() -> None:
    adapter = SlcanAdapter(BITRATE)
    bcl = b"T181056F459411AC0D02\r"

    def said(data: bytes) -> bytes:
        return adapter.on_bytes(data)[0]

    assert said(b"C\r") == b"\a"
    assert said(b"O\r") == b"\a"
    assert said(bcl) == b"\a"
    assert said(b"F\r") == b"\a"
    assert said(b"V\rN\r\r") == b"V1013\rNA123\r\r"
    assert said(b"S5\r") == b"\r"
    assert adapter.line_of(frame_of(Bhm(400.0))) == b""
    assert said(b"O\rF\rS6\rO\rL\rQ\r") == b"\rF00\r\a\a\a\a"
    assert adapter.on_bytes(bcl) == (b"\r", [frame_of(Bcl(450.0, 50.0, 2))])
    assert adapter.line_of(frame_of(Bhm(400.0))) == b"T182756F42A00F\r"
    assert said(b"C\rL\r") == b"\r\r"
    assert adapter.on_bytes(bcl) == (b"\a", [])
    assert adapter.line_of(frame_of(Bhm(400.0))) != b""
    assert said(b"C\rS6\rO\r") == b"\r\r\r"
    # Another bit rate: the adapter takes it, and the bus does not.
    assert adapter.on_bytes(bcl) == (b"\r", [])
    assert adapter.line_of(frame_of(Bhm(400.0))) == b""


def test_a_host_that_reads_nothing_does_not_grow_the_output() -> None:
    device = Gbt27930Device(stated(), pack())
    device.on_bytes(0, b"S5\rO\r")
    device._send(frame_of(Bhm(400.0)) for _ in range(10_000))
    assert 65_000 < len(device.take_output()) <= 65_536
