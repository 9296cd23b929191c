"""Neware's step file: what is written, that it comes back, and what is refused rather than half understood."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packbench.core.errors import InputError
from packbench.core.step_program import (
    CccvStep,
    CcStep,
    CvStep,
    CycleStep,
    PauseStep,
    ProgramStep,
    Protections,
    Recording,
    RestStep,
    StepProgram,
)
from packbench.wire.neware.steps import MAX_STEP_FILE, from_neware_xml, to_neware_xml

PROGRAM = StepProgram(
    "residual capacity",
    (
        RestStep(60.0),
        CccvStep(29.0, 345.6, 4.4, 36000.0),
        RestStep(1800.0),
        CcStep("discharge", 88.0, 268.8, 14400.0, 100.0),
        CycleStep(2, 3),
        PauseStep(),
        CvStep("charge", 330.0, 29.0, 4.4),
        CvStep("discharge", 320.0, None, None, 600.0),
        CcStep("charge", 29.0, 331.2),
    ),
    Protections(350.4, 264.0, 100.0, 120.0, 150.0, 2.0),
    Recording(1.0, 0.5, 2.0),
)


def tree(program: StepProgram = PROGRAM) -> ET.Element:
    return ET.fromstring(to_neware_xml(program))


def part(parent: ET.Element, path: str) -> ET.Element:
    found = parent.find(path)
    assert found is not None, path
    return found


def values(parent: ET.Element, path: str) -> dict[str, str]:
    return {child.tag: child.get("Value", "") for child in part(parent, path)}


def test_units_are_those_of_the_file() -> None:
    """Tenths of a millivolt, milliamperes, milliseconds, milliampere seconds."""
    steps = {step.tag: step for step in tree().iterfind("config/Step_Info/*")}
    assert [step.get("Step_Type") for step in steps.values()] == ["4", "7", "4", "2", "5", "13", "3", "19", "1", "6"]
    assert [step.get("Step_ID") for step in steps.values()] == [str(number) for number in range(1, 11)]
    assert values(steps["Step1"], "Limit/Main") == {"Time": "60000.000000"}
    assert values(steps["Step2"], "Limit/Main") == {
        "Curr": "29000.000000",
        "Volt": "3456000.000000",
        "Time": "36000000.000000",
        "Stop_Curr": "4400.000000",
    }
    assert values(steps["Step4"], "Limit/Main") == {
        "Curr": "88000.000000",
        "Time": "14400000.000000",
        "Cap": "360000000.000000",
        "Stop_Volt": "2688000.000000",
    }
    assert values(steps["Step5"], "Limit/Other") == {"Start_Step": "2", "Cycle_Count": "3"}
    assert len(steps["Step6"]) == 0
    assert values(steps["Step9"], "Limit/Main") == {"Curr": "29000.000000", "Stop_Volt": "3312000.000000"}


def test_the_head_and_what_holds_for_the_whole_program() -> None:
    config = part(tree(), "config")
    assert (config.get("type"), config.get("version"), config.get("date")) == ("Step File", "17", "20000101000000")
    head = values(config, "Head_Info")
    assert (head["Scale"], head["Start_Step"], head["RateType"]) == ("1", "1", "103")
    assert head["Remark"] == "residual capacity"
    protect = part(config, "Whole_Prt/Protect/Main")
    assert values(protect, "Volt") == {"Upper": "3504000.000000", "Lower": "2640000.000000"}
    assert values(protect, "Curr") == {"Upper": "100000.000000", "Lower": "-120000.000000"}
    assert values(protect, "Cap") == {"Upper": "540000000.000000"}
    assert part(protect, "Delay_Time").get("Value") == "2000.000000"
    assert values(config, "Whole_Prt/Record/Main") == {
        "Time": "1000.000000",
        "Volt": "5000.000000",
        "Curr": "2000.000000",
    }
    assert part(config, "Step_Info").get("Num") == "10"


def test_a_program_comes_back_as_it_was_written() -> None:
    assert from_neware_xml(to_neware_xml(PROGRAM).encode(), "payload.xml") == PROGRAM


def test_the_same_program_is_the_same_file() -> None:
    assert to_neware_xml(PROGRAM) == to_neware_xml(replace(PROGRAM))
    other = to_neware_xml(replace(PROGRAM, name="another"))
    assert part(ET.fromstring(other), "config").get("Guid") != part(tree(), "config").get("Guid")
    assert to_neware_xml(PROGRAM, written_on="20261125223000").count("20261125223000") == 1


def test_what_is_not_stated_is_left_out() -> None:
    bare = StepProgram("", (RestStep(1.0),), Protections(), Recording(1.0))
    main = part(tree(bare), "config/Whole_Prt/Protect/Main")
    assert [child.tag for child in main] == ["Volt", "Curr", "Cap"]
    assert all(len(child) == 0 for child in main)
    assert from_neware_xml(to_neware_xml(bare).encode(), "x") == bare


def test_a_name_is_escaped_and_one_that_xml_cannot_carry_is_refused() -> None:
    named = replace(PROGRAM, name='<"&\n 容量')
    assert from_neware_xml(to_neware_xml(named).encode(), "x") == named
    with pytest.raises(InputError, match=r"U\+0000"):
        to_neware_xml(replace(PROGRAM, name="\0"))


# ------------------------------------------------------------ a file that somebody else's program wrote


UNICYCLER = Path(__file__).parents[1] / "data" / "neware" / "step-file-by-aurora-unicycler-0.4.6.xml"
"""What aurora-unicycler's to_neware_xml made of THEIRS, with its currents at C-rates of 100 Ah."""
THEIRS = StepProgram(
    "cell 7",
    (
        RestStep(60.0),
        CcStep("charge", 30.0, 345.6),
        CvStep("charge", 345.6, 30.0, 5.0),
        RestStep(1800.0),
        CcStep("discharge", 88.0, 268.8, 14400.0),
        CycleStep(2, 3),
    ),
    Protections(350.4, 264.0, 100.0, 120.0, 150.0, 2.0),
    Recording(1.0, 0.5, 2.0),
)


def test_a_step_file_of_aurora_unicycler_is_read() -> None:
    assert from_neware_xml(UNICYCLER.read_bytes(), UNICYCLER.name) == THEIRS


def test_a_step_file_is_written_line_by_line_as_aurora_unicycler_writes_it() -> None:
    ours = [line.replace(" />", "/>") for line in to_neware_xml(THEIRS).splitlines()]
    theirs = UNICYCLER.read_text("utf-8").splitlines()
    assert [line for line in ours if line not in theirs] == [ours[0], ours[2], '      <Creator Value="packbench"/>']
    left_out = [line.strip().split()[0] for line in theirs if line not in ours]
    assert left_out == ["<?xml", "<config", "<Creator", "<MultCap", "<Rate", "<Stop_Rate", "<Rate"]


# ------------------------------------------------------------ programs that no cycler could run


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ((), "needs a step"),
        ((CcStep("charge", 1.0),), r"step 1 \(cc_charge\): it never ends"),
        ((CvStep("charge", 3.0, 1.0),), "it never ends"),
        ((RestStep(0.0),), r"step 1 \(rest\): its values must be positive"),
        ((CcStep("discharge", -1.0, 3.0),), "must be positive"),
        ((CcStep("discharge", float("nan"), 3.0),), "must be positive"),
        ((CcStep("discharge", 1.0, float("inf")),), "must be positive"),
        ((CccvStep(1.0, 4.0, 1.0),), "ends at 1 A"),
        ((CycleStep(1, 2),), "must go back"),
        ((RestStep(1.0), CycleStep(0, 2)), "must go back, not to step 0"),
        ((RestStep(1.0), CycleStep(1, 0)), "0 rounds"),
        ((RestStep(1.0), CycleStep(1, 2), CycleStep(2, 2)), "nothing in it but loops"),
        (
            (RestStep(1.0), RestStep(1.0), CycleStep(1, 2), RestStep(1.0), CycleStep(2, 2)),
            "middle of the loop that ends at step 3",
        ),
    ],
)
def test_unsound_steps(steps: tuple[ProgramStep, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(PROGRAM, steps=steps)


def test_loops_may_lie_inside_each_other_or_apart() -> None:
    rest = RestStep(1.0)
    for steps in ((rest, rest, CycleStep(2, 2), CycleStep(1, 2)), (rest, CycleStep(1, 2), rest, CycleStep(3, 2))):
        assert replace(PROGRAM, steps=steps).steps == steps


@pytest.mark.parametrize(
    "limits",
    [
        Protections(voltage_max_v=-1.0),
        Protections(voltage_max_v=3.0, voltage_min_v=3.0),
        Protections(voltage_min_v=float("nan")),
        Protections(discharge_current_max_a=0.0),
        Protections(delay_s=-1.0),
    ],
)
def test_unsound_protections(limits: Protections) -> None:
    with pytest.raises(ValueError, match="protections"):
        replace(PROGRAM, protections=limits)


def test_unsound_recording() -> None:
    with pytest.raises(ValueError, match="recording"):
        replace(PROGRAM, recording=Recording(0.0))


# ------------------------------------------------------------ files that are not wholly understood


def changed(change: Callable[[ET.Element], None]) -> bytes:
    root = tree()
    change(part(root, "config"))
    return ET.tostring(root)


def setting(path: str, name: str, value: str) -> Callable[[ET.Element], None]:
    def change(config: ET.Element) -> None:
        part(config, path).set(name, value)

    return change


def adding(path: str, tag: str, value: str | None = None) -> Callable[[ET.Element], None]:
    def change(config: ET.Element) -> None:
        ET.SubElement(part(config, path), tag, {} if value is None else {"Value": value})

    return change


def removing(path: str) -> Callable[[ET.Element], None]:
    def change(config: ET.Element) -> None:
        parent_path, _, tag = path.rpartition("/")
        parent = part(config, parent_path)
        parent.remove(part(parent, tag))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (setting("Head_Info/Scale", "Value", "100"), "Scale is 100"),
        (setting("Head_Info/Start_Step", "Value", "2"), "begins at step 2"),
        (setting(".", "type", "Something"), "Step File"),
        (setting("Step_Info", "Num", "9"), "says 9 steps and has 10"),
        (setting("Step_Info/Step3", "Step_ID", "4"), "step 3 is called Step3 with Step_ID 4"),
        (setting("Step_Info/Step3", "Step_Type", "25"), "Step3 is of type 25"),
        (setting("Step_Info/Step10", "Step_Type", "4"), "last step is no end"),
        (setting("Step_Info/Step3", "Step_Type", "6"), "type 6"),
        (setting("Step_Info/Step4/Limit/Main/Curr", "Value", "much"), "not a number"),
        (setting("Step_Info/Step4/Limit/Main/Curr", "Is_Select", "0"), "Step4 has no Curr"),
        (setting("Step_Info/Step5/Limit/Other/Cycle_Count", "Value", "2.5"), "whole Cycle_Count"),
        (setting("Step_Info/Step5/Limit/Other/Start_Step", "Value", "7"), "must go back"),
        (setting("Whole_Prt/Protect/Main/Curr/Lower", "Value", "5000"), "least charging current"),
        (adding("Step_Info/Step4", "Protect"), "<Protect>"),
        (adding("Step_Info/Step4/Limit", "Cnd1"), "<Cnd1>"),
        (adding("Step_Info/Step4/Limit/Main", "Delta_V", "1"), "<Delta_V>"),
        (adding("Step_Info/Step4/Limit/Main", "Volt", "1"), "Step4 is of type 2 and has a Volt"),
        (adding("Step_Info/Step4/Limit/Main", "Curr", "1"), "has 2 Curr"),
        (adding("Whole_Prt/Protect/Main", "Temp"), "<Temp>"),
        (adding("Whole_Prt/Protect/Main/Cap", "Lower", "1"), "<Lower>"),
        (removing("Step_Info/Step3/Limit/Main/Time"), "Step3 has no Time"),
        (removing("Whole_Prt/Record/Main/Time"), "records nothing"),
        (removing("Whole_Prt/Protect"), "0 Protect/Main"),
        (removing("Head_Info/Scale"), ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_says_more_than_is_understood_is_refused(
    change: Callable[[ET.Element], None], message: str
) -> None:
    document = changed(change)
    if not message:
        assert from_neware_xml(document, "payload.xml") == PROGRAM
        return
    with pytest.raises(InputError, match=message) as refused:
        from_neware_xml(document, "payload.xml")
    assert refused.value.problems[0].file == "payload.xml"


def test_a_rate_beside_its_current_is_passed_over() -> None:
    """As aurora-unicycler writes a C-rate: the current that it comes to stands beside it."""
    assert from_neware_xml(changed(adding("Step_Info/Step4/Limit/Main", "Rate", "1.0")), "x") == PROGRAM


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"hello there",
        b"<root/>",
        b'<!DOCTYPE root [<!ENTITY a "b">]><root><config/></root>',
        b"<root><config type='Step File'/></root>",
        b" " * (MAX_STEP_FILE + 1),
    ],
)
def test_what_is_no_step_file_is_refused(document: bytes) -> None:
    with pytest.raises(InputError, match="step file"):
        from_neware_xml(document, "payload.xml")


# ------------------------------------------------------------ properties


def amounts(top: int, low: int = 0) -> st.SearchStrategy[float]:
    """Multiples of a ten-thousandth above `low`: finer than any device, and exact in the file's decimals."""
    return st.integers(low * 10_000 + 1, top * 10_000).map(lambda count: count / 10_000)


maybe = st.none() | amounts(1000)
steps_of_any_kind = st.one_of(
    st.builds(CcStep, st.sampled_from(["charge", "discharge"]), amounts(500), amounts(1000), maybe, maybe),
    st.builds(CccvStep, amounts(500, 1), amounts(1000), st.just(0.5), maybe, maybe),
    st.builds(CvStep, st.sampled_from(["charge", "discharge"]), amounts(1000), maybe, amounts(100), maybe),
    st.builds(RestStep, amounts(86400)),
    st.just(PauseStep()),
)
programs = st.builds(
    StepProgram,
    st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), max_size=12),
    st.lists(steps_of_any_kind, min_size=1, max_size=8).flatmap(
        lambda steps: st.tuples(st.integers(1, len(steps)), st.integers(1, 99)).map(
            lambda loop: (*steps, CycleStep(*loop))
        )
    ),
    st.builds(Protections, st.none() | amounts(2000, 1000), maybe, maybe, maybe, maybe, amounts(60)),
    st.builds(Recording, amounts(3600), maybe, maybe),
)


@given(programs)
def test_every_program_comes_back_as_it_was_written(program: StepProgram) -> None:
    again = from_neware_xml(to_neware_xml(program).encode(), "x")
    assert again == program
    assert to_neware_xml(again) == to_neware_xml(program)


TEXT = to_neware_xml(PROGRAM).encode()


@given(st.integers(0, len(TEXT)), st.integers(0, 30), st.binary(max_size=12))
def test_any_damage_is_refused_or_gives_a_sound_program(at: int, cut: int, put: bytes) -> None:
    try:
        program = from_neware_xml(TEXT[:at] + put + TEXT[at + cut :], "x")
    except InputError:
        return
    assert from_neware_xml(to_neware_xml(program).encode(), "x") is not None


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        from_neware_xml(data, "x")
