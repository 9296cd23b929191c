"""Messages and codes of the board's link. Generated from link.yaml by generate.py; do not edit.

Owns the types, the field layouts and the codes. Must not know about frames: codec.py makes those. It exists
so that host and board cannot disagree about a field.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from struct import Struct
from typing import NamedTuple

VERSION = 1
PROTOCOL_HASH = 0x06F4FF20
FIRMWARE_HASH = 0xCB0DDCF9
HEADER_SIZE = 3
FRAME_MAX = 36
"""Bytes of the longest frame: header, payload, CRC."""

LOAD_BREAK_MAX_US = 80_000
"""Longest wait for low current between cycler enable off and contactor open.

With a 500 ms lease the coil is off within 580 ms of the last heartbeat.
"""
LOAD_BREAK_CURRENT_MA = 1000
"""Below this magnitude the contactor opens without waiting further."""
AUX_TIMEOUT_US = 200_000
"""Time the auxiliary contact has to follow the coil; after it the contactor counts as welded or dropped."""
POLL_US = 5000
"""How soon the core asks to be stepped again while it waits for a measurement (precharge, opening)."""
IDLE_US = 600_000_000
"""How soon the core asks to be stepped again with nothing pending.

Keeps the 64-bit uptime right across the wrap of the 32-bit tick (every 4294.967296 s).
"""
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
    """Precharge relay on, waiting for both sides to agree."""
    CLOSED = 4
    """Contactor closed, lease running."""
    OPENING = 5
    """Cycler enable off, waiting for low current, bounded; then the coil is off."""
    TRIPPED = 6
    """Contactor open, latched. Leaves only by RESET with a newer token and the key turned."""


class TripCode(IntEnum):
    """Why the board tripped."""

    NONE = 0
    """Not tripped."""
    SELF_TEST = 1
    """The self-test failed: known answer of the CRC, or the contactor closed at power-up."""
    LEASE = 2
    """No valid heartbeat within the lease while precharging or closed."""
    HOST = 3
    """The host sent TRIP; its own code is in trip_detail."""
    OVER_VOLTAGE = 4
    """Pack voltage above the board's own limit."""
    UNDER_VOLTAGE = 5
    """Pack voltage below the board's own limit."""
    OVER_CURRENT = 6
    """Current magnitude above the board's own limit."""
    PRECHARGE_TIMEOUT = 7
    """Pack and cycler side did not agree in time."""
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


class Refusal(IntEnum):
    """Why the board refused a request."""

    BAD_VALUE = 1
    """A field is out of its range, or the limits contradict each other."""
    BAD_STATE = 2
    """Not allowed in the present state."""
    TRIPPED = 3
    """Tripped; only HELLO, STATUS_QUERY, HEARTBEAT, OPEN, TRIP and RESET are answered."""
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
    """The board's own measurement is invalid or outside its limits; it will not start to close."""
    KEY_OFF = 13
    """The key switch is not turned."""
    UNKNOWN = 14
    """A message this board does not know, or with a wrong length."""


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


class Output(IntFlag):
    """Outputs as commanded, one bit each."""

    CONTACTOR = 0x01
    """Contactor coil."""
    PRECHARGE = 0x02
    """Precharge relay."""
    CYCLER_ENABLE = 0x04
    """Hard-wired enable of the cycler."""
    ALARM = 0x08
    """Alarm relay."""


class Flag(IntFlag):
    """Bits of `flags`."""

    ARMED = 0x01
    """Armed; the lease is running."""
    CONFIGURED = 0x02
    """A configuration is in force."""
    HOST_MATCHED = 0x04
    """A HELLO with this protocol's hash has come."""


class Hello(NamedTuple):
    """Who are you? A host with another protocol hash is answered, and may not arm."""

    protocol_hash: int
    """Hash of this file as the host knows it."""


class Configure(NamedTuple):
    """Limits and timing of the board.

    Taken once, in state safe; then locked until RESET or power-off. The same values again are acknowledged.
    """

    lease_ms: int
    """The contactor opens when no valid heartbeat came for this long. [ms]"""
    precharge_settle_ms: int
    """How long both sides must agree before the contactor closes. [ms]"""
    precharge_timeout_ms: int
    """How long precharge may take. [ms]"""
    limit_delay_ms: int
    """How long a limit must be exceeded without a break. [ms]"""
    precharge_delta_mv: int
    """Largest difference of the two sides at which the contactor may close. [mV]"""
    voltage_max_mv: int
    """Own limit of the pack voltage. [mV]"""
    voltage_min_mv: int
    """Own limit of the pack voltage; positive, so that a reversed pack is refused. [mV]"""
    current_max_ma: int
    """Own limit of the current's magnitude. [mA]"""


class Arm(NamedTuple):
    """An operator's arming.

    Starts the lease and the heartbeat counter at 0. Lapses without a trip when the lease runs out in state safe, and
    when the contactor opens.
    """

    token: int
    """Newer (greater) than every token used before."""
    config_crc: int
    """CRC-16 of the CONFIGURE payload the host believes to be in force."""


class Close(NamedTuple):
    """Precharge, then close. Acknowledged when precharge starts; STATUS tells when it is closed."""


class Open(NamedTuple):
    """Open in load-break order and disarm. Always acknowledged."""


class Heartbeat(NamedTuple):
    """Renews the lease when armed, the token is the armed one and the counter has risen. Answered by STATUS."""

    token: int
    """The token of ARM."""
    counter: int
    """Greater than in the last valid heartbeat."""


class Trip(NamedTuple):
    """Trip and latch. Always acknowledged; the first cause is kept."""

    code: int
    """The host's reason; reported as trip_detail."""


class StatusQuery(NamedTuple):
    """Status without renewing anything."""


class Reset(NamedTuple):
    """Leaves the latch and unlocks the configuration. Needs the key turned; only with the contactor open."""

    token: int
    """Newer (greater) than every token used before."""


class HelloReply(NamedTuple):
    """Answer to HELLO."""

    protocol_hash: int
    """Hash of this file as the board knows it."""
    firmware_hash: int
    """Hash of the C sources of the core."""
    config_crc: int
    """CRC-16 of the CONFIGURE payload in force; 0 when there is none."""
    flags: int
    """Bits of `flags`."""
    last_token: int
    """The newest token used so far."""


class Status(NamedTuple):
    """Answer to HEARTBEAT and STATUS_QUERY."""

    state: int
    """One of `states`."""
    flags: int
    """Bits of `flags`."""
    inputs: int
    """Bits of `inputs`."""
    outputs: int
    """Bits of `outputs`, as commanded."""
    trip_code: int
    """First cause, one of `trips`; 0 when not tripped. Set already while opening."""
    trip_detail: int
    """With trip_code host: the code of TRIP."""
    lease_left_ms: int
    """0 when not armed. [ms]"""
    rx_errors: int
    """Received blocks that were no frame (noise, CRC); stays at 65535."""
    uptime_us: int
    """Since the start of the board. [us]"""
    pack_mv: int
    """Pack side of the contactor. [mV]"""
    cycler_mv: int
    """Cycler side of the contactor. [mV]"""
    current_ma: int
    """Positive charges the pack. [mA]"""


class Ack(NamedTuple):
    """Done, or begun."""

    request: int
    """Type of the request."""


class Nak(NamedTuple):
    """Refused; nothing was changed."""

    request: int
    """Type of the request."""
    code: int
    """One of `refusals`."""


HostMessage = Hello | Configure | Arm | Close | Open | Heartbeat | Trip | StatusQuery | Reset
"""What the host asks."""

BoardMessage = HelloReply | Status | Ack | Nak
"""What the board answers."""

TYPES: dict[type[HostMessage | BoardMessage], int] = {
    Hello: 0x01,
    Configure: 0x02,
    Arm: 0x03,
    Close: 0x04,
    Open: 0x05,
    Heartbeat: 0x06,
    Trip: 0x07,
    StatusQuery: 0x08,
    Reset: 0x09,
    HelloReply: 0x81,
    Status: 0x82,
    Ack: 0x83,
    Nak: 0x84,
}
"""Message type to its number on the wire."""

FIELDS: dict[int, str] = {
    0x01: "I",
    0x02: "HHHHiiii",
    0x03: "IH",
    0x04: "",
    0x05: "",
    0x06: "II",
    0x07: "H",
    0x08: "",
    0x09: "I",
    0x81: "IIHBI",
    0x82: "BBBBBHHHQiii",
    0x83: "B",
    0x84: "BB",
}
"""Number on the wire to the fields as `struct` codes, in order."""

REQUESTS: dict[type[HostMessage], tuple[int, Struct]] = {
    Hello: (0x01, Struct("<BBBI")),
    Configure: (0x02, Struct("<BBBHHHHiiii")),
    Arm: (0x03, Struct("<BBBIH")),
    Close: (0x04, Struct("<BBB")),
    Open: (0x05, Struct("<BBB")),
    Heartbeat: (0x06, Struct("<BBBII")),
    Trip: (0x07, Struct("<BBBH")),
    StatusQuery: (0x08, Struct("<BBB")),
    Reset: (0x09, Struct("<BBBI")),
}
"""Number and layout, header included, of what the host sends."""

ANSWERS: dict[int, tuple[type[BoardMessage], Struct]] = {
    0x81: (HelloReply, Struct("<IIHBI")),
    0x82: (Status, Struct("<BBBBBHHHQiii")),
    0x83: (Ack, Struct("<B")),
    0x84: (Nak, Struct("<BB")),
}
"""Type and payload layout of what the board sends."""
