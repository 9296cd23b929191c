"""The messages of GB/T 27930-2015: what each says, in SI units.

Owns one frozen dataclass a message and the names of its codes. Where the values lie in the bytes is
`gbt27930_layout`'s. Must not know frames, times or what follows what.

Conventions of the standard: little-endian (4.4), unused bits and fields not given are ones (7.9): None here.
Currents are raw / 10 - 400 A with discharge positive (4.5); here positive current charges the pack.
Sources: GB/T 27930-2015 chapter 10, tables 8 to 29, as transcribed by lonlionl/gb27930-bms-can-monitor
(tools/GB_T_27930_*.md) and ru5t/gbt27930-CAN-parser (SPN.json); lengths that differ from it are those of real
traces: hybtalented/gbt27930 (input.txt: CCS of 7 bytes; 222222.txt: the 2011 edition, whose CML and CCS have 6)
and ru5t (candump3.log: CCS of 7 bytes with unused bits 0). BRM has 41 bytes in the standard's list of
messages, 49 in its table of the fields and in traces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BATTERY_TYPES: Final = {
    1: "lead-acid",
    2: "NiMH",
    3: "LFP",
    4: "LMO",
    5: "LCO",
    6: "NMC",
    7: "lithium polymer",
    8: "LTO",
    0xFF: "other",
}
NOT_YET: Final = 0x00
READY: Final = 0xAA
"""CRM: the BMS is recognised. BRO, CRO: ready to charge."""
MODE_CV: Final = 1
MODE_CC: Final = 2
NORMAL: Final = 0
SET: Final = 1
"""Of a 2-bit state: too high, reached, timed out, faulty, allowed."""
SECOND: Final = 2
"""Of a 2-bit state: too low for cell voltages and SOC, not to be trusted for the others."""


@dataclass(frozen=True, slots=True)
class Chm:
    """Charger handshake."""

    version_minor: int = 1
    version_major: int = 1


@dataclass(frozen=True, slots=True)
class Bhm:
    """Vehicle handshake."""

    voltage_max_v: float | None


@dataclass(frozen=True, slots=True)
class Crm:
    """Charger identification."""

    state: int
    """NOT_YET or READY (the BMS is recognised)."""
    charger_number: int | None = None
    region: str | None = None
    """3 characters."""


@dataclass(frozen=True, slots=True)
class Brm:
    """BMS and vehicle identification."""

    version_minor: int
    version_major: int
    battery_type: int
    """See BATTERY_TYPES."""
    capacity_ah: float | None
    voltage_v: float | None
    """Rated."""
    maker: str | None = None
    """4 characters."""
    serial: bytes | None = None
    """4 bytes of the maker's own."""
    made_year: int | None = None
    made_month: int | None = None
    made_day: int | None = None
    charges: int | None = None
    owned: int | None = None
    """0: leased, 1: the vehicle's own."""
    reserved: int = 0xFF
    vin: str | None = None
    """17 characters."""
    software: bytes | None = None
    """8 bytes: serial number, date of compilation, 3 reserved."""
    length: int = 49
    """41: without `software`."""


@dataclass(frozen=True, slots=True)
class Bcp:
    """What the battery allows, and how it is."""

    cell_voltage_max_v: float | None
    charge_current_max_a: float | None
    energy_wh: float | None
    """Nominal."""
    voltage_max_v: float | None
    temperature_max_c: float | None
    soc: float | None
    voltage_v: float | None
    """At this moment."""


@dataclass(frozen=True, slots=True)
class Cts:
    """The charger's clock: BCD second, minute, hour, day, month, year (2 bytes), in this order.

    The bytes stay as they are: two chargers of the traces did not write BCD. None: no clock.
    """

    clock: bytes | None = None


@dataclass(frozen=True, slots=True)
class Cml:
    """What the charger can give."""

    voltage_max_v: float | None
    voltage_min_v: float | None
    current_max_a: float | None
    current_min_a: float | None = None
    length: int = 8
    """6: the 2011 edition, without the smallest current."""


@dataclass(frozen=True, slots=True)
class Bro:
    """Whether the battery is ready to be charged."""

    state: int


@dataclass(frozen=True, slots=True)
class Cro:
    """Whether the charger is ready to charge."""

    state: int


@dataclass(frozen=True, slots=True)
class Bcl:
    """What the battery demands now."""

    voltage_demand_v: float | None
    current_demand_a: float | None
    mode: int
    """MODE_CV or MODE_CC."""


@dataclass(frozen=True, slots=True)
class Bcs:
    """How charging goes, as the BMS measures it."""

    voltage_v: float | None
    current_a: float | None
    cell_voltage_max_v: float | None
    cell_group: int
    """The group in which that cell is, 0 to 15."""
    soc: float | None
    remaining_s: float | None


@dataclass(frozen=True, slots=True)
class Ccs:
    """How charging goes, as the charger sees it."""

    voltage_v: float | None
    current_a: float | None
    elapsed_s: float | None
    permit: int | None = SET
    """NORMAL: paused, SET: charging; None: the message is too short to say."""
    unused: int | None = 0x3F
    spare: int | None = 0xFF
    length: int = 8
    """7 in the traces of two chargers, 6 in the 2011 edition (no permit)."""


@dataclass(frozen=True, slots=True)
class Bsm:
    """The battery's state. Numbers count from 1; states are NORMAL, SET or SECOND."""

    cell_max_number: int | None
    temperature_max_c: float | None
    temperature_max_number: int | None
    temperature_min_c: float | None
    temperature_min_number: int | None
    cell_voltage: int = NORMAL
    soc: int = NORMAL
    over_current: int = NORMAL
    over_temperature: int = NORMAL
    insulation: int = NORMAL
    connector: int = NORMAL
    permit: int = SET
    """NORMAL: charging is forbidden, SET: allowed."""
    unused: int = 3


@dataclass(frozen=True, slots=True)
class Bmv:
    """Every cell's voltage, and its group (0 to 15)."""

    cell_voltages_v: tuple[float | None, ...]
    groups: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Bmt:
    """Every sensor's temperature."""

    temperatures_c: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Bsp:
    """Reserved: up to 16 bytes of the maker's own."""

    data: bytes


BST_CAUSES: Final = (
    "soc_reached",
    "voltage_reached",
    "cell_voltage_reached",
    "charger_stopped",
    "insulation",
    "connector_over_temperature",
    "bms_over_temperature",
    "connector_fault",
    "pack_over_temperature",
    "relay_fault",
    "detection_point_2",
    "other_fault",
    "over_current",
    "voltage_abnormal",
)
CST_CAUSES: Final = (
    "condition_reached",
    "manual",
    "fault",
    "bms_stopped",
    "charger_over_temperature",
    "connector_fault",
    "internal_over_temperature",
    "energy_not_delivered",
    "emergency_stop",
    "other_fault",
    "current_mismatch",
    "voltage_abnormal",
)
BEM_CAUSES: Final = ("crm_00", "crm_aa", "cts_cml", "cro", "ccs", "cst", "csd")
"""Of what the BMS missed."""
CEM_CAUSES: Final = ("brm", "bcp", "bro", "bcs", "bcl", "bst", "bsd")
"""Of what the charger missed."""


@dataclass(frozen=True, slots=True)
class Bst:
    """The BMS stops charging; states in the order of BST_CAUSES."""

    states: tuple[int, ...]
    unused: int = 0xF000_0000


@dataclass(frozen=True, slots=True)
class Cst:
    """The charger stops charging; states in the order of CST_CAUSES."""

    states: tuple[int, ...]
    unused: int = 0xF0F0_0000


@dataclass(frozen=True, slots=True)
class Bsd:
    """How the battery is at the end."""

    soc: float | None
    cell_voltage_min_v: float | None
    cell_voltage_max_v: float | None
    temperature_min_c: float | None
    temperature_max_c: float | None


@dataclass(frozen=True, slots=True)
class Csd:
    """What the charger has given. The standard gives its number an offset of 1 here and of 0 in CRM: 0 is taken."""

    elapsed_s: float | None
    energy_wh: float | None
    charger_number: int | None = None


@dataclass(frozen=True, slots=True)
class Bem:
    """The BMS waited in vain; states in the order of BEM_CAUSES."""

    states: tuple[int, ...]
    unused: int = 0xFCF0_F0F0


@dataclass(frozen=True, slots=True)
class Cem:
    """The charger waited in vain; states in the order of CEM_CAUSES."""

    states: tuple[int, ...]
    unused: int = 0xFCC0_F0FC


GbtMessage = (
    Chm | Bhm | Crm | Brm | Bcp | Cts | Cml | Bro | Cro | Bcl | Bcs | Ccs | Bsm | Bmv | Bmt | Bsp | Bst | Cst | Bsd
    | Csd | Bem | Cem
)  # fmt: skip


def states(names: tuple[str, ...], *causes: str) -> tuple[int, ...]:
    """The states of a Bst, Cst, Bem or Cem in which these causes are SET and nothing else is."""
    if not set(causes) <= set(names):
        raise ValueError(f"no such cause: {set(causes) - set(names)}")
    return tuple(SET if name in causes else NORMAL for name in names)


def causes(message: Bst | Cst | Bem | Cem) -> tuple[str, ...]:
    """The names of what is SET."""
    names = {Bst: BST_CAUSES, Cst: CST_CAUSES, Bem: BEM_CAUSES, Cem: CEM_CAUSES}[type(message)]
    return tuple(name for name, state in zip(names, message.states, strict=True) if state == SET)
