"""The charger on the emulated BMS, line by line in virtual time, and the BMS against the real trace."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.gbt27930_trace import CHARGING, END, HANDSHAKE, heard
from tests.unit.wire_parts import PlainBms, ScriptedTransport, device_map

from packbench.app.devices import Buses, Line
from packbench.config.pack import load_pack
from packbench.core.errors import InputError, LinkError, ReplyTimeout
from packbench.core.samples import BmsSample, Quality
from packbench.core.specs import DeviceSpec, PackSpec
from packbench.drivers.gbt27930_session import Phase
from packbench.drivers.gbt27930_settings import ChargerSettings
from packbench.drivers.golden import check_golden
from packbench.run.charger import Charger, identity_of
from packbench.transport.memory import memory_pair
from packbench.transport.slcan import SlcanTransport
from packbench.wire.can.frame import CanFrame
from packbench.wire.can.j1939 import PGN_TP_CM, PGN_TP_DT, unpack_id
from packbench.wire.can.j1939_transport import TransportSettings
from packbench.wire.can.slcan import HostReader, frame_line
from packbench.wire.gbt27930.frames import BITRATE, BMS, frame_of, message_in
from packbench.wire.gbt27930.layout import decode_message
from packbench.wire.gbt27930.messages import (
    NOT_YET,
    READY,
    SET,
    Bcl,
    Bcp,
    Bcs,
    Bem,
    Bhm,
    Brm,
    Bro,
    Bsd,
    Bsm,
    Bst,
    Ccs,
    Cem,
    Chm,
    Cml,
    Crm,
    Cro,
    Csd,
    Cst,
    GbtMessage,
    causes,
)
from packbench_sim.devices.gbt27930 import Gbt27930Device, play_gbt27930
from packbench_sim.devices.gbt27930_words import Plate
from packbench_sim.devices.slcan_adapter import SlcanAdapter
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.playing import Playing
from packbench_sim.stated import StatedBms
from packbench_sim.wire import MemoryLink

MS, S = 1_000_000, 1_000_000_000
GBT = device_map("gbt27930")
PACKS = Path(__file__).parents[2] / "configs" / "packs"
TIMEOUT_NS = 30 * S
BYTE_TIME_NS = 86_806


def pack(name: str = "nmc-96s") -> PackSpec:
    path = PACKS / f"{name}.yaml"
    return load_pack(path.read_text("utf-8"), path.name)


def stated(**values: Any) -> StatedBms:
    return StatedBms(PlainBms(), {"current_a": 12.3, **values})


@dataclass(slots=True, eq=False)
class Bench:
    """The charger, the emulator at the other end of its line, and what was done to the plant."""

    charger: Charger
    device: Gbt27930Device
    clock: VirtualClock
    link: MemoryLink
    switched: list[tuple[bool, bool]] = field(default_factory=list)
    heard: list[tuple[int, CanFrame]] = field(default_factory=list)
    """What came from the adapter: instant in ms, frame."""
    said: list[tuple[int, CanFrame]] = field(default_factory=list)

    async def wait(self, seconds: float) -> None:
        await self.clock.sleep_until(self.clock.now_ns() + round(seconds * S))

    def let_pass(self, seconds: float) -> None:
        """Time for the BMS alone: a closed line wakes nobody."""
        now_ns = self.clock.now_ns()
        for ms in range(0, round(seconds * 1000), 10):
            self.device.tick(now_ns + ms * MS)

    async def charging(self) -> BmsSample:
        await self.charger.identify()
        return await self.charger.read()

    def messages(self, kind: type, frames: list[tuple[int, CanFrame]]) -> list[tuple[int, Any]]:
        found = ((t, message_in(frame)) for t, frame in frames)
        return [(t, message) for t, message in found if type(message) is kind]


def with_bms(
    use: Callable[[Bench], Awaitable[None]],
    *,
    part: Any = None,
    settings: ChargerSettings | None = None,
    timeout_ns: int = TIMEOUT_NS,
    bitrate: int = BITRATE,
    spec: str = "nmc-96s",
    **device: Any,
) -> None:
    async def main(clock: VirtualClock) -> None:
        switched: list[tuple[bool, bool]] = []
        bms = Gbt27930Device(
            part or stated(),
            pack(spec),
            switches=lambda _t, charge, discharge: switched.append((charge, discharge)),
            **device,
        )
        link = MemoryLink(asyncio.get_running_loop(), bms, clock, byte_time_ns=BYTE_TIME_NS)
        charger = Charger(SlcanTransport(link, bitrate), clock, settings or ChargerSettings(), timeout_ns)
        bench = Bench(charger, bms, clock, link, switched)
        readers = HostReader(), HostReader()

        def record(reader: HostReader, to: list[tuple[int, CanFrame]]) -> Callable[[int, bytes], bytes]:
            def recorded(t_ns: int, data: bytes) -> bytes:
                to.extend((t_ns // MS, item) for item in reader.feed(data) if isinstance(item, CanFrame))
                return data

            return recorded

        link.to_device = record(readers[0], bench.said)
        link.from_device = record(readers[1], bench.heard)
        await use(bench)
        await charger.close()

    run_virtual(main)


# ------------------------------------------------------------------------ reading


def test_who_it_is_and_how_it_is() -> None:
    async def use(bench: Bench) -> None:
        identity = await bench.charger.identify()
        assert identity.model == "PKBH NMC 150 Ah 350.4 V"
        assert (identity.serial, identity.firmware) == ("PACKBENCH00000001", "GB/T 27930 V1.1")
        sample = await bench.charger.read()
        part = PlainBms()
        assert sample.cell_voltages_v == pytest.approx(part.cells_v, abs=0.0051)
        assert (sample.voltage_v, sample.current_a, sample.soc) == (312.0, 12.3, 0.87)
        assert sample.temperatures_c == tuple(np.round(part.sensors_c).tolist())
        assert (sample.charge_limit_a, sample.discharge_limit_a) == (75.0, None)
        assert (sample.soh, sample.cycles, sample.balancing, sample.alarms) == (None, None, None, ())
        assert sample.quality is Quality.GOOD
        assert bench.charger.phase is Phase.CHARGING
        assert bench.device.phase == "charging"
        assert bench.switched == [(True, True)]

    with_bms(use)


def test_a_sample_is_as_old_as_its_oldest_message() -> None:
    async def use(bench: Bench) -> None:
        first = await bench.charging()
        await bench.wait(5.0)
        later = await bench.charger.read()
        # The same cells; the demand and the measurement are new, and the sample does not pretend to be.
        assert later.t_ns == first.t_ns
        assert bench.clock.now_ns() - later.t_ns > 5 * S
        await bench.wait(6.0)
        assert bench.clock.now_ns() - (await bench.charger.read()).t_ns < 2 * S

    with_bms(use)


def test_without_cells_samples_are_fresh() -> None:
    async def use(bench: Bench) -> None:
        await bench.charging()
        for _ in range(20):
            await bench.wait(0.7)
            sample = await bench.charger.read()
            assert sample.cell_voltages_v.size == 0
            assert sample.cell_max_v == pytest.approx(3.3)
            assert bench.clock.now_ns() - sample.t_ns < 0.4 * S

    with_bms(use, settings=ChargerSettings(use_cells=False))


def test_a_bms_without_bmv_is_waited_for_and_then_read_without() -> None:
    async def use(bench: Bench) -> None:
        await bench.charger.identify()
        before_ns = bench.clock.now_ns()
        sample = await bench.charger.read()
        assert 2 * S < bench.clock.now_ns() - before_ns < 4 * S
        assert sample.cell_voltages_v.size == 0
        assert np.isnan(sample.cell_min_v)
        assert sample.temperatures_c == (20.0, 26.0)

    with_bms(use, cells=False)


def test_the_plant_is_what_is_read() -> None:
    part = PlainBms()

    async def use(bench: Bench) -> None:
        await bench.charging()
        part.current_a = -3.0
        part.cells_v = np.full(96, 3.5)
        await bench.wait(0.6)
        sample = await bench.charger.read()
        assert (sample.current_a, sample.voltage_v, sample.cell_max_v) == (-3.0, 336.0, 3.5)

    with_bms(use, part=part)


@pytest.mark.parametrize(
    ("values", "alarms", "limit_a"),
    [
        ({"charge_limit_a": 0.0}, (), 0.0),
        # An alarm that BSM has no word for forbids charging.
        ({"alarms": ("cell_spread",)}, (), 0.0),
        ({"alarms": ("cell_under_voltage", "insulation_low")}, ("cell_under_voltage", "insulation_low"), 0.0),
    ],
)
def test_what_forbids_charging(values: dict[str, Any], alarms: tuple[str, ...], limit_a: float) -> None:
    async def use(bench: Bench) -> None:
        sample = await bench.charging()
        assert (sample.alarms, sample.charge_limit_a) == (alarms, limit_a)
        await bench.wait(0.2)
        ccs = bench.messages(Ccs, bench.said)
        assert {message.permit for _, message in ccs} == {0}

    with_bms(use, part=stated(**values), settings=ChargerSettings(stop_on_fault=False))


def test_permission_and_output_are_what_ccs_says() -> None:
    async def use(bench: Bench) -> None:
        await bench.charging()
        await bench.wait(0.2)
        (_, ccs) = bench.messages(Ccs, bench.said)[-1]
        assert (ccs.voltage_v, ccs.current_a, ccs.permit) == (312.0, 12.3, SET)
        bench.charger.report_output(313.5, 20.0)
        await bench.wait(0.2)
        (_, ccs) = bench.messages(Ccs, bench.said)[-1]
        assert (ccs.voltage_v, ccs.current_a) == (313.5, 20.0)

    with_bms(use)


# ----------------------------------------------------------------- the session's ends


def test_closing_ends_charging_properly() -> None:
    async def use(bench: Bench) -> None:
        await bench.charging()
        at_ns = bench.clock.now_ns()
        await bench.charger.close()
        assert bench.clock.now_ns() - at_ns < 1 * S
        assert bench.charger.phase is Phase.ENDED
        assert bench.device.phase in ("reporting", "idle")
        assert bench.switched == [(True, True), (False, False)]
        kinds = [type(message) for _, frame in bench.said if (message := message_in(frame))]
        assert kinds[-3:] == [Cst, Csd, Csd]
        assert causes(bench.messages(Bst, bench.heard)[0][1]) == ("charger_stopped",)
        assert bench.messages(Bsd, bench.heard)
        bench.let_pass(1.0)
        assert bench.device.phase == "idle"
        assert not bench.messages(Bem, bench.heard)
        assert not bench.messages(Cem, bench.said)
        with pytest.raises(LinkError):
            await bench.charger.read()
        with pytest.raises(LinkError):
            await bench.charger.identify()

    with_bms(use)


def test_a_bms_that_stops_ends_the_readings_with_its_reason() -> None:
    async def use(bench: Bench) -> None:
        await bench.charging()
        bench.device.stop(bench.clock.now_ns(), "cell_voltage_reached")
        await bench.wait(0.3)
        with pytest.raises(LinkError, match="the BMS stopped charging: cell_voltage_reached"):
            await bench.charger.read()
        assert bench.switched[-1] == (False, False)
        await bench.wait(2.0)
        assert (bench.charger.phase, bench.device.phase) == (Phase.ENDED, "idle")
        # It is begun anew when somebody asks who is there, and never before.
        with pytest.raises(LinkError):
            await bench.charger.read()
        await bench.charging()

    with_bms(use)


def test_it_stops_by_itself_where_it_was_told_to() -> None:
    async def use(bench: Bench) -> None:
        await bench.charger.identify()
        with pytest.raises(LinkError, match="soc_reached"):
            await bench.charger.read()

    with_bms(use, stop_soc=0.8)


def test_a_bms_that_falls_silent_is_lost_within_a_second() -> None:
    silent = False

    async def use(bench: Bench) -> None:
        nonlocal silent
        await bench.charging()
        silent = True
        await bench.wait(0.9)
        await bench.charger.read()
        await bench.wait(0.2)
        with pytest.raises(LinkError, match="the BMS sent no BCL in time"):
            await bench.charger.read()
        await bench.wait(2.0)
        cem = bench.messages(Cem, bench.said)
        assert {causes(message) for _, message in cem} == {("bcl",)}
        assert bench.charger.phase is Phase.FAILED
        # What comes back is not taken up again.
        silent = False
        await bench.wait(5.0)
        assert bench.charger.phase is Phase.FAILED
        with pytest.raises(LinkError):
            await bench.charger.read()

    with_bms(use, silent=lambda _t_ns: silent)


def test_a_charger_that_falls_silent_is_told_by_bst_and_bem_and_the_contactors_open() -> None:
    async def use(bench: Bench) -> None:
        await bench.charging()
        last_ms = bench.said[-1][0]
        bench.link.to_device = lambda _t_ns, _data: b""
        await bench.wait(8.0)
        bst = bench.messages(Bst, bench.heard)
        assert bst[0][0] - last_ms == pytest.approx(1000, abs=60)
        assert causes(bst[0][1]) == ("other_fault",)
        bem = bench.messages(Bem, bench.heard)
        assert {causes(message) for _, message in bem} == {("ccs",)}
        assert bench.device.phase == "idle"
        assert bench.switched == [(True, True), (False, False)]

    with_bms(use)


@pytest.mark.parametrize(
    ("lost", "missed", "phase"),
    [(Crm, "crm_00", "complaining"), (Cml, "cts_cml", "complaining"), (Cro, "cro", "complaining")],
)
def test_what_the_bms_misses_before_charging(lost: type, missed: str, phase: str) -> None:
    async def use(bench: Bench) -> None:
        keep = bench.link.to_device

        def without(t_ns: int, data: bytes) -> bytes:
            frames = [item for item in HostReader().feed(data) if isinstance(item, CanFrame)]
            if any(type(message_in(frame)) is lost for frame in frames):
                return b""
            return keep(t_ns, data)

        bench.link.to_device = without
        asking = asyncio.ensure_future(bench.charger.identify())
        while not (found := bench.messages(Bem, bench.heard)):
            await bench.wait(1.0)
        assert causes(found[0][1]) == (missed,)
        assert bench.device.phase == phase
        await asyncio.wait([asking])
        assert (asking.exception() is not None) == (lost is Crm)

    with_bms(use, settings=ChargerSettings(general_timeout_ns=100 * S), timeout_ns=200 * S)


def test_nobody_there() -> None:
    async def use(bench: Bench) -> None:
        with pytest.raises(ReplyTimeout, match="the BMS sent no BHM in time"):
            await bench.charger.identify()
        assert bench.messages(Chm, bench.said)
        assert not bench.messages(Cem, bench.said)

    with_bms(use, silent=lambda _t_ns: True)


def test_a_charger_that_is_too_impatient_says_what_it_waits_for() -> None:
    async def use(bench: Bench) -> None:
        await bench.charger.identify()
        with pytest.raises(ReplyTimeout, match=r"does not charge yet, 2 s on: parameters"):
            await bench.charger.read()

    with_bms(use, ready_after_ns=50 * S, timeout_ns=2 * S)


def test_a_battery_that_needs_a_minute_is_waited_for() -> None:
    async def use(bench: Bench) -> None:
        await bench.charging()
        assert {message.state for _, message in bench.messages(Bro, bench.heard)} == {NOT_YET, READY}

    with_bms(use, ready_after_ns=50 * S, timeout_ns=70 * S)


def test_no_reading_before_somebody_asked_who_is_there() -> None:
    async def use(bench: Bench) -> None:
        with pytest.raises(LinkError, match="no charging session has been begun"):
            await bench.charger.read()
        assert bench.charger.phase is None

    with_bms(use)


def test_closing_in_the_middle_of_the_handshake_leaves_nobody_waiting() -> None:
    async def use(bench: Bench) -> None:
        await bench.charger.identify()
        asking = asyncio.ensure_future(bench.charger.read())
        await bench.wait(0.1)
        assert bench.charger.phase in (Phase.RECOGNISED, Phase.PARAMETERS)
        await bench.charger.close()
        assert bench.charger.phase is Phase.ENDED
        with pytest.raises(LinkError):
            await asking
        bench.let_pass(2.0)
        assert bench.device.phase == "idle"

    with_bms(use)


def test_a_cut_link_ends_waiting_and_closing_at_once() -> None:
    async def use(bench: Bench) -> None:
        await bench.charging()
        bench.link.cut("the adapter was pulled out")
        with pytest.raises(LinkError, match="pulled out"):
            await bench.charger.read()
        at_ns = bench.clock.now_ns()
        await bench.charger.close()
        assert bench.clock.now_ns() == at_ns

    with_bms(use)


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


# -------------------------------------------------------------- against the real trace


class Replay:
    """The trace's charger against our BMS, which says what the trace's BMS says."""

    def __init__(self, *pinned: GbtMessage, **device: Any) -> None:
        self.device = Gbt27930Device(stated(), pack(), pinned=pinned, cells=False, **device)
        self.said: list[CanFrame] = []
        self.now_ns = 0
        self.device.on_bytes(0, b"S5\rO\r")

    def _take(self) -> None:
        reader = HostReader()
        self.said += [item for item in reader.feed(self.device.take_output()) if isinstance(item, CanFrame)]

    def until(self, t_ns: int) -> None:
        while True:
            wanted_ns = self.device.tick(self.now_ns)
            self._take()
            if wanted_ns is None or wanted_ns > t_ns:
                self.now_ns = t_ns
                return
            self.now_ns = max(wanted_ns, self.now_ns)

    def hear(self, frames: Iterable[tuple[int, CanFrame]]) -> None:
        for t_ns, frame in frames:
            self.until(t_ns)
            if unpack_id(frame.can_id).source != BMS:
                self.device.on_bytes(t_ns, frame_line(frame))
                self.device.tick(t_ns)
                self._take()

    def lines(self) -> list[str]:
        return [frame.describe() for frame in self.said]


PINNED = [
    decode_message(kind, bytes.fromhex(payload))
    for kind, payload in (
        (Brm, "010100033c004c1d" + "ff" * 41),
        (Bcp, "f401f00ab0048813aa3200cc10"),
        (Bcl, "9411ac0d02"),
        (Bcs, "b710a00f7271050a00"),
        (Bsm, "015501530200d0"),
        (Bst, "00000000"),
        (Bsd, "06f401d0073264"),
    )
]


def test_the_bms_answers_the_real_charger_byte_for_byte() -> None:
    """All of the charger's frames go in; what the real BMS said is what ours says."""
    trace = heard(HANDSHAKE, CHARGING, END)
    replay = Replay(*PINNED, ready_after_ns=0)
    replay.hear(trace)
    ours = list(dict.fromkeys(replay.lines()))
    theirs = list(dict.fromkeys(frame.describe() for _, frame in trace if unpack_id(frame.can_id).source == BMS))
    # SOC goes from 5 to 6 % and the voltage up in the trace; here the readings stand still.
    assert [line for line in theirs if line not in ours] == ["1CEB56F4#019611A00F727106"]
    assert [line for line in ours if line not in theirs] == []
    # BRM and BCP in their frames, BRO, BCL: in this order up to the messages that come at their own times.
    assert ours[:13] == theirs[:13]
    assert ours[12] == "181056F4#9411AC0D02"


def test_a_charger_that_never_clears_the_bms_to_send_is_given_three_requests_then_an_error() -> None:
    """candump2.log: RTS, abort, RTS, abort, RTS, abort, then BEM five times."""
    replay = Replay(transport_settings=TransportSettings(rts_limit=7))
    crm = CanFrame(0x1801F456, bytes.fromhex("0000000000554120"))
    replay.hear((n * 250 * MS, crm) for n in range(26))
    lines = [line for line in replay.lines() if not line.startswith("1CEC")]
    controls = [line for line in replay.lines() if line.startswith("1CEC")]
    assert controls[0] == "1CEC56F4#1031000707000200"
    assert {line[9:11] for line in controls} == {"10", "FF"}
    assert lines == ["081E56F4#F4F0F0FC"] * 5


def test_bem_of_the_trace_when_no_cml_comes() -> None:
    replay = Replay()
    ready = CanFrame(0x1801F456, bytes.fromhex("AA00000000554120"))
    replay.hear([(0, CanFrame(0x1801F456, bytes(8))), (250 * MS, ready)])
    replay.until(6 * S)
    assert "081E56F4#F0F1F0FC" in replay.lines()


def test_a_charger_s_error_ends_the_session() -> None:
    replay = Replay()
    replay.hear([(0, CanFrame(0x1801F456, bytes(8))), (10 * MS, CanFrame(0x081FF456, bytes.fromhex("fdf0c0fc")))])
    assert replay.device.phase == "idle"


def test_a_charger_that_begins_anew_is_followed() -> None:
    replay = Replay(ready_after_ns=0)
    replay.hear(heard(HANDSHAKE, CHARGING))
    assert replay.device.phase == "charging"
    at_ns = replay.now_ns
    replay.hear([(at_ns, CanFrame(0x1801F456, bytes(8)))])
    assert replay.device.phase == "identifying"
    replay.hear([(at_ns, CanFrame(0x1826F456, b"\x01\x01\x00"))])
    assert replay.device.phase == "greeting"


def test_a_charger_that_is_ready_before_the_battery_waits() -> None:
    replay = Replay(ready_after_ns=1 * S)
    ready = CanFrame(0x100AF456, b"\xaa")
    replay.hear([(0, frame_of(Crm(NOT_YET))), (MS, frame_of(Crm(READY))), (2 * MS, frame_of(Cml(500.0, 200.0, 120.0)))])
    replay.hear([(3 * MS, ready), (999 * MS, ready)])
    assert replay.device.phase == "preparing"
    replay.hear([(1010 * MS, ready)])
    assert replay.device.phase == "charging"


def test_long_messages_wait_for_each_other() -> None:
    async def use(bench: Bench) -> None:
        await bench.charging()
        await bench.wait(21.0)
        frames = [frame for _, frame in bench.heard if unpack_id(frame.can_id).pgn in (PGN_TP_CM, PGN_TP_DT)]
        groups = [frame.data[5:8].hex() for frame in frames if frame.data[0] == 0x10 and frame.can_id == 0x1CEC56F4]
        # BRM, BCP, then BCS four times a second, BMV and BMT every 10 s, and no two at once.
        assert groups[:2] == ["000200", "000600"]
        assert groups.count("001500") == groups.count("001600") == 3
        assert groups.count("001100") > 70
        assert bench.charger.statistics()["transport_aborted"] == 0
        assert len((await bench.charger.read()).cell_voltages_v) == 96

    with_bms(use, part=PlainBms(96, 12))


# ------------------------------------------------------------------- emulator options


def played(**options: str) -> Any:
    part = stated()
    return play_gbt27930.make(
        Playing(GBT, 0, "slcan", pack("lfp-16s"), None, part, options=options)  # type: ignore[arg-type]
    )


def test_options_of_the_emulator() -> None:
    device = played(brm_bytes="41", maker="AB", vin="X", cells="0", stop_soc="0.9", rts_limit="7", ready_after_s="2")
    brm = device._words.brm(stated().reading(0))
    assert (brm.length, brm.maker, brm.vin, brm.battery_type) == (41, "AB  ", "X".ljust(17), 3)
    assert set(play_gbt27930.options) == {
        "brm_bytes", "maker", "vin", "cells", "stop_soc", "rts_limit", "ready_after_s"
    }  # fmt: skip


@pytest.mark.parametrize(("name", "text"), [("brm_bytes", "48"), ("maker", "toolong"), ("vin", "é"), ("cells", "no")])
def test_options_that_cannot_be(name: str, text: str) -> None:
    with pytest.raises(InputError, match=name):
        played(**{name: text})


def test_what_a_pack_is_beyond_the_messages_is_cut_to_them() -> None:
    part = stated(current_a=900.0, soc=1.3, charge_limit_a=900.0, temperatures_c=np.array([-80.0, 300.0]))

    async def use(bench: Bench) -> None:
        sample = await bench.charging()
        # BCP's limit is the pack's 25 A.
        assert (sample.current_a, sample.soc, sample.charge_limit_a) == (400.0, 1.0, 25.0)
        assert sample.temperatures_c == (-50.0, 200.0)

    with_bms(use, part=part, spec="lmo-25ah")
