"""The quick way to read dates gives what the long way gives, and takes nothing that it refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packbench.analysis.samples.instants import alike_instants
from packbench.analysis.samples.reading import TO_ISO

_FORMS = {
    "mdy": "%m/%d/%Y %H:%M:%S",
    "dmy": "%d.%m.%Y %H:%M:%S",
    "ymd": "%Y-%m-%dT%H:%M:%S",
}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(10**13, 4 * 10**15), min_size=1, max_size=20),
    st.sampled_from(sorted(_FORMS)),
    st.sampled_from((0, 1, 3, 6)),
)
def test_instants_of_one_form_are_read_to_the_microsecond(instants_us: list[int], order: str, digits: int) -> None:
    texts = []
    expected = []
    for instant_us in instants_us:
        when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant_us)
        fraction = when.microsecond // 10 ** (6 - digits)
        texts.append(when.strftime(_FORMS[order]) + (f".{fraction:0{digits}d}" if digits else ""))
        exact = when.replace(microsecond=fraction * 10 ** (6 - digits))
        expected.append(exact.timestamp())
    found = alike_instants(pa.array(texts), TO_ISO[order][0], order)
    assert found is not None
    assert found == pytest.approx(np.array(expected), abs=2e-6)
    # A slice of an Arrow array begins within its buffers.
    part = alike_instants(pa.array(["x", *texts])[1:], TO_ISO[order][0], order)
    assert part is not None and np.array_equal(part, found)


@pytest.mark.parametrize(
    "second",
    [
        "02/30/2026 10:00:00", "13/01/2026 10:00:00", "00/01/2026 10:00:00", "02/00/2026 10:00:00",
        "02/01/2026 24:00:00", "02/01/2026 10:60:00", "02/01/2026 10:00:60", "02-01-2026 10:00:00",
        "2/01/2026 10:00:00", "02/01/2026 1:000:00", "02/01/202x 10:00:00", "02/01/2026 10:00:0\u0660", None, "",
    ],
)  # fmt: skip
def test_anything_else_takes_the_long_way(second: str | None) -> None:
    texts = pa.array(["02/01/2026 10:00:00", second])
    assert alike_instants(texts, TO_ISO["mdy"][0], "mdy") is None
