"""The bench's own meter as a source of what a test took: arithmetic, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.test_carbon import model

from packbench.core.errors import InputError
from packbench.core.specs import Accuracy
from packbench.trace.carbon.bench_energy import by_counter
from packbench_sim.mains import Mains

CLASS_1 = Accuracy(0.01, 0.0, resolution=10.0)
BEGIN = {"at": "begin", "ac_import_wh": 1000.0, "ac_export_wh": 200.0}
END = {"at": "end", "ac_import_wh": 9000.0, "ac_export_wh": 5200.0}


def test_net_and_uncertainty_by_hand() -> None:
    found = by_counter([BEGIN, END], CLASS_1, "m")
    assert found.kwh == pytest.approx(3.0)
    # 1 % of 8 and 5 kWh, rectangular; four readings of 10 Wh.
    assert found.U_kwh == pytest.approx(2 * ((130.0**2) / 3 + 4 * 10.0**2 / 12) ** 0.5 / 1e3)
    assert (found.counted_by, found.source, found.dc_net_kwh) == ("ac_meter", "m", None)


def test_a_resumed_run_counts_from_its_first_beginning() -> None:
    readings = [BEGIN, {**END, "at": "resumed"}, {**END, "ac_import_wh": 9500.0}]
    assert by_counter(readings, CLASS_1, "m").kwh == pytest.approx(3.5)


def test_a_meter_that_counts_one_way_only() -> None:
    begin, end = ({name: each[name] for name in ("at", "ac_import_wh")} for each in (BEGIN, END))
    assert by_counter([begin, end], CLASS_1, "m").kwh == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("readings", "accuracy", "found"),
    [
        ([], CLASS_1, "without its begin and end"),
        ([BEGIN], CLASS_1, "without its end"),
        ([END], CLASS_1, "without its begin"),
        ([BEGIN, {"at": "end", "error": "no reply"}], CLASS_1, "without its end"),
        ([BEGIN, {**END, "ac_import_wh": 12.0}], CLASS_1, "went back"),
        ([BEGIN, {**END, "ac_export_wh": 0.0}], CLASS_1, "went back"),
        ([BEGIN, END], None, "unknown accuracy"),
    ],
)
def test_what_the_record_does_not_say_is_refused(
    readings: list[dict[str, Any]], accuracy: Accuracy | None, found: str
) -> None:
    with pytest.raises(InputError, match=found):
        by_counter(readings, accuracy, "m")


def test_a_factors_file_may_leave_the_readings_to_the_record() -> None:
    left = model(("begin_kwh: 100.0, end_kwh: 108.0, U: 1 %, ", ""))
    assert (left.bench_energy.begin_kwh, left.bench_energy.U) == (None, None)
    for lacking in ("begin_kwh: 100.0, ", "end_kwh: 108.0, ", ", U: 1 %"):
        with pytest.raises(InputError, match="bench_energy"):
            model((f"108.0{lacking}" if "U" in lacking else lacking, "108.0" if "U" in lacking else ""))


def test_the_emulated_mains_counts_both_ways_and_never_back() -> None:
    energy = {0: 0.0, 1: 3.6e6, 2: 1.8e6, 3: 1.8e6}
    mains = Mains(lambda t_ns: energy[t_ns // 3_600_000_000_000], efficiency=0.9, standby_w=100.0)
    hours = [mains.counters_wh(hour * 3_600_000_000_000) for hour in range(4)]
    assert hours[0] == (0.0, 0.0)
    assert hours[1] == pytest.approx((1000 / 0.9 + 100, 0.0))
    assert hours[2] == pytest.approx((1000 / 0.9 + 200, 450.0))
    assert hours[3] == pytest.approx((1000 / 0.9 + 300, 450.0))
