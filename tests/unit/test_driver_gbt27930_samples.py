"""The charger's session: what its samples say, and its settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.unit.gbt27930_talk import BCL, BCP, BCS, BSM, S

from packbench.core.errors import InputError
from packbench.core.samples import Quality
from packbench.drivers.gbt27930_heard import Heard, charging_allowed, faults, sample_of
from packbench.drivers.gbt27930_session import Wants
from packbench.drivers.gbt27930_settings import ChargerSettings, settings_from
from packbench.wire.gbt27930.messages import SET, Bcl, Bcp, Bcs, Bmt, Bmv, Bsm, GbtMessage

# --------------------------------------------------------------------------- samples


def heard(*messages: tuple[int, GbtMessage]) -> Heard:
    found = Heard()
    for t_ns, message in messages:
        found = found.having(t_ns, message)
    return found


FULL = ((10, BCP), (1000, BCL), (2000, BCS), (3000, BSM))


def test_a_sample_needs_demand_measurement_and_state() -> None:
    for without in (BCL, BCS, BSM):
        assert sample_of(heard(*(item for item in FULL if item[1] is not without)), use_cells=True) is None


def test_a_sample_says_what_the_bms_says_and_nothing_else() -> None:
    sample = sample_of(heard(*FULL), use_cells=True)
    assert sample is not None
    assert (sample.voltage_v, sample.current_a, sample.soc) == (150.5, 59.8, 0.51)
    assert (sample.charge_limit_a, sample.discharge_limit_a) == (60.0, None)
    assert (sample.soh, sample.cycles, sample.balancing) == (None, None, None)
    assert (sample.cell_max_v, sample.cell_max_index) == (3.35, 7)
    assert np.isnan(sample.cell_min_v)
    assert sample.cell_voltages_v.size == 0
    assert sample.temperatures_c == (27.0, 31.0)
    assert (sample.alarms, sample.quality) == ((), Quality.GOOD)
    # As old as the oldest message in it.
    assert sample.t_ns == 1000


def test_cells_make_a_sample_as_old_as_they_are() -> None:
    cells = Bmv((3.31, 3.35, 3.3), (0, 0, 1))
    full = heard(*FULL, (500, cells), (700, Bmt((25.0, None, 29.0))))
    sample = sample_of(full, use_cells=True)
    assert sample is not None
    assert sample.cell_voltages_v.tolist() == [3.31, 3.35, 3.3]
    assert (sample.cell_min_v, sample.cell_min_index) == (3.3, 3)
    assert sample.temperatures_c == (25.0, 29.0)
    # BSM's extremes are newer than the lists.
    assert (sample.temperature_min_c, sample.temperature_max_c) == (25.0, 31.0)
    assert sample.t_ns == 500
    without = sample_of(full, use_cells=False)
    assert without is not None
    assert (without.cell_voltages_v.size, without.t_ns) == (0, 1000)


def test_the_highest_cell_is_the_higher_of_both_readings() -> None:
    full = heard(*FULL, (500, Bmv((3.31, 3.34, 3.3), (0, 0, 0))))
    sample = sample_of(full, use_cells=True)
    assert sample is not None
    assert (sample.cell_max_v, sample.cell_max_index) == (3.35, 7)
    sample = sample_of(full.having(600, Bmv((3.36, 3.34, 3.3), (0, 0, 0))), use_cells=True)
    assert sample is not None
    assert (sample.cell_max_v, sample.cell_max_index) == (3.36, 1)


@pytest.mark.parametrize(
    ("bcp", "bcl", "bsm", "limit_a"),
    [
        (BCP, BCL, BSM, 60.0),
        (replace(BCP, charge_current_max_a=40.0), BCL, BSM, 40.0),
        (BCP, replace(BCL, current_demand_a=-5.0), BSM, 0.0),
        (BCP, replace(BCL, current_demand_a=None), BSM, 100.0),
        (BCP, BCL, replace(BSM, permit=0), 0.0),
        (BCP, BCL, replace(BSM, permit=3), 0.0),
        (BCP, BCL, replace(BSM, insulation=SET), 0.0),
        (replace(BCP, charge_current_max_a=None), replace(BCL, current_demand_a=None), BSM, None),
    ],
)
def test_the_charge_limit(bcp: Bcp, bcl: Bcl, bsm: Bsm, limit_a: float | None) -> None:
    sample = sample_of(heard((0, bcp), (0, bcl), (0, BCS), (0, bsm)), use_cells=True)
    assert sample is not None
    assert (sample.charge_limit_a, sample.discharge_limit_a) == (limit_a, None)


def test_states_of_bsm_are_alarms_by_name() -> None:
    assert faults(BSM) == ()
    high = replace(BSM, cell_voltage=1, soc=1, over_current=1, over_temperature=1, insulation=1, connector=1)
    assert faults(high) == (
        "cell_over_voltage", "soc_high", "charge_over_current", "over_temperature", "insulation_low", "connector_fault"
    )  # fmt: skip
    assert faults(replace(BSM, cell_voltage=2, soc=2)) == ("cell_under_voltage", "soc_low")
    # Not to be trusted is no fault: appendix C.3.
    unsure = replace(BSM, over_current=2, over_temperature=2, insulation=2, connector=2)
    assert faults(unsure) == ()
    assert charging_allowed(unsure)


@pytest.mark.parametrize(
    "message",
    [
        replace(BCS, current_a=400.1), replace(BCS, current_a=-5000.0), replace(BCS, cell_voltage_max_v=24.01),
        replace(BCS, soc=1.01), replace(BSM, temperature_max_c=201.0), Bmv((3.3, None), (0, 0)), Bmv((24.01,), (0,)),
        Bmt((25.0, 201.0)),
    ],
)  # fmt: skip
def test_what_no_pack_can_be_is_implausible(message: GbtMessage) -> None:
    sample = sample_of(heard(*FULL).having(3000, message), use_cells=True)
    assert sample is not None
    assert sample.quality is Quality.IMPLAUSIBLE


def test_values_that_are_not_given_are_absent() -> None:
    bcs = Bcs(None, None, None, 15, None, None)
    bsm = Bsm(None, None, None, None, None)
    sample = sample_of(heard((0, BCL), (0, bcs), (0, bsm)), use_cells=True)
    assert sample is not None
    assert (sample.voltage_v, sample.current_a, sample.soc, sample.temperatures_c) == (None, None, None, ())
    assert np.isnan(sample.cell_max_v)
    assert sample.quality is Quality.GOOD


# -------------------------------------------------------------------------- settings


def test_a_charger_stops_for_a_cause_that_cst_can_say() -> None:
    with pytest.raises(ValueError, match="lunch"):
        Wants(stop="lunch")


def test_settings_come_from_options_by_name() -> None:
    chosen = settings_from(
        {"edition": "2011", "bcl_timeout_s": 0.5, "ccs_bytes": 7, "retries": 1, "permit": False, "use_cells": False,
         "current_max_a": 120, "charger_number": 12, "region": "UA ", "rated_voltage_v": 500}
    )  # fmt: skip
    assert chosen == ChargerSettings(
        edition="2011", bcl_timeout_ns=S // 2, ccs_bytes=7, retries=1, permit=False, use_cells=False,
        current_max_a=120.0, charger_number=12, region="UA ",
    )  # fmt: skip
    assert settings_from({}) == settings_from({"charger_number": None, "region": None}) == ChargerSettings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("edition", "2023"), ("ccs_bytes", 9), ("ccs_bytes", True), ("permit", 1), ("retries", -1),
        ("bcl_timeout_s", "soon"), ("current_max_a", 500), ("general_timeout_s", True), ("charger_number", 1 << 32),
        ("region", "four"), ("region", "é--"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=name):
        settings_from({name: value})
