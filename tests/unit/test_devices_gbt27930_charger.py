"""The charger on the emulated BMS in virtual time: readings, and the session's ends."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from tests.unit.gbt27930_bench import Bench, S, stated, with_bms
from tests.unit.wire_parts import PlainBms

from packbench.core.errors import LinkError, ReplyTimeout
from packbench.core.samples import Quality
from packbench.drivers.gbt27930_session import Phase
from packbench.drivers.gbt27930_settings import ChargerSettings
from packbench.wire.can.frame import CanFrame
from packbench.wire.can.slcan import HostReader
from packbench.wire.gbt27930.frames import message_in
from packbench.wire.gbt27930.messages import (
    NOT_YET,
    READY,
    SET,
    Bem,
    Bro,
    Bsd,
    Bst,
    Ccs,
    Cem,
    Chm,
    Cml,
    Crm,
    Cro,
    Csd,
    Cst,
    causes,
)

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
