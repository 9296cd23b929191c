"""What the language comes to: sub-profiles, names, formulas, tables and pulses, number by number."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.profile_mutants.bases import FILES, RICH, beside

from packbench.config.pack import load_pack
from packbench.core.errors import InputError
from packbench.core.limits import LimitSet
from packbench.core.units import UnitError
from packbench.profile.amounts import Apply, Constant, Formula, Past, RoundVariable, UserVariable
from packbench.profile.checking.flow import most_rounds
from packbench.profile.language.compiler import compile_profile
from packbench.profile.language.formula import parse_formula
from packbench.profile.language.resolve import Scope, bind, no_steps
from packbench.profile.plan import (
    Around,
    ChamberSet,
    ConstantCurrent,
    ConstantPower,
    ConstantVoltage,
    End,
    Goto,
    LoopEnd,
    Pause,
    Plan,
    Rest,
    Segment,
    SetVariables,
    Soak,
    Waveform,
)

CONFIGS = Path(__file__).parents[2] / "configs"
PACK = load_pack((CONFIGS / "packs/nmc-96s.yaml").read_text(encoding="utf-8"), "nmc-96s.yaml")
HEAD = "profile: t\ntitle: {en: T, zh: 测}\n"
S = 1_000_000_000


def compiled(steps: str, head: str = HEAD, **parameters: str) -> Plan:
    return compile_profile(f"{head}steps:\n{steps}", "t.yaml", PACK, beside, parameters)


def test_everything_number_by_number():
    plan = compile_profile(RICH, "rich.yaml", PACK, beside)
    look, warm, cccv, rested, charged, zero, down, settle, hit, _, levels, jump, drive, steady, *rest = plan.steps
    assert isinstance(look, Pause)
    assert [(answer.word, answer.goto) for answer in look.answers] == [("sound", None), ("damaged", 19)]
    assert isinstance(warm, Soak)
    assert (warm.temperature_c, warm.within_k, warm.stable_ns) == (25.0, 2.0, 3600 * S)
    assert isinstance(cccv, ConstantVoltage)
    assert (cccv.label, cccv.current_a, cccv.end_current_a) == ("full.cccv", 50.0, 7.5)
    assert cccv.protect == rested.protect == LimitSet(temperature_max_c=43.0), "its file's limits are its steps'"
    assert look.protect == LimitSet()
    assert cccv.record.around is None, "a sub-profile's record is its own"
    assert down.record.around == Around(1 * S, 5 * S, S // 5)
    assert charged == SetVariables(
        label="full.set-3",
        kind="set",
        record=charged.record,
        max_time_ns=charged.max_time_ns,
        values=(("full.charged", Formula(Past("ah", 2, 3600.0), 3600.0, "ah(cccv)")),),
    )
    assert isinstance(zero, SetVariables) and zero.values == (("used", 0.0), ("rounds", 0.0))
    assert isinstance(down, ConstantCurrent) and down.current_a == 50.0
    reached, lowest, lower = down.until
    bound = reached.tests[0].value
    assert isinstance(bound, Formula) and bound.text == "(1 - $soc) * rated - $used"
    soc = RoundVariable("soc", 10, (0.9, 0.5, 0.1))
    left = Apply("*", (Apply("-", (Constant(1.0), soc)), Constant(150.0 * 3600.0)))
    assert bound.expression == Apply("-", (left, UserVariable("used", 3600.0)))
    assert [(until.text, until.goto) for until in (lowest, lower)] == [
        ("cell_min <= cell_cutoff", 18),
        ("voltage <= pack_cutoff", 18),
    ]
    assert isinstance(settle, Rest) and settle.until[0].window_ns == 600 * S
    assert settle.until[0].tests[0].value == pytest.approx(1 / 3600)
    assert isinstance(hit, Waveform)
    assert [segment.for_ns for segment in hit.segments] == [10 * S, 40 * S, 10 * S]
    assert [segment.read_outs_ns for segment in hit.segments] == [(2 * S, 10 * S), (), (1 * S, 10 * S)]
    rates = RoundVariable("hit_rate", 10, (30.0, 45.0, 15.0))
    first = hit.segments[0].value
    assert isinstance(first, Formula) and first.expression == Apply("*", (rates, Constant(-1.0)))
    assert hit.segments[1].value == 0.0
    assert isinstance(levels, LoopEnd) and (levels.start, levels.repeat) == (6, 3)
    assert most_rounds(plan) == 3
    assert isinstance(jump, Goto) and (jump.target, jump.until[0].text) == (16, "temperature_max >= 40 degC")
    assert isinstance(drive, Waveform) and drive.quantity == "power"
    # 20 % of 60 kW is what the largest value becomes.
    assert drive.segments == (Segment(60 * S, pytest.approx(-12000.0)), Segment(30 * S, pytest.approx(4800.0)))  # type: ignore[arg-type]
    assert [test.text for test in drive.until] == ["cell_min <= 3.1 V and step_time >= 1 min"]
    assert isinstance(steady, ConstantPower) and (steady.power_w, steady.sign) == (10000.0, -1)
    hot, off, empty, rejected = rest[-4:]
    assert isinstance(hot, Rest) and hot.until[0].tests[0].value == 5400.0
    assert isinstance(off, ChamberSet) and off.temperature_c is None
    assert isinstance(empty, End) and isinstance(rejected, End)
    assert (rejected.verdict, rejected.reason_en, rejected.reason_zh) == ("fail", "It was damaged", "外观异常")
    assert plan.variables == {"full.charged": "charge", "used": "charge", "rounds": "ratio", "ohm": "resistance"}
    assert [source.name for source in plan.sources] == ["charge"]


def test_places_of_a_sub_profile_are_in_its_file():
    plan = compile_profile(RICH, "rich.yaml", PACK, beside)
    place = plan.places[2, "current"]
    assert (place.file, place.line, place.field) == ("charge", 8, "steps[1].cccv_charge.current")
    assert plan.places[6, "current"].file == ""
    assert plan.places[6, "until.1.tests.0"].line == 25, "a test within a group has a place of its own"
    assert plan.places[6, "until.2.tests.0"].line == 26


def test_a_sub_profile_that_passes_goes_on(monkeypatch):
    inner = (
        "profile: inner\ntitle: {en: I, zh: 内}\nsteps:\n"
        "  - rest: {until: {when: cell_min <= 3 V, goto: low}, for: 1 h}\n"
        "  - end: {verdict: pass}\n"
        "  - rest: {label: low, for: 2 h, until: {when: cell_min <= 2.9 V, goto: end}}\n"
        "  - end: {label: done}\n"
    )
    monkeypatch.setitem(FILES, "inner", inner)
    plan = compiled("  - profile: {use: inner}\n  - rest: {label: next, for: 3 h}\n")
    first, passes, low, following, end = plan.steps
    assert isinstance(passes, Goto) and passes.target == 3, "its own end is not the whole's"
    assert (first.until[0].goto, low.until[0].goto) == (2, 3)
    assert (following.label, type(end)) == ("next", End)
    failing = inner.replace("verdict: pass", "verdict: fail, reason: {en: low, zh: 低}")
    monkeypatch.setitem(FILES, "inner", failing)
    _, fails, *_ = compiled("  - profile: {use: inner}\n  - rest: {for: 3 h}\n").steps
    assert isinstance(fails, End) and fails.verdict == "fail"
    alone = compile_profile(inner, "inner.yaml", PACK)
    assert isinstance(alone.steps[1], End) and isinstance(alone.steps[3], End)


def test_the_same_sub_profile_twice_is_two():
    plan = compiled("  - profile: {use: charge, with: {current: C/4}}\n  - profile: {use: charge}\n")
    assert [step.label for step in plan.steps if step.label.endswith("cccv")] == ["charge.cccv", "charge-x.cccv"]
    currents = [step.current_a for step in plan.steps if isinstance(step, ConstantVoltage)]
    assert currents == [37.5, 50.0]
    assert set(plan.variables) == {"charge.charged", "charge-x.charged"}


def test_sub_profiles_that_multiply_come_to_an_end(monkeypatch):
    uses = "  - profile: {use: level-%d}\n" * 10
    for level in range(6):
        text = f"profile: p\ntitle: {{en: T, zh: 测}}\nsteps:\n{uses % ((level + 1,) * 10)}  - rest: {{for: 1 s}}\n"
        monkeypatch.setitem(FILES, f"level-{level}", text)
    monkeypatch.setitem(FILES, "level-6", FILES["charge"])
    with pytest.raises(InputError) as caught:
        compiled("  - profile: {use: level-0}\n")
    assert {problem.message for problem in caught.value.problems} == {"too long"}


def test_parameters_from_the_command_line():
    head = HEAD + "parameters: {rate: 1 I3, share: 50 %}\n"
    steps = "  - cc_discharge: {current: $rate, until: [step_ah >= $share * rated, cell_min <= cell_cutoff]}\n"
    step = compiled(steps, head, rate="0.1C", share="0.2").steps[0]
    assert isinstance(step, ConstantCurrent)
    assert (step.current_a, step.until[0].tests[0].value) == (15.0, 30.0)
    with pytest.raises(InputError) as caught:
        compiled(steps, head, rate="3 V", share="voltage / 1 V", rat="1 A", other="")
    assert [str(problem) for problem in caught.value.problems] == [
        "--with rate: found '3 V', expected a current, as its default",
        "--with share: found 'voltage / 1 V', expected a value that is known before the run",
        "--with: unknown parameter: found 'rat', expected one of rate, share",
        "--with: unknown parameter: found 'other', expected one of rate, share",
    ]


def test_tables():
    table = compiled("  - power_profile: {file: bom.csv}\n").steps[0]
    assert isinstance(table, Waveform)
    assert table.segments == (Segment(3 * S // 2, -1000.0), Segment(S // 2, 500.0))
    held = compiled("  - current_profile: {points: [[0 s, 0.1C], [1 s, 15 A], [3 s, 1 A], [4 s, 0 A]], scale: 50 %}\n")
    wave = held.steps[0]
    assert isinstance(wave, Waveform)
    assert wave.segments == (Segment(3 * S, 7.5), Segment(1 * S, 0.5)), "what is equal is one piece"
    varied = compiled(
        "  - loop:\n      each: {p: [10 %Pmax, 20 %Pmax]}\n      steps:\n"
        "        - power_profile: {points: [[0 s, -2 kW], [1 s, 1 kW], [2 s, 0 W]], peak: $p}\n"
    ).steps[0]
    assert isinstance(varied, Waveform)
    down, up = (segment.value for segment in varied.segments)
    assert isinstance(down, Formula) and isinstance(up, Formula)
    share = Apply("*", (RoundVariable("p", 1, (6000.0, 12000.0)), Constant(1 / 2000)))
    assert down.expression == Apply("*", (share, Constant(-2000.0)))
    assert up.expression == Apply("*", (share, Constant(1000.0)))


def test_rounds_are_counted_through_loops_within_loops():
    inner = "loop: {repeat: 4, steps: [rest: {for: 1 s}]}"
    plan = compiled(f"  - loop: {{repeat: 3, steps: [{inner}, rest: {{for: 1 s}}]}}\n  - {inner}\n")
    # Three rounds, each with three goings-round within; and three more at the end.
    assert most_rounds(plan) == 1 + 2 + 3 * 3 + 3
    never = f"  - loop: {{repeat: 3, steps: [{inner}]}}\n  - rest: {{for: 1 h, until: cycle >= %d}}\n"
    assert compiled(never % 12)
    with pytest.raises(InputError, match="at most 12: no more rounds are gone"):
        compiled(never % 13)


# --- formulas ---------------------------------------------------------------------------------------

SCOPE = Scope(PACK, {}, no_steps)
UNITS = {
    # Unit: exponents of V, A, s, K and the factor to them.
    "V": ((1, 0, 0, 0), 1.0),
    "mV": ((1, 0, 0, 0), 1e-3),
    "A": ((0, 1, 0, 0), 1.0),
    "kW": ((1, 1, 0, 0), 1e3),
    "s": ((0, 0, 1, 0), 1.0),
    "min": ((0, 0, 1, 0), 60.0),
    "h": ((0, 0, 1, 0), 3600.0),
    "Ah": ((0, 1, 1, 0), 3600.0),
    "Wh": ((1, 1, 1, 0), 3600.0),
    "K": ((0, 0, 0, 1), 1.0),
    "K/min": ((0, 0, -1, 1), 1 / 60),
    "mV/h": ((1, 0, -1, 0), 1e-3 / 3600),
    "ohm": ((1, -1, 0, 0), 1.0),
    "%": ((0, 0, 0, 0), 0.01),
    "I3": ((0, 1, 0, 0), 50.0),
    "C": ((0, 1, 0, 0), 150.0),
    "": ((0, 0, 0, 0), 1.0),
}
LEAVES = st.builds(
    lambda number, unit: (f"{number} {unit}".strip(), *UNITS[unit], float(number)),
    st.integers(1, 9),
    st.sampled_from(sorted(UNITS)),
).map(lambda leaf: (leaf[0], leaf[1], leaf[2] * leaf[3]))
Quantity = tuple[str, tuple[int, ...], float]


def combine(operator: str, one: Quantity, other: Quantity) -> Quantity | None:
    """The text of an operation, its exponents and its value in base units; None where there is none."""
    text = f"({one[0]} {operator} {other[0]})"
    if operator in "+-":
        value = one[2] + other[2] if operator == "+" else one[2] - other[2]
        return (text, one[1], value) if one[1] == other[1] else None
    sign = 1 if operator == "*" else -1
    exponents = tuple(a + sign * b for a, b in zip(one[1], other[1], strict=True))
    return text, exponents, one[2] * other[2] if operator == "*" else one[2] / other[2] if other[2] else 0.0


@given(LEAVES, st.lists(st.tuples(st.sampled_from("+-*/"), LEAVES), max_size=5))
def test_dimensions_and_values_are_those_of_a_reckoner(first, steps):
    quantity: Quantity | None = first
    text = first[0]
    for operator, leaf in steps:
        if quantity is None or (operator == "/" and leaf[2] == 0.0):
            return
        text = f"({quantity[0]} {operator} {leaf[0]})"
        quantity = combine(operator, quantity, leaf)
    tree = parse_formula(text)
    if quantity is None:
        with pytest.raises(UnitError, match="two of the same dimension"):
            bind(tree, SCOPE, text)
        return
    found = bind(tree, SCOPE, text)
    assert found.kind.exponents == quantity[1]
    assert isinstance(found.expression, Constant)
    assert found.expression.value == pytest.approx(quantity[2], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("25 degC + 2 K", "temperature", 27.0),
        ("2 K + 25 degC", "temperature", 27.0),
        ("25 degC - 2 K", "temperature", 23.0),
        ("25 degC - 20 degC", "temperature_difference", 5.0),
        ("max(20 degC, 25 degC)", "temperature", 25.0),
        ("(25 degC - 20 degC) / 1 h", "temperature_rate", 5 / 3600),
        ("pack_full - 96 * cell_full", "voltage", 0.0),
        ("Pmax / pack_cutoff", "current", 60000 / 268.8),
        ("rated_energy / rated", "voltage", 52560 / 150),
        ("1 h 30 min + 30 s", "time", 5430.0),
        ("-(2 A - 5 A)", "current", 3.0),
        ("abs(2 A - 5 A)", "current", 3.0),
        ("min(1 I3, 0.5C, 40 A)", "current", 40.0),
        ("30 %Pmax", "power", 18000.0),
        ("30 % Pmax * 2", "power", 36000.0),
        ("2 * C/3", "current", 100.0),
        ("3 % + 1", "ratio", 1.03),
    ],
)
def test_formulas_by_hand(text, kind, value):
    found = bind(parse_formula(text), SCOPE, text)
    assert found.kind.dimension == kind
    assert isinstance(found.expression, Constant)
    assert found.expression.value == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        "25 degC + 20 degC",
        "2 K - 25 degC",
        "-25 degC * 1",
        "abs(25 degC)",
        "25 degC * 2",
        "1 / 25 degC",
        "min(1 K, 1 degC)",
    ],
)
def test_temperatures_are_no_numbers(text):
    with pytest.raises(UnitError):
        bind(parse_formula(text), SCOPE, text)
