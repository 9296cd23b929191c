"""An operator's word in the middle of a run: hold the running step, let it go on, leave it for another one.

Owns what the engine makes of these words, and which of them it refuses. Pure: a word is judged and carried out on the
state and the snapshot that it is given, so that trying one out is the same as giving it. Who may say what, and that it
is written down before it acts, is `run/controls`'.

A jump leads to the beginning of a step that takes time: into a loop only at its head, unless the loop is being gone
round; and never forward past a question or a check that may refuse the pack and has not been passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from packbench.core.errors import RequestRefused
from packbench.core.samples import Snapshot
from packbench.engine import advance
from packbench.engine.effects import Effect, Finish, OutputOff, StepEnded
from packbench.engine.reentering import reenter, tapered_to
from packbench.engine.state import EngineState, Hold
from packbench.engine.walk import with_tail
from packbench.profile.amounts import Past, UserVariable
from packbench.profile.checking.flow import Ways
from packbench.profile.checking.formulas import uses_of
from packbench.profile.plan import AnyStep, ChamberSet, End, Goto, LoopEnd, Pause, Plan, SetVariables

Outcome = tuple[EngineState, tuple[Effect, ...]]


def hold(plan: Plan, state: EngineState, snapshot: Snapshot, now_ns: int, most_ns: int) -> Outcome:
    """The running step stands still, its output off and its totals kept. Longer than `most_ns` ends the run.

    Raises RequestRefused.
    """
    _require_running(plan, state)
    step = state.step
    if step.hold is not None:
        raise RequestRefused("the run is paused already")
    if isinstance(step.running, Pause):
        raise RequestRefused(f"step {step.running.label} waits for an answer: no current flows")
    effects: list[Effect] = [OutputOff()]
    if step.closing is not None:
        effects.append(StepEnded(with_tail(step.closing, state)))
    meter = state.meter.commanded(now_ns, 0.0)
    held = replace(step, hold=Hold(now_ns, now_ns + most_ns), closing=None, drive=None)
    return state._replace(step=held, meter=meter, before=None, meter_before=None), tuple(effects)


def go_on(plan: Plan, state: EngineState, snapshot: Snapshot, now_ns: int) -> Outcome:
    """The held step goes on, its own time where it stood still. Raises RequestRefused."""
    _require_running(plan, state)
    step = state.step
    if step.hold is None:
        raise RequestRefused("the run is not paused")
    going = replace(step, hold=None, began_ns=step.first_ns, started_ns=step.started_ns + now_ns - step.hold.since_ns)
    return reenter(plan, state._replace(step=going), snapshot, now_ns, tapered_to(state.control))


def jump(plan: Plan, state: EngineState, snapshot: Snapshot, now_ns: int, index: int) -> Outcome:
    """The running step ends, and the one at `index` begins, held or not. Raises RequestRefused."""
    _require_running(plan, state)
    _require_way(plan, state, index)
    after, effects = advance.jump(plan, state, snapshot, now_ns, index)
    for effect in effects:
        if isinstance(effect, Finish):
            raise RequestRefused(f"the run would end at once: {effect.reason}")
    return after, effects


def index_of(plan: Plan, label: str) -> int:
    """Where the step of that label stands in the plan. Raises RequestRefused."""
    for index, step in enumerate(plan.steps):
        if step.label == label:
            return index
    known = ", ".join(step.label for step in plan.steps if _takes_time(step))
    raise RequestRefused(f"the profile has no step {label!r}; it has {known}")


def _require_running(plan: Plan, state: EngineState) -> None:
    step = state.step
    if step.finished:
        raise RequestRefused("the run is over")
    if step.running is None or isinstance(step.running, End):
        raise RequestRefused("the profile has come to its end")


def _require_way(plan: Plan, state: EngineState, target: int) -> None:
    """Raises RequestRefused where a jump may not lead there."""
    here, wanted = state.step.index, plan.steps[target]
    if not _takes_time(wanted):
        raise RequestRefused(f"{wanted.label!r} takes no time: name a step that does (abort ends the run)")
    for loop, end in _loops(plan):
        inside = loop.start <= here <= end
        if loop.start < target <= end and not inside:
            head = plan.steps[loop.start].label
            raise RequestRefused(f"step {wanted.label!r} is inside a loop: it is entered at its head, {head!r}")
    for passed in range(here, target):
        if _may_refuse(plan, passed) and not _was_passed(state, passed):
            label = plan.steps[passed].label
            raise RequestRefused(f"{label!r} may refuse the pack, and has not been passed: a jump must not go round it")
    unknown = sorted(_unknown(plan, state, target))
    if unknown:
        raise RequestRefused(f"what step {wanted.label!r} leads to needs {', '.join(unknown)}, which nothing has given")


def _takes_time(step: AnyStep) -> bool:
    return not isinstance(step, LoopEnd | Goto | SetVariables | ChamberSet | End)


def _loops(plan: Plan) -> Iterator[tuple[LoopEnd, int]]:
    for end, step in enumerate(plan.steps):
        if isinstance(step, LoopEnd):
            yield step, end


def _may_refuse(plan: Plan, index: int) -> bool:
    """Whether a question or a check may lead to a failed end."""
    match plan.steps[index]:
        case Pause(answers=answers):
            targets: Iterable[int | None] = (answer.goto for answer in answers)
        case Goto(target=target):
            targets = (target,)
        case _:
            return False
    return any(target is not None and _fails(plan.steps[target]) for target in targets)


def _was_passed(state: EngineState, index: int) -> bool:
    """Whether a question was answered, and not left; of a check there is no record."""
    record = state.step.past.get(index)
    return record is not None and record.end_reason != advance.OPERATOR_JUMP and index != state.step.index


def _fails(step: AnyStep) -> bool:
    return isinstance(step, End) and step.verdict == "fail"


def _unknown(plan: Plan, state: EngineState, target: int) -> set[str]:
    """Variables and results of steps that some way from there needs and that neither the run so far nor it gives."""
    ways = Ways(plan)
    reached = ways.reached([target])
    found: set[str] = set()
    for index in reached:
        for use in uses_of(plan.steps[index]):
            if use.waits:
                continue
            match use.leaf:
                case UserVariable(name) if name not in state.step.variables and name not in use.given:
                    givers = {at for at in reached if _gives(plan.steps[at], name)} - {index}
                    if index in ways.reached([target], frozenset(givers)):
                        found.add(f"${name}")
                case Past(step=step) if step not in state.step.past and step != state.step.index:
                    if index in ways.reached([target], frozenset({step})):
                        found.add(f"the result of step {plan.steps[step].label!r}")
                case _:
                    pass
    return found


def _gives(step: AnyStep, name: str) -> bool:
    return isinstance(step, SetVariables) and any(own == name for own, _ in step.values)
