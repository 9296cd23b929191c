"""Codes and timing of the board's link. Generated from link.yaml by generate.py; do not edit.

Owns the named numbers. Must not know a message: frames.py has those. It exists so that no number of the
link is written twice.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

LOAD_BREAK_MAX_US = 80_000
"""Longest wait for low current between cycler enable off and contactor open.

With a 500 ms lease the coil is off within 580 ms of the last heartbeat.
"""
LOAD_BREAK_CURRENT_MA = 1000
"""Below this magnitude the contactor opens without waiting further."""
AUX_TIMEOUT_US = 200_000
"""Time the auxiliary contact has to follow the coil; after it the contactor counts as welded or dropped."""
FADE_DIVISOR = 4
"""Time within the limits takes back what time beyond them has added to `limit_delay`, so many times more slowly.

A limit that is exceeded in more than a fifth of the time trips.
"""
LOOKS_MIN = 3
"""A step of the arm sequence believes no fewer looks, at different instants, than these.

None counts while the sensors are invalid or a limit is exceeded.
"""
POLL_US = 5000
"""How soon the core asks to be stepped again while it waits for a measurement (precharge, opening)."""
IDLE_US = 600_000_000
"""How soon the core asks to be stepped again with nothing pending.

Keeps the 64-bit uptime right across the wrap of the 32-bit tick (every 4294.967296 s).
"""
WAKE_HOLD_US = 60_000_000
"""How long the BMS is kept awake after the host was last heard of, while not armed."""
REVERSED_MV = 1000
"""A pack voltage further below zero than this is a pack connected the wrong way round."""
EVENTS_MAX = 64
"""Events that the board remembers; the oldest make room."""
EVENTS_AFTER_TRIP = 32
"""Most events remembered after a trip, so that what led to it is not pushed out; more are only counted."""
RX_MAX_BYTES = 512
"""Most received bytes one step takes."""
TX_MAX_BYTES = 512
"""Most bytes one step sends; a reply that does not fit is dropped and counted."""


class State(IntEnum):
    """What the board is doing."""

    BOOT = 0
    """Before the first step. Outputs off."""
    SELF_TEST = 1
    """Checks of the first step; passed through at once."""
    SAFE = 2
    """Contactor open. The only state that takes a configuration or an arm command."""
    PRECHARGE = 3
    """On the way to closing: `phase` tells how far. The coil is off."""
    CLOSED = 4
    """Coil on, lease running."""
    OPENING = 5
    """Cycler enable off, waiting for low current, bounded; then the coil is off."""
    TRIPPED = 6
    """Contactor open, latched. Leaves only by RESET with a newer token and the key turned."""


class Phase(IntEnum):
    """How far the arm sequence is."""

    NONE = 0
    """No arm sequence is under way."""
    WAKE = 1
    """Waiting for the contact to have followed the last opening (aux_timeout), and for the pack's BMS to be awake."""
    PACK = 2
    """The pack's own contactors are asked to close; waiting for a voltage within the limits.

    A reversed pack is refused here.
    """
    RESIDUAL = 3
    """Both sides must stand apart while the contactor is open: else it is welded, or the cycler is not off."""
    MATCH = 4
    """Waiting for the cycler to stand at the pack's voltage."""
    PRECHARGE = 5
    """Precharge relay on, waiting for both sides to agree."""
    PAUSE = 6
    """A try of precharge has failed; its resistor cools."""
    CLOSING = 7
    """Coil on, waiting for the auxiliary contact; the precharge relay stays on until then."""
    SIGN = 8
    """Closed; the current is limited to sign_current until the announced pulse has shown its sign."""
    DONE = 9
    """Closed, everything proven: the test may run."""


class TripCode(IntEnum):
    """Why the board tripped."""

    NONE = 0
    """Not tripped."""
    SELF_TEST = 1
    """The self-test failed: known answer of the CRC (repeated by each RESET), or the contactor closed at power-up."""
    LEASE = 2
    """No valid heartbeat within the lease while precharging or closed."""
    HOST = 3
    """The host sent TRIP; its own code is in trip_detail."""
    OVER_VOLTAGE = 4
    """Pack voltage above the board's own limit."""
    UNDER_VOLTAGE = 5
    """Pack voltage below the board's own limit."""
    OVER_CURRENT = 6
    """Current above the board's own limit of its direction."""
    RESIDUAL_VOLTAGE = 7
    """Both sides at one voltage although contactor and precharge are off.

    A welded contact, or a cycler that is not off.
    """
    CONTACTOR_WELDED = 8
    """Coil off, auxiliary contact still closed after its time."""
    CONTACTOR_DROPPED = 9
    """Coil on, auxiliary contact not closed after its time (coil supply broken, contact failed)."""
    SENSOR_INVALID = 10
    """The board's own measurement is not valid while precharging or closed."""
    ESTOP = 11
    """Emergency stop pressed; it has broken the coil supply in hardware already."""
    HVIL = 12
    """High-voltage interlock loop or door open; it has broken the coil supply in hardware already."""
    GAS = 13
    """Gas or smoke; the alarm relay is on without any PC."""
    INTERNAL = 14
    """The core found itself in a state that does not exist."""
    OVER_TEMPERATURE = 15
    """One of the board's own sensors above its limit."""
    UNDER_TEMPERATURE = 16
    """One of the board's own sensors below its limit."""
    INSULATION = 17
    """The insulation monitor's contact is open: low insulation, or no supply."""
    WATCHDOG = 18
    """The hardware watchdog has reset the board: it hung."""
    BROWN_OUT = 19
    """The board's supply broke down and reset it."""
    UNKNOWN_RESET = 20
    """Reset without being switched on, and what was kept of the latch is not whole: it may have been tripped."""


class Refusal(IntEnum):
    """Why the board refused a request."""

    BAD_VALUE = 1
    """A field is out of its range, or the limits contradict each other."""
    BAD_STATE = 2
    """Not allowed in the present state."""
    TRIPPED = 3
    """Tripped; only HELLO, HEARTBEAT, the queries, OPEN, TRIP and RESET are answered."""
    NOT_CONFIGURED = 4
    """No configuration yet."""
    CONFIG_LOCKED = 5
    """Another configuration is in force; it stays until RESET or power-off."""
    CONFIG_MISMATCH = 6
    """The host's configuration CRC is not the board's."""
    PROTOCOL_MISMATCH = 7
    """No HELLO with this protocol's hash has come since the start."""
    OLD_TOKEN = 8
    """The token is not newer than the last one used."""
    WRONG_TOKEN = 9
    """The heartbeat's token is not the armed one; the lease was not renewed."""
    OLD_COUNTER = 10
    """The heartbeat's counter did not rise; the lease was not renewed."""
    NOT_ARMED = 11
    """Not armed, or the arming has lapsed with its lease."""
    OUT_OF_LIMITS = 12
    """The board's own measurement is invalid or outside its limits; it will not close."""
    KEY_OFF = 13
    """The key switch has not been turned from off to on since the trip, or since the last RESET."""
    UNKNOWN = 14
    """A message this board does not know, or with a wrong length."""
    FIRMWARE_MISMATCH = 15
    """The host expects another firmware."""
    NO_OPERATOR = 16
    """A reset must name who resets."""
    LOAD = 17
    """Current flows; a proof test is made without."""
    BMS_ASLEEP = 18
    """Arm sequence: the BMS did not wake in time."""
    PACK_ABSENT = 19
    """Arm sequence: the pack's own contactors did not close, or no voltage came, in time."""
    REVERSED = 20
    """Arm sequence: the pack is connected the wrong way round."""
    VOLTAGE_MISMATCH = 21
    """Arm sequence: the cycler did not come to the pack's voltage in time."""
    PRECHARGE_FAILED = 22
    """Arm sequence: both sides did not agree in any of the tries."""
    SIGN_ABSENT = 23
    """Arm sequence: no pulse was announced and seen in time."""
    SIGN_WRONG = 24
    """Arm sequence: the pulse's current or voltage moved the wrong way."""


class Input(IntFlag):
    """Discrete inputs, one bit each; a broken wire reads as the unsafe value."""

    AUX_CLOSED = 0x01
    """Auxiliary contact: the contactor is closed."""
    KEY_ON = 0x02
    """Key switch turned."""
    ESTOP_OK = 0x04
    """Emergency stop loop whole (a broken wire reads as pressed)."""
    HVIL_OK = 0x08
    """Interlock loop and door whole."""
    GAS_OK = 0x10
    """Gas or smoke detector quiet and supplied."""
    SENSORS_OK = 0x20
    """The board's own voltage and current measurements are valid."""
    INSULATION_OK = 0x40
    """Contact of the insulation monitor; looked at where one is fitted."""
    BMS_OK = 0x80
    """The pack's BMS is awake; looked at where the line is fitted."""
    PACK_CLOSED = 0x100
    """The pack's own contactors are closed; looked at where the line is fitted."""


class Output(IntFlag):
    """Outputs as commanded, one bit each."""

    CONTACTOR = 0x01
    """Contactor coil."""
    PRECHARGE = 0x02
    """Precharge relay."""
    CYCLER_ENABLE = 0x04
    """Hard-wired enable of the cycler."""
    ALARM = 0x08
    """Alarm relay; needs no host."""
    BMS_WAKE = 0x10
    """Wakes the pack's BMS: while armed, and until wake_hold after the host was last heard of."""
    PACK_REQUEST = 0x20
    """Asks the pack's own contactors to close."""


class Flag(IntFlag):
    """Bits of `flags`."""

    ARMED = 0x01
    """Armed; the lease is running."""
    CONFIGURED = 0x02
    """A configuration is in force."""
    HOST_MATCHED = 0x04
    """A HELLO with this protocol's and this firmware's hash has come."""
    PROVING = 0x08
    """The end of the lease is awaited as a proof test."""


class Fitted(IntFlag):
    """Optional inputs and sensors, one bit each."""

    BMS_OK = 0x01
    """The input bms_ok is wired."""
    PACK_CLOSED = 0x02
    """The input pack_closed is wired."""
    INSULATION_OK = 0x04
    """The input insulation_ok is wired."""
    TEMPERATURE_1 = 0x10
    """Sensor 1 is wired: no reading of it is a trip."""
    TEMPERATURE_2 = 0x20
    """Sensor 2 is wired."""
    TEMPERATURE_3 = 0x40
    """Sensor 3 is wired."""
    TEMPERATURE_4 = 0x80
    """Sensor 4 is wired."""


class ResetCause(IntEnum):
    """Why the board started."""

    POWER_ON = 0
    """Switched on."""
    PIN = 1
    """The reset pin or a debugger: the latch is as it was before."""
    SOFTWARE = 2
    """The program asked for it: the latch is as it was before."""
    WATCHDOG = 3
    """The hardware watchdog: comes up tripped."""
    BROWN_OUT = 4
    """The supply broke down: comes up tripped."""


class EventKind(IntEnum):
    """What the board remembers, with its code and value."""

    BOOT = 0
    """Started; code: one of `resets`."""
    STATE = 1
    """Entered a state; code: one of `states`."""
    PHASE = 2
    """Entered a step of the arm sequence; code: one of `phases`."""
    TRIP = 3
    """Tripped; code: one of `trips`, value: its detail."""
    CAUSE = 4
    """A further cause while tripped; code: one of `trips`, value: its detail."""
    REFUSED = 5
    """The arm sequence failed; code: one of `refusals`."""
    ARMED = 6
    """Armed; value: the token."""
    LAPSED = 7
    """The arming lapsed with its lease, nothing energised."""
    CONFIGURED = 8
    """Took a configuration; value: its CRC."""
    RESET = 9
    """Left the latch; value: CRC-16 of the operator's 16 bytes."""
    INPUTS = 10
    """Inputs changed; value: all of them."""
    OUTPUTS = 11
    """Outputs changed; value: all of them."""
    PROOF = 12
    """A proof test was asked for."""
    PROVED = 13
    """The lease ended as a proof test; opening begins without a latch."""
    OPENED = 14
    """The auxiliary contact opened after the coil went off; value: microseconds it took."""
    ANNOUNCED = 15
    """A sign pulse was announced; value: its current in mA."""
