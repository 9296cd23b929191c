"""One class a step type: how it begins, and what it does with each reading.

Adding a step type is one dataclass in profile/plan.py, one class here, one line in `LOGIC`, one scenario.
"""

from packbench.engine.steps.current import ConstantCurrentLogic
from packbench.engine.steps.held import HeldVoltageLogic
from packbench.engine.steps.logic import Beginning, Ending, Outcome, StepLogic
from packbench.engine.steps.power import ConstantPowerLogic, ConstantResistanceLogic
from packbench.engine.steps.still import PauseLogic, RestLogic, SoakLogic
from packbench.engine.steps.voltage import ConstantVoltageLogic
from packbench.engine.steps.waveform import WaveformLogic
from packbench.profile.plan import (
    AnyStep,
    ConstantCurrent,
    ConstantPower,
    ConstantResistance,
    ConstantVoltage,
    Pause,
    Plan,
    Rest,
    Soak,
    Waveform,
)

LOGIC: dict[type[AnyStep], StepLogic] = {
    Rest: RestLogic(),
    Soak: SoakLogic(),
    Pause: PauseLogic(),
    ConstantCurrent: ConstantCurrentLogic(),
    ConstantVoltage: ConstantVoltageLogic(),
    ConstantPower: ConstantPowerLogic(),
    ConstantResistance: ConstantResistanceLogic(),
    Waveform: WaveformLogic(),
}
"""Steps that take no time are gone through (engine/walk.py); `end` is the engine's own."""


def logic_of(plan: Plan, step: AnyStep) -> StepLogic:
    """What runs a step."""
    if isinstance(step, ConstantVoltage) and plan.holds_voltage == "engine":
        return HeldVoltageLogic(plan.most)
    return LOGIC[type(step)]


__all__ = ["LOGIC", "Beginning", "Ending", "Outcome", "StepLogic", "logic_of"]
