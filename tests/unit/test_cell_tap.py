"""The cell tap: whose cells count, what the two must agree on, a BMS that is dead, and its place in a bench file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from packbench.config.bench import load_bench
from packbench.core.errors import DeviceError, InputError, LinkError, ReplyTimeout
from packbench.core.samples import BmsSample, Quality, bms_sample
from packbench.core.specs import Precedence
from packbench.drivers.cell_tap import CellTap, TapRules, combined
from packbench.drivers.protocols import Identity

BENCH = (Path(__file__).parents[2] / "configs" / "benches" / "sim-lv.yaml").read_text("utf-8")
TAP = """
  cell_tap:
    device: modbus-hv-bms
    url: "emulated:modbus+tcp"
    unit: 3
    reply_timeout: 300 ms
"""
CELLS = np.array([3.30, 3.31, 3.32, 3.33])


def of_tap(cells: Any = CELLS, t_ns: int = 200, **values: Any) -> BmsSample:
    return bms_sample(t_ns, np.asarray(cells, dtype=np.float64), values.pop("temperatures_c", ()), **values)


def of_bms(cells: Any = (), t_ns: int = 100, **values: Any) -> BmsSample:
    known: dict[str, Any] = {
        "voltage_v": 13.2, "current_a": -1.5, "soc": 0.5, "soh": 0.8, "cycles": 7, "alarms": ("cell_spread",),
        "charge_limit_a": 40.0, "discharge_limit_a": 50.0, "balancing": True, **values,
    }  # fmt: skip
    temperatures_c = known.pop("temperatures_c", (20.0, 21.0))
    return bms_sample(t_ns, np.asarray(cells, dtype=np.float64), temperatures_c, **known)


def rules(precedence: Precedence = "tap", cross_check_v: float | None = None, *, required: bool = True) -> TapRules:
    return TapRules(precedence, cross_check_v, required)


def test_the_tap_s_cells_and_everything_else_of_the_bms() -> None:
    sample = combined(of_tap(), of_bms(CELLS + 0.1), rules())
    assert sample.cell_voltages_v.tolist() == CELLS.tolist()
    assert (sample.cell_min_v, sample.cell_max_index) == (3.30, 4)
    assert sample.temperatures_c == (20.0, 21.0), "the tap has no sensors"
    numbers = (sample.voltage_v, sample.current_a, sample.soc, sample.soh, sample.cycles)
    assert numbers == (13.2, -1.5, 0.5, 0.8, 7)
    assert (sample.charge_limit_a, sample.discharge_limit_a, sample.balancing) == (40.0, 50.0, True)
    assert (sample.alarms, sample.quality) == (("cell_spread",), Quality.GOOD)


def test_a_sample_of_two_is_as_old_as_the_older() -> None:
    assert combined(of_tap(t_ns=200), of_bms(t_ns=100), rules()).t_ns == 100
    assert combined(of_tap(t_ns=50), of_bms(t_ns=100), rules()).t_ns == 50


def test_the_tap_s_temperatures_count_where_it_has_any() -> None:
    tap = of_tap(temperatures_c=(30.0,), alarms=("sensor_fault", "cell_spread"))
    sample = combined(tap, of_bms(), rules())
    assert sample.temperatures_c == (30.0,)
    assert sample.alarms == ("cell_spread", "sensor_fault"), "each alarm once"


def test_with_the_bms_first_the_tap_fills_in_what_is_missing() -> None:
    assert combined(of_tap(), of_bms(CELLS + 0.1), rules("bms")).cell_voltages_v.tolist() == (CELLS + 0.1).tolist()
    tap = of_tap(voltage_v=13.25, current_a=-1.4, balancing=False, temperatures_c=(30.0,))
    bms = of_bms(voltage_v=None, current_a=None, balancing=None, temperatures_c=())
    sample = combined(tap, bms, rules("bms"))
    assert sample.cell_voltages_v.tolist() == CELLS.tolist()
    assert (sample.voltage_v, sample.current_a, sample.balancing) == (13.25, -1.4, False)
    assert sample.temperatures_c == (30.0,)


@pytest.mark.parametrize("precedence", ["tap", "bms"])
@pytest.mark.parametrize(
    ("cells", "good"),
    [
        (CELLS + 0.0199, True),
        (CELLS - 0.0201, False),
        ([3.30, 3.31, 3.32, 3.3502], False),
        ([3.30, 3.31, 3.32], False),
        ((), True),
    ],
)
def test_beyond_the_cross_check_neither_is_believed(precedence: Precedence, cells: Any, good: bool) -> None:
    sample = combined(of_tap(), of_bms(cells), rules(precedence, 0.02))
    assert (sample.quality is Quality.GOOD) is good
    assert combined(of_tap(), of_bms(cells), rules(precedence)).quality is Quality.GOOD, "not compared"


@pytest.mark.parametrize("which", ["tap", "bms"])
def test_one_that_is_implausible_makes_the_sample_so(which: str) -> None:
    bad = {"quality": Quality.IMPLAUSIBLE}
    sample = combined(of_tap(**bad if which == "tap" else {}), of_bms(**bad if which == "bms" else {}), rules())
    assert sample.quality is Quality.IMPLAUSIBLE


class Scripted:
    """A BMS that answers with what it was given, or raises it."""

    def __init__(self, answer: BmsSample | DeviceError) -> None:
        self.answer = answer
        self.asked = 0

    async def identify(self) -> Identity:
        if isinstance(self.answer, DeviceError):
            raise self.answer
        return Identity("M", "S", "1")

    async def read(self) -> BmsSample:
        self.asked += 1
        if isinstance(self.answer, DeviceError):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("error", [ReplyTimeout("no reply"), LinkError("gone")])
async def test_a_dead_bms_is_done_without_only_where_the_bench_file_allows_it(error: DeviceError) -> None:
    tap, dead = Scripted(of_tap(temperatures_c=(25.0,))), Scripted(error)
    alone = CellTap(dead, tap, rules(required=False))
    assert (await alone.identify()).model == "cell tap M, without the pack's BMS"
    sample = await alone.read()
    assert sample.cell_voltages_v.tolist() == CELLS.tolist()
    assert (sample.temperatures_c, sample.soc, sample.charge_limit_a, sample.alarms) == ((25.0,), None, None, ())
    for strict in (rules(), rules("bms", required=False)):
        both = CellTap(dead, tap, strict)
        with pytest.raises(type(error)):
            await both.identify()
        with pytest.raises(type(error)):
            await both.read()


async def test_a_dead_tap_is_never_done_without() -> None:
    for precedence in ("tap", "bms"):
        both = CellTap(Scripted(of_bms(CELLS)), Scripted(ReplyTimeout("no reply")), rules(precedence, required=False))
        with pytest.raises(ReplyTimeout):
            await both.read()
        with pytest.raises(ReplyTimeout):
            await both.identify()


async def test_a_dead_bms_is_asked_again_now_and_then_and_counts_when_it_is_back() -> None:
    bms, tap = Scripted(ReplyTimeout("no reply")), Scripted(of_tap())
    both = CellTap(bms, tap, rules(required=False))
    for _ in range(21):
        assert (await both.read()).soc is None
    assert (tap.asked, bms.asked) == (21, 3)
    bms.answer = of_bms(CELLS)
    for _ in range(9):
        assert (await both.read()).soc is None
    for _ in range(5):
        assert (await both.read()).soc == 0.5
    assert bms.asked == 8
    assert (await both.identify()).model == "M, with cell tap M"


# -------------------------------------------------------------- bench file


def bench(tap: str = TAP) -> str:
    board = "  board:\n    device"
    assert BENCH.count(board) == 1
    return BENCH.replace(board, tap.lstrip("\n") + board)


def test_a_bench_file_without_a_tap_has_none() -> None:
    spec = load_bench(BENCH, "b.yaml")
    assert spec.cell_tap is None
    assert list(spec.devices) == ["cycler", "bms", "board"]


def test_a_tap_in_a_bench_file_is_asked_as_often_as_the_bms() -> None:
    text = bench(TAP + "    precedence: tap\n    cross_check: 20 mV\n    bms_required: false\n    settings: {a: 1}\n")
    tap = load_bench(text, "b.yaml").cell_tap
    assert tap is not None
    assert (tap.precedence, tap.cross_check_v, tap.bms_required) == ("tap", 0.02, False)
    assert (tap.device.role, tap.device.device, tap.device.unit) == ("cell_tap", "modbus-hv-bms", 3)
    assert (tap.device.poll_period_ns, tap.device.stale_after_ns) == (1_000_000_000, 2_500_000_000)
    assert (tap.device.reply_timeout_ns, dict(tap.device.settings)) == (300_000_000, {"a": 1})
    plain = load_bench(bench(), "b.yaml").cell_tap
    assert plain is not None
    assert (plain.precedence, plain.cross_check_v, plain.bms_required) == ("tap", None, True)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("    precedence: both\n", "devices.cell_tap.precedence: found 'both', expected one of 'tap' or 'bms'"),
        ("    cross_check: 20\n", "devices.cell_tap.cross_check"),
        ("    cross_check: 0 V\n", "devices.cell_tap.cross_check: found 0 V, expected more than 0 V"),
        ("    poll: 1 s\n", "devices.cell_tap.poll: unknown key"),
        ("    precedence: bms\n    bms_required: false\n", "only a tap that has precedence can do without the BMS"),
    ],
)
def test_a_tap_that_contradicts_itself_is_refused(change: str, complaint: str) -> None:
    with pytest.raises(InputError) as refused:
        load_bench(bench(TAP + change), "b.yaml")
    assert complaint in str(refused.value)


def test_a_tap_that_answers_later_than_the_bms_is_asked_again_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"devices.cell_tap.reply_timeout: cannot be met: found 1 s, expected less than"
    ):
        load_bench(bench(TAP.replace("300 ms", "1 s")), "b.yaml")
