"""An aurora-unicycler protocol in phases.

Owns what unicycler's steps mean for the pack. Positive current charges, theirs as ours; currents come in mA; C-rates
are of the pack's rated capacity, whatever capacity the sample has. Voltages are those of the sample, which is the whole
pack, unless the caller says that it was a cell.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from packbench.config.document import Document, Path, list_of, mapping_of
from packbench.config.validation import check_model, sort_problems, suggestion
from packbench.core.errors import InputError, Problem
from packbench.core.limits import LimitSet
from packbench.core.specs import PackSpec
from packbench.profile.exchange import unicycler_steps as u
from packbench.profile.exchange.outline import (
    PHASES_MAX,
    Account,
    Item,
    Level,
    Phase,
    Recording,
    Rounds,
    Sign,
    tidy,
)
from packbench.profile.exchange.sources import Source

CANNOT = "packbench cannot carry this"


@dataclass(frozen=True, slots=True)
class UnicyclerImport:
    """What a protocol comes to."""

    name: str
    items: tuple[Item, ...]
    limits: LimitSet
    account: Account


def from_unicycler(source: Source, pack: PackSpec, *, cells: int = 1) -> UnicyclerImport:
    """The protocol in phases. Raises InputError with everything that is wrong with it.

    `cells`: how many of the protocol's samples in series make the pack: 1, or the pack's cells.
    """
    reader = _Reader(source.document, pack, cells)
    protocol, problems = check_model(u.ProtocolModel, source.document, ())
    reader.problems += problems
    steps = reader.steps()
    if len(steps) > PHASES_MAX:
        found = f"{len(steps)} steps"
        raise InputError(source.document.problem("too long", ("method",), found, f"at most {PHASES_MAX}"))
    loops = reader.loops(steps)
    if reader.problems or protocol is None:
        raise InputError(sort_problems(reader.problems))
    period_s, change_a = protocol.record.time_s, protocol.record.current_mA
    reader.recording = Recording(
        round(period_s * 1e9),
        None if protocol.record.voltage_V is None else tidy(protocol.record.voltage_V * cells),
        None if change_a is None else tidy(change_a / 1000.0),
    )
    limits = reader.limits(protocol.safety)
    items = reader.items(steps, loops, 0, len(steps))
    name = "" if protocol.sample.name == "$NAME" else protocol.sample.name
    return UnicyclerImport(name, tuple(items), limits, reader.account)


@dataclass(slots=True)
class _Reader:
    document: Document
    pack: PackSpec
    cells: int
    problems: list[Problem] = field(default_factory=list[Problem])
    account: Account = field(default_factory=Account)
    recording: Recording = field(default_factory=Recording)

    def steps(self) -> list[u.StepModel | None]:
        """Every step of the method, None where it has problems."""
        found: list[u.StepModel | None] = []
        for at, item in enumerate(list_of(self.document.at(("method",))) or []):
            path: Path = ("method", at)
            kind = (mapping_of(item) or {}).get("step")
            model = u.STEP_MODELS.get(kind) if isinstance(kind, str) else None
            if model is None:
                expected = suggestion(str(kind), u.STEP_MODELS)
                shown = self.document.found((*path, "step"))
                self.problems.append(self.document.problem("unknown step", (*path, "step"), shown, expected, at=path))
                found.append(None)
                continue
            step, wrong = check_model(model, self.document, path)
            self.problems += wrong or ([] if step is None else self._own_problems(step, path))
            found.append(step)
        return found

    def _own_problems(self, step: u.StepModel, path: Path) -> list[Problem]:
        """What unicycler's own models refuse of one step."""
        wanted: list[tuple[str, ...]] = []
        if isinstance(step, u.ConstantCurrentModel):
            wanted = [("rate_C", "current_mA"), ("until_time_s", "until_voltage_V")]
        elif isinstance(step, u.ConstantVoltageModel):
            wanted = [("until_time_s", "until_rate_C", "until_current_mA")]
        return [
            self.document.problem("required", path, "none of them", f"{' or '.join(keys)}, not 0")
            for keys in wanted
            if not any(getattr(step, key) for key in keys)
        ]

    def loops(self, steps: list[u.StepModel | None]) -> dict[int, int]:
        """The index of each loop to that of its first step; each lies in another, or apart from it."""
        tags = {step.tag: at for at, step in enumerate(steps) if isinstance(step, u.TagModel)}
        loops: dict[int, int] = {}
        for at, step in enumerate(steps):
            path: Path = ("method", at, "loop_to")
            if isinstance(step, u.TagModel) and tags[step.tag] != at:
                path = ("method", at, "tag")
                problem = self.document.problem("tag used twice", path, repr(step.tag), "each tag once")
                self.problems.append(problem)
            if not isinstance(step, u.LoopModel):
                continue
            start = tags.get(step.loop_to) if isinstance(step.loop_to, str) else step.loop_to - 1
            found = repr(step.loop_to)
            if start is None:
                expected = suggestion(str(step.loop_to), tags)
                self.problems.append(self.document.problem("no such tag", path, found, expected))
            elif start >= at or all(isinstance(inner, u.TagModel) for inner in steps[start:at]):
                self.problems.append(self.document.problem("", path, found, "a step before the loop"))
            else:
                loops[at] = start
        for at, start in loops.items():
            for other, begin in loops.items():
                if begin < start <= other < at:
                    path = ("method", at, "loop_to")
                    expected = f"loops within each other, or apart: step {other + 1} goes back to step {begin + 1}"
                    self.problems.append(self.document.problem("loops that cross", path, f"step {start + 1}", expected))
        return loops

    def items(self, steps: list[u.StepModel | None], loops: dict[int, int], low: int, high: int) -> list[Item]:
        """The steps from `low` up to `high`, nested as their loops are."""
        items: list[Item] = []
        at = high - 1
        while at >= low:
            step, path = steps[at], ("method", at)
            if isinstance(step, u.LoopModel):
                inner = self.items(steps, loops, loops[at], at)
                first = steps[loops[at]]
                label = first.tag if isinstance(first, u.TagModel) else ""
                if inner:
                    items.append(Rounds(repeat=step.cycle_count, items=tuple(inner), label=label, origin=path))
                at = loops[at]
            elif step is not None and (phase := self._phase(step, path)) is not None:
                items.append(phase)
            at -= 1
        return list(reversed(items))

    def limits(self, safety: u.SafetyModel) -> LimitSet:
        """`safety` as limits of ours, which stop the run."""
        for key, expected in (
            ("max_capacity_mAh", "limits of voltages, currents and temperatures"),
            ("delay_s", "the safety rules' own delays"),
        ):
            if getattr(safety, key):
                self._lose(("safety", key), f"{key} {getattr(safety, key):g}", expected)
        high_ma, low_ma = safety.max_current_mA, safety.min_current_mA
        if high_ma is not None and high_ma <= 0.0:
            self._lose(("safety", "max_current_mA"), f"{high_ma:g} mA", "the most that may flow into the pack")
            high_ma = None
        if low_ma is not None and low_ma >= 0.0:
            self._lose(("safety", "min_current_mA"), f"{low_ma:g} mA", "the most that may flow out of it, negative")
            low_ma = None
        low_v = safety.min_voltage_V
        if low_v is not None and low_v <= 0.0:
            self._lose(("safety", "min_voltage_V"), f"{low_v:g} V", "a voltage of more than 0")
            low_v = None
        return LimitSet(
            pack_voltage_max_v=None if safety.max_voltage_V is None else self._volts(safety.max_voltage_V),
            pack_voltage_min_v=None if low_v is None else self._volts(low_v),
            charge_current_max_a=None if high_ma is None else tidy(high_ma / 1000.0),
            discharge_current_max_a=None if low_ma is None else tidy(-low_ma / 1000.0),
        )

    # --- steps ----------------------------------------------------------------------------------

    def _phase(self, step: u.StepModel, path: Path) -> Phase | None:
        phase = self._held(step, path)
        if phase is None:
            return None
        return replace(phase, recording=self.recording, label=step.id or "", said=_said(step), origin=path)

    def _held(self, step: u.StepModel, path: Path) -> Phase | None:
        match step:
            case u.OpenCircuitVoltageModel():
                return Phase(hold="rest", time_ns=round(step.until_time_s * 1e9))
            case u.ConstantCurrentModel():
                level, sign = self._level(step.rate_C, step.current_mA)
                until_v = self._volts(step.until_voltage_V) if step.until_voltage_V else None
                return Phase(
                    hold="current",
                    sign=sign,
                    current=level,
                    above_v=until_v if sign > 0 else None,
                    below_v=until_v if sign < 0 else None,
                    time_ns=_time_ns(step.until_time_s),
                )
            case u.ConstantVoltageModel():
                level, sign = self._level(step.until_rate_C, step.until_current_mA)
                # A positive end is written for either way, a negative one for a discharge alone.
                return Phase(
                    hold="voltage",
                    sign=-1 if sign < 0 else 0,
                    value=self._volts(step.voltage_V),
                    falls_to=level,
                    time_ns=_time_ns(step.until_time_s),
                )
            case u.VoltageScanModel() | u.ImpedanceSpectroscopyModel():
                self._lose(path, step.step, "a current, a voltage or a power that is held")
            case _:
                pass  # a tag: where a loop begins, or a remark
        return None

    def _level(self, rate: float | None, current_ma: float | None) -> tuple[Level | None, Sign]:
        """A current; the rate goes first, and zero is nothing."""
        if rate:
            return Level(abs(rate) * self.pack.rated_capacity_ah, abs(rate)), 1 if rate > 0.0 else -1
        if current_ma:
            return Level(tidy(abs(current_ma) / 1000.0)), 1 if current_ma > 0.0 else -1
        return None, 0

    def _volts(self, value_v: float) -> float:
        return tidy(value_v * self.cells)

    def _lose(self, path: Path, found: str, expected: str) -> None:
        self.account.dropped.append(self.document.problem(CANNOT, path, found, expected))


def _time_ns(value_s: float | None) -> int | None:
    return round(value_s * 1e9) if value_s else None


def _said(step: u.StepModel) -> str:
    """The step's own keys, for a comment."""
    stated = step.model_dump(exclude_none=True, exclude={"id", "step"})
    words = ", ".join(f"{key} {value:g}" for key, value in stated.items() if isinstance(value, float | int) and value)
    return f"{getattr(step, 'step', '')}: {words}"
