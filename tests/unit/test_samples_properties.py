"""Properties: units and signs, counters of every kind, and files that are cut or garbled."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.test_samples_formats import FORMS

from packbench.analysis.importer import analyze_file
from packbench.analysis.samples.counters import read_counter
from packbench.analysis.samples.maps import all_sample_maps, parse_sample_columns
from packbench.analysis.samples.reading import read_samples
from packbench.core.errors import InputError

MAP = """\
columns: made-up
title: {{en: made up, zh: 自编}}
layout: samples
source: this test
fields:
  test_time: {{header: time, unit: {time}}}
  voltage: {{header: volts, unit: {voltage}}}
  current: {{header: "amps[{{unit}}]", sign: {sign}}}
"""
FACTORS = {"s": 1.0, "min": 60.0, "h": 3600.0, "ms": 1e-3, "V": 1.0, "mV": 1e-3, "A": 1.0, "mA": 1e-3, "uA": 1e-6}
values = st.lists(st.floats(-500.0, 500.0).map(lambda x: round(x, 4)), min_size=2, max_size=20)
quiet = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quiet
@given(values, st.sampled_from(["s", "min", "h", "ms"]), st.sampled_from(["V", "mV"]),
       st.sampled_from(["A", "mA", "uA"]), st.sampled_from(["as_is", "inverted"]))  # fmt: skip
def test_every_unit_and_sign_comes_back(tmp_path: Path, amps: list[float], t: str, v: str, a: str, sign: str) -> None:
    columns = parse_sample_columns(MAP.format(time=t, voltage=v, sign=sign), "made-up.yaml")
    way = -1.0 if sign == "inverted" else 1.0
    rows = [f"{k / FACTORS[t]!r},{(3.0 + k) / FACTORS[v]!r},{way * x / FACTORS[a]!r}" for k, x in enumerate(amps)]
    path = tmp_path / "x.csv"
    path.write_text("\n".join([f"time,volts,amps[{a}]", *rows]), encoding="utf-8")
    table = read_samples(path, [columns])
    assert table is not None
    assert table.rows.current_a == pytest.approx(amps, rel=1e-12, abs=1e-12)
    assert table.rows.voltage_v == pytest.approx(np.arange(len(amps)) + 3.0, rel=1e-12)
    assert table.rows.t_s == pytest.approx(np.arange(len(amps)), rel=1e-12)


steps = st.lists(
    st.tuples(st.sampled_from([-1.0, 0.0, 1.0]), st.floats(0.1, 5.0), st.integers(0, 1)), min_size=2, max_size=12
).filter(lambda found: any(sign for sign, _, _ in found))


@settings(max_examples=200, deadline=None)
@given(
    steps, st.sampled_from(["never", "cycle", "step"]), st.sampled_from(["charge", "discharge", "signed", "unsigned"])
)
def test_a_counter_of_every_kind_gives_the_integral_back(
    made: list[tuple[float, float, int]], resets: str, way: str
) -> None:
    counter: list[float] = []
    cycle: list[int] = []
    integral: list[float] = []
    total = 0.0
    number = 1
    for index, (sign, ah, turns) in enumerate(made):
        new = index > 0 and turns == 1
        number += new
        if resets == "step" or (resets == "cycle" and new):
            total = 0.0
        moved = {"charge": max(sign, 0.0), "discharge": max(-sign, 0.0), "signed": sign, "unsigned": abs(sign)}[
            way
        ] * ah
        counter += (total + moved * np.linspace(0.0, 1.0, 5)).tolist()
        cycle += [number] * 5
        total += moved
        integral.append(sign * ah)
    name = way if way in ("charge", "discharge") else "capacity"
    starts = np.arange(0, 5 * len(made), 5)
    reading = read_counter(name, np.array(counter), starts, np.array(cycle), np.array(integral))  # pyright: ignore[reportArgumentType]
    wanted = {"charge": np.maximum(integral, 0.0), "discharge": np.minimum(integral, 0.0)}.get(way, np.array(integral))
    if not wanted.any():
        assert reading is None
        return
    assert reading is not None
    assert reading.per_step == pytest.approx(wanted, abs=1e-9)


FILES = {name: make() for name, (_, make) in FORMS.items()}


@quiet
@given(st.sampled_from(sorted(FILES)), st.floats(0.0, 1.0), st.binary(max_size=40), st.booleans())
def test_any_cut_or_garbled_file_gives_a_result_or_a_clean_error(
    tmp_path: Path, name: str, where: float, junk: bytes, cut: bool
) -> None:
    data = FILES[name]
    at = int(where * len(data))
    path = tmp_path / name
    path.write_bytes(data[:at] + junk + (b"" if cut else data[at + len(junk) :]))
    try:
        result = analyze_file(path)
    except InputError as error:
        assert all(name in str(problem) for problem in error.problems)
        return
    assert result.provenance == "imported"
    assert result.capacity_ah is None or math.isfinite(result.capacity_ah.value)


def test_every_shipped_map_loads_and_says_where_its_headers_are_from() -> None:
    maps = all_sample_maps()
    assert {"bdf", "neware-record", "nebula-record", "arbin", "maccor", "can-pack-log"} <= {one.name for one in maps}
    assert all(one.source for one in maps)
