"""Where in each schema a figure goes: its value, the time of its measurement, and what belongs beside it.

Owns the paths. Must not decide whether a figure is taken (`figures`) nor what is beside it beyond constants.
"""

from __future__ import annotations

from typing import Final

from packbench.trace.passport.schema import Kind

_CONDITION: Final = "PerformanceAndDurability.batteryCondition"
_TECHNICAL: Final = "PerformanceAndDurability.batteryTechicalProperties"
_DYNAMIC: Final = "performance.dynamic"
Place = tuple[str, str | None]
"""Path of the value, and of the time of its measurement where the schema has one."""


def _condition(group: str, inner: str | None = None) -> Place:
    return f"{_CONDITION}.{group}.{inner or group + 'Value'}", f"{_CONDITION}.{group}.lastUpdate"


def _dynamic(group: str) -> Place:
    return f"{_DYNAMIC}.{group}.value", f"{_DYNAMIC}.{group}.time"


def _point(name: str) -> Place:
    return f"performance.{name}.value", f"performance.{name}.date"


ALWAYS: Final = ("capacity", "energy", "soce", "fade")
"""Figures of every run that determines a capacity; the others depend on what its profile did."""
FIGURES: Final[dict[Kind, dict[str, Place]]] = {
    "batterypass": {
        "capacity": _condition("remainingCapacity"),
        "energy": _condition("remainingEnergy"),
        "soce": _condition("stateOfCertifiedEnergy"),
        "fade": _condition("capacityFade"),
        "round_trip": _condition("remainingRoundTripEnergyEfficiency"),
        "round_trip_fade": (f"{_TECHNICAL}.roundTripEfficiencyFade", None),
        "power_80": _condition("remainingPowerCapability", "remainingPowerCapabilityValue.powerCapabilityAt"),
        "power_fade": (f"{_TECHNICAL}.powerFade", None),
        "resistance_fade": _condition("internalResistanceIncrease[1]", "internalResistanceIncreaseValue"),
    },
    "catenax": {
        "capacity": _dynamic("capacity.capacity"),
        "energy": _dynamic("energy.remaining"),
        "soce": _dynamic("energy.soce"),
        "fade": _dynamic("capacity.fade"),
        "round_trip": _dynamic("roundTripEfficiency.remaining"),
        "round_trip_fade": _dynamic("roundTripEfficiency.fade"),
        "power_80": _dynamic("power.remaining"),
        "power_fade": _dynamic("power.fade"),
        "resistance": _dynamic("resistance.remaining.pack"),
        "resistance_fade": _dynamic("resistance.increase.pack"),
    },
    "din99100": {
        "capacity": _point("remainingCapacity"),
        "energy": _point("remainingUsableEnergy"),
        "soce": _point("stateOfCertifiedEnergy"),
        "fade": _point("capacityFade"),
        "round_trip": _point("remainingRoundTripEfficiency"),
        "round_trip_fade": _point("roundTripEfficiencyFade"),
        "power_80": _point("remainingPowerAt80Soc"),
        "power_20": _point("remainingPowerAt20Soc"),
        "power_fade": _point("powerFade"),
        "resistance": _point("ohmicResistance"),
        "resistance_fade": _point("resistanceIncrease"),
    },
}
COMPONENT: Final = f"{_CONDITION}.internalResistanceIncrease[1].batteryComponent"
POWER_SOC: Final = f"{_CONDITION}.remainingPowerCapability.remainingPowerCapabilityValue.atSoC"
POWER_TIME: Final = f"{_CONDITION}.remainingPowerCapability.remainingPowerCapabilityValue.rPCLastUpdated"
BEGIN_OF_LIFE: Final[dict[Kind, dict[str, str]]] = {
    "batterypass": {"round_trip": f"{_TECHNICAL}.roundtripEfficiency"},
    "catenax": {
        "resistance": "performance.rated.resistance.pack",
        "power": "performance.rated.power.at80SoC",
        "round_trip": "performance.rated.roundTripEfficiency.initial",
    },
    "din99100": {
        "resistance": "performance.initialResistance.value",
        "power": "performance.originalPowerAt80Soc.value",
        "round_trip": "performance.initialRoundTripEfficiency.value",
    },
}
"""What makers state of the battery when new, by one path each."""
INITIAL_RESISTANCE: Final = f"{_TECHNICAL}.initialInternalResistance"
INITIAL_POWER: Final = f"{_TECHNICAL}.originalPowerCapability"
"""BatteryPass has these as lists: of which part, at which state of charge."""
