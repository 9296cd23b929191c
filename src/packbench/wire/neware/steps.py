"""Neware's step file (`payload.xml`): a step program as the XML that a BTS 8 client loads, and back.

Owns the format. It is the one that aurora-unicycler 0.4.6 writes (`_formats/neware.py`, MIT; "tested on
BTS 8.0.0"), read and followed, not copied: `config type="Step File" version="17"`, `Head_Info` with
`Scale` 1, protections and recording for the whole program, one `StepN` a step, an end step. Its units:
voltage in 0.1 mV, current in mA, time in ms, capacity in mA s. `MultCap` and `Rate`, which turn C-rates
into currents, are left out: currents are in amperes here.

Step types: 1 CC charge, 2 CC discharge, 3 CV charge, 4 rest, 5 cycle, 6 end, 19 CV discharge by
aurora-unicycler. 7 (CC-CV charge) and 13 (pause), and `Cap` as the end of a step, it does not write; they
are from two other public generators of such files (DigiBatt/bmgen, targets/neware/constants.py; and one
that names 13 alone): not confirmed by the former.

What would be lost is refused: another `Scale` (sources differ on whether it scales currents), protections
or conditions of a single step, types not listed. Nothing is read from a file that would then not be run.
"""

from __future__ import annotations

import uuid
import xml.etree.ElementTree as ET
from decimal import Decimal
from hashlib import sha256
from typing import Final

from packbench.core.errors import InputError, Problem
from packbench.core.step_program import (
    CccvStep,
    CcStep,
    CvStep,
    CycleStep,
    Direction,
    PauseStep,
    ProgramStep,
    Protections,
    Recording,
    RestStep,
    StepProgram,
)
from packbench.wire.neware.xml import Element, content, maybe_number, parse_xml, whole

MAX_STEP_FILE: Final = 1 << 20
"""Bytes: thousands of steps."""

_VOLT: Final = Decimal(10_000)
_MILLI: Final = Decimal(1_000)
_CAPACITY: Final = Decimal(3_600_000)

_CC: Final[dict[int, Direction]] = {1: "charge", 2: "discharge"}
_CV: Final[dict[int, Direction]] = {3: "charge", 19: "discharge"}
_REST, _CYCLE, _END, _CCCV, _PAUSE = 4, 5, 6, 7, 13
_UNDATED: Final = "20000101000000"


def to_neware_xml(program: StepProgram, *, written_on: str = _UNDATED) -> str:
    """The step file's text. Raises InputError for a name that XML cannot carry.

    Args:
        program: What the cycler is to do.
        written_on: Date and time that the file states, `YYYYMMDDhhmmss`; the cycler does not use it.
    """
    try:
        content(program.name)
    except ValueError as exc:
        raise InputError(Problem(str(exc), field="name", found=repr(program.name))) from exc
    # The same program has the same Guid: the file says what it is, not when it was made.
    guid = uuid.UUID(bytes=sha256(repr(program).encode()).digest()[:16], version=4)
    root = ET.Element("root")
    config = ET.SubElement(
        root,
        "config",
        type="Step File",
        version="17",
        client_version="BTS Client 8.0.0.478(2024.06.24)(R3)",
        date=written_on,
        Guid=str(guid),
    )
    head = ET.SubElement(config, "Head_Info")
    _value(head, "Operate", "66")
    _value(head, "Scale", "1")
    ET.SubElement(head, "Start_Step", Value="1", Hide_Ctrl_Step="0")
    _value(head, "Creator", "packbench")
    _value(head, "Remark", program.name)
    _value(head, "RateType", "103")
    whole_program = ET.SubElement(config, "Whole_Prt")
    _write_protections(ET.SubElement(whole_program, "Protect"), program.protections)
    recording = ET.SubElement(ET.SubElement(whole_program, "Record"), "Main")
    _number(recording, "Time", program.recording.period_s, _MILLI)
    _number(recording, "Volt", program.recording.voltage_change_v, _VOLT)
    _number(recording, "Curr", program.recording.current_change_a, _MILLI)
    end = len(program.steps) + 1
    steps = ET.SubElement(config, "Step_Info", Num=str(end))
    for number, step in enumerate(program.steps, 1):
        _write_step(steps, number, step)
    _step_element(steps, end, _END)
    ET.SubElement(ET.SubElement(config, "SMBUS"), "SMBUS_Info", Num="0", AdjacentInterval="0")
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, "unicode")}\n'


def _value(parent: Element, tag: str, value: str) -> None:
    ET.SubElement(parent, tag, Value=value)


def _number(parent: Element, tag: str, value: float | None, factor: Decimal) -> None:
    """A number in the file's unit, with six decimals as aurora-unicycler writes them; nothing for None.

    Decimals both ways, so that what was written in decimals comes back as it was.
    """
    if value is not None:
        _value(parent, tag, f"{Decimal(repr(float(value))) * factor:.6f}")


def _write_protections(parent: Element, limits: Protections) -> None:
    main = ET.SubElement(parent, "Main")
    voltage = ET.SubElement(main, "Volt")
    _number(voltage, "Upper", limits.voltage_max_v, _VOLT)
    _number(voltage, "Lower", limits.voltage_min_v, _VOLT)
    current = ET.SubElement(main, "Curr")
    _number(current, "Upper", limits.charge_current_max_a, _MILLI)
    # Discharge currents are negative.
    discharge_a = limits.discharge_current_max_a
    _number(current, "Lower", None if discharge_a is None else -discharge_a, _MILLI)
    _number(main, "Delay_Time", limits.delay_s or None, _MILLI)
    _number(ET.SubElement(main, "Cap"), "Upper", limits.capacity_max_ah, _CAPACITY)


def _step_element(parent: Element, number: int, step_type: int) -> Element:
    return ET.SubElement(parent, f"Step{number}", Step_ID=str(number), Step_Type=str(step_type))


def _write_step(parent: Element, number: int, step: ProgramStep) -> None:
    element = _step_element(parent, number, _type_of(step))
    if isinstance(step, PauseStep):
        return
    limit = ET.SubElement(element, "Limit")
    if isinstance(step, CycleStep):
        other = ET.SubElement(limit, "Other")
        _value(other, "Start_Step", str(step.first_step))
        _value(other, "Cycle_Count", str(step.rounds))
        return
    main = ET.SubElement(limit, "Main")
    match step:
        case CcStep(_, current_a, voltage_v, time_s, capacity_ah):
            _number(main, "Curr", current_a, _MILLI)
            _number(main, "Time", time_s, _MILLI)
            _number(main, "Cap", capacity_ah, _CAPACITY)
            _number(main, "Stop_Volt", voltage_v, _VOLT)
        case CccvStep(current_a, voltage_v, end_current_a, time_s, capacity_ah):
            _number(main, "Curr", current_a, _MILLI)
            _number(main, "Volt", voltage_v, _VOLT)
            _number(main, "Time", time_s, _MILLI)
            _number(main, "Cap", capacity_ah, _CAPACITY)
            _number(main, "Stop_Curr", end_current_a, _MILLI)
        case CvStep(_, voltage_v, current_max_a, end_current_a, time_s):
            _number(main, "Volt", voltage_v, _VOLT)
            _number(main, "Time", time_s, _MILLI)
            _number(main, "Stop_Curr", end_current_a, _MILLI)
            _number(main, "Curr", current_max_a, _MILLI)
        case RestStep(time_s):
            _number(main, "Time", time_s, _MILLI)


def _type_of(step: ProgramStep) -> int:
    match step:
        case CcStep(direction):
            return 1 if direction == "charge" else 2
        case CvStep(direction):
            return 3 if direction == "charge" else 19
        case CccvStep():
            return _CCCV
        case RestStep():
            return _REST
        case PauseStep():
            return _PAUSE
        case CycleStep():
            return _CYCLE


# ----------------------------------------------------------------------- reading


def from_neware_xml(document: bytes, file: str) -> StepProgram:
    """The program of a step file. Raises InputError, naming `file`, for one that is not wholly understood."""
    try:
        return _program(parse_xml(document, MAX_STEP_FILE))
    except ValueError as exc:
        raise InputError(Problem(f"a step file that cannot be run: {exc}", file=file)) from exc


def _program(root: Element) -> StepProgram:
    config = root.find("config")
    if root.tag != "root" or config is None or config.get("type") != "Step File":
        raise ValueError('it is no <root> with a <config type="Step File">')
    head = _one(config, "Head_Info")
    if (scale := _raw(head, "Scale")) not in (None, 1.0):
        raise ValueError(f"Scale is {scale:g}; only 1 is understood")
    if (first := _raw(head, "Start_Step")) not in (None, 1.0):
        raise ValueError(f"it begins at step {first:g}; only the first is understood")
    remark = head.find("Remark")
    whole_program = _one(config, "Whole_Prt")
    recording = _one(whole_program, "Record/Main")
    period_s = _scaled(recording, "Time", _MILLI)
    if period_s is None:
        raise ValueError("it records nothing: Whole_Prt/Record has no Time")
    return StepProgram(
        "" if remark is None else remark.get("Value", ""),
        _steps(_one(config, "Step_Info")),
        _protections(_one(whole_program, "Protect/Main")),
        Recording(period_s, _scaled(recording, "Volt", _VOLT), _scaled(recording, "Curr", _MILLI)),
    )


def _one(parent: Element, path: str) -> Element:
    found = parent.findall(path)
    if len(found) != 1:
        raise ValueError(f"<{parent.tag}> has {len(found)} {path}, not one")
    return found[0]


def _raw(parent: Element, tag: str) -> float | None:
    """The number in a child's `Value`; None when there is no such child, or it is marked as not selected."""
    found = parent.findall(tag)
    if len(found) > 1:
        raise ValueError(f"<{parent.tag}> has {len(found)} {tag}")
    return None if not found or found[0].get("Is_Select") == "0" else maybe_number(found[0], "Value")


def _scaled(parent: Element, tag: str, factor: Decimal) -> float | None:
    value = _raw(parent, tag)
    return None if value is None else float(Decimal(repr(value)) / factor)


def _only(parent: Element, *tags: str) -> None:
    """Nothing else may stand there: it would be a condition that nobody looks at."""
    for child in parent:
        if child.tag not in tags:
            raise ValueError(f"<{parent.tag}> has a <{child.tag}>, which is not understood here")


def _protections(main: Element) -> Protections:
    _only(main, "Volt", "Curr", "Delay_Time", "Cap")
    nothing = ET.Element("none")
    voltage, current, capacity = (
        nothing if (found := main.find(tag)) is None else found for tag in ("Volt", "Curr", "Cap")
    )
    for element in (voltage, current):
        _only(element, "Upper", "Lower")
    _only(capacity, "Upper")
    discharge_a = _scaled(current, "Lower", _MILLI)
    if discharge_a is not None and discharge_a >= 0.0:
        raise ValueError(f"the lower current is {discharge_a:g} A: a least charging current is not understood here")
    return Protections(
        _scaled(voltage, "Upper", _VOLT),
        _scaled(voltage, "Lower", _VOLT),
        _scaled(current, "Upper", _MILLI),
        None if discharge_a is None else -discharge_a,
        _scaled(capacity, "Upper", _CAPACITY),
        _scaled(main, "Delay_Time", _MILLI) or 0.0,
    )


def _steps(parent: Element) -> tuple[ProgramStep, ...]:
    elements = list(parent)
    if whole(parent, "Num") != len(elements):
        raise ValueError(f"Step_Info says {parent.get('Num')} steps and has {len(elements)}")
    for number, element in enumerate(elements, 1):
        if element.tag != f"Step{number}" or whole(element, "Step_ID") != number:
            raise ValueError(f"step {number} is called {element.tag[:40]} with Step_ID {element.get('Step_ID')}")
    if not elements or whole(elements[-1], "Step_Type") != _END:
        raise ValueError("its last step is no end")
    return tuple(_step(element) for element in elements[:-1])


_ENDS_AND_SETS: Final = ("Curr", "Volt", "Time", "Cap", "Stop_Volt", "Stop_Curr", "Rate", "Stop_Rate")
"""`Rate` and `Stop_Rate` stand beside the current that they came from."""


def _step(element: Element) -> ProgramStep:
    step_type = whole(element, "Step_Type")
    _only(element, "Limit")
    nothing = ET.Element(element.tag)
    limit = nothing if (found := element.find("Limit")) is None else found
    _only(limit, "Main", "Other")
    main, other = (nothing if (found := limit.find(tag)) is None else found for tag in ("Main", "Other"))
    _only(main, *_ENDS_AND_SETS)
    _only(other, "Start_Step", "Cycle_Count")
    values = {
        tag: _scaled(main, tag, factor)
        for tag, factor in (
            ("Curr", _MILLI),
            ("Volt", _VOLT),
            ("Time", _MILLI),
            ("Cap", _CAPACITY),
            ("Stop_Volt", _VOLT),
            ("Stop_Curr", _MILLI),
        )
    }
    if step_type == _CYCLE:
        return CycleStep(_counted(other, "Start_Step"), _counted(other, "Cycle_Count"))
    if len(other):
        raise ValueError(f"{element.tag} is of type {step_type} and has what a cycle has")
    return _plain_step(element.tag, step_type, values)


def _plain_step(tag: str, step_type: int, values: dict[str, float | None]) -> ProgramStep:
    def must(name: str) -> float:
        value = values[name]
        if value is None:
            raise ValueError(f"{tag} has no {name}")
        return value

    def none(*names: str) -> None:
        for name in names:
            if values[name] is not None:
                raise ValueError(f"{tag} is of type {step_type} and has a {name}, which is not understood there")

    if (direction := _CC.get(step_type)) is not None:
        none("Volt", "Stop_Curr")
        return CcStep(direction, must("Curr"), values["Stop_Volt"], values["Time"], values["Cap"])
    if (direction := _CV.get(step_type)) is not None:
        none("Stop_Volt", "Cap")
        return CvStep(direction, must("Volt"), values["Curr"], values["Stop_Curr"], values["Time"])
    if step_type == _CCCV:
        none("Stop_Volt")
        return CccvStep(must("Curr"), must("Volt"), must("Stop_Curr"), values["Time"], values["Cap"])
    if step_type == _REST:
        none("Curr", "Volt", "Cap", "Stop_Volt", "Stop_Curr")
        return RestStep(must("Time"))
    if step_type == _PAUSE:
        none(*values)
        return PauseStep()
    raise ValueError(f"{tag} is of type {step_type}, which is not understood here")


def _counted(parent: Element, tag: str) -> int:
    value = _raw(parent, tag)
    if value is None or not value.is_integer():
        raise ValueError(f"a cycle needs a whole {tag}")
    return int(value)
