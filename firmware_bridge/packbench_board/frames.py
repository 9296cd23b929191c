"""Messages of the board's link. Generated from link.yaml by generate.py; do not edit.

Owns the types and the field layouts. Must not know about frames: codec.py makes those. It exists so that
host and board cannot disagree about a field.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

VERSION = 2
PROTOCOL_HASH = 0x4517CFA7
FIRMWARE_HASH = 0xECE0BA2F
HEADER_SIZE = 3
FRAME_MAX = 63
"""Bytes of the longest frame: header, payload, CRC."""


class Hello(NamedTuple):
    """Who are you? A host with another protocol or firmware hash is answered, and may not arm."""

    protocol_hash: int
    """Hash of this file as the host knows it."""
    firmware_hash: int
    """Hash of the sources of core and ports that the host expects."""


class Configure(NamedTuple):
    """Limits and timing of the board.

    Taken once, in state safe; then locked until RESET or power-off. The same values again are acknowledged.
    """

    lease_ms: int
    """The contactor opens when no valid heartbeat came for this long. [ms]"""
    precharge_settle_ms: int
    """How long both sides must stand apart (residual), agree (match, precharge), or the pulse flow, without a break.

    [ms]
    """
    precharge_timeout_ms: int
    """How long precharge may take. [ms]"""
    limit_delay_ms: int
    """How long a limit must be exceeded; a break takes a quarter of its own length back (`fade_divisor`). [ms]"""
    precharge_delta_mv: int
    """Largest difference of the two sides at which the contactor may close. [mV]"""
    voltage_max_mv: int
    """Own limit of the pack voltage. [mV]"""
    voltage_min_mv: int
    """Own limit of the pack voltage; positive, so that a reversed pack is refused. [mV]"""
    charge_max_ma: int
    """Own limit of the current into the pack. [mA]"""
    discharge_max_ma: int
    """Own limit of the current out of the pack; a magnitude. [mA]"""
    temperature_max_dc: int
    """Own limit of every fitted sensor. [0.1 degC]"""
    temperature_min_dc: int
    """Own limit of every fitted sensor. [0.1 degC]"""
    wake_timeout_ms: int
    """How long the BMS may take to wake. [ms]"""
    pack_timeout_ms: int
    """How long the pack's own contactors may take until a voltage within the limits is seen. [ms]"""
    residual_timeout_ms: int
    """How long both sides may stand together with everything off (the cycler's output discharges); 0: not looked at.

    [ms]
    """
    match_timeout_ms: int
    """How long the cycler may take to come to the pack's voltage; 0: it is not asked to, precharge does it all. [ms]"""
    precharge_pause_ms: int
    """Between two tries of precharge. [ms]"""
    precharge_tries: int
    """How often precharge is tried."""
    sign_timeout_ms: int
    """How long after closing the pulse may take to show its sign; 0: no pulse is asked for. [ms]"""
    sign_current_ma: int
    """Limit of the current's magnitude until the pulse has shown its sign. [mA]"""
    sign_delta_mv: int
    """A change of the pack's voltage of at least this much is judged with the pulse.

    0: the voltage is not judged. [mV]
    """
    current_noise_ma: int
    """Most that the board's own sensor shows while nothing flows.

    A sign pulse must be announced with more than twice this, so that half of it, which counts as seen, is more than
    noise. [mA]
    """
    fitted: int
    """Bits of `fitted`: the optional inputs and sensors that are wired."""


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
    """Begin the arm sequence.

    Acknowledged at its beginning; STATUS tells how far it is, and in `refused` why it ended.
    """


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
    """Leaves the latch, unlocks the configuration and repeats the self-test.

    Needs the key turned from off to on since the trip and the last RESET, and a name; only with the contactor open.
    """

    token: int
    """Newer (greater) than every token used before."""
    operator: bytes
    """Who resets: the first bytes of the name, UTF-8, zeros behind."""


class Prove(NamedTuple):
    """The next end of the lease is a proof test: it opens in load-break order without a latch.

    Only closed, without current; the next valid heartbeat takes it back.
    """


class Sign(NamedTuple):
    """Announces the pulse by which the sign of the current is shown. Only in phase sign; the newest one counts."""

    current_ma: int
    """Positive charges; more than twice current_noise, and within sign_current. [mA]"""


class EventQuery(NamedTuple):
    """What happened? Answered by EVENT with that number, or the oldest that is remembered."""

    number: int
    """Counts from 0 since the board started."""


class SnapshotQuery(NamedTuple):
    """What did the board see when it tripped? Answered by SNAPSHOT."""


class HelloReply(NamedTuple):
    """Answer to HELLO."""

    protocol_hash: int
    """Hash of this file as the board knows it."""
    firmware_hash: int
    """Hash of the sources of core and ports."""
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
    phase: int
    """One of `phases`: how far the arm sequence is."""
    refused: int
    """Why the last arm sequence failed, one of `refusals`; 0 when it did not, or a new one has begun."""
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
    hottest_dc: int
    """The highest of the fitted sensors; -32768 when there is none, or one gives no reading. [0.1 degC]"""
    events: int
    """Events since the board started, those that were only counted included."""


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


class Event(NamedTuple):
    """One event. When there is none with that number or after it, kind and code are 0 and number is total."""

    number: int
    """Of this event."""
    total: int
    """Events since the board started."""
    uptime_us: int
    """When it happened, since the start of the board. [us]"""
    kind: int
    """One of `events`."""
    code: int
    """By kind."""
    value: int
    """By kind."""


class Snapshot(NamedTuple):
    """The moment of the trip; all zero when there has been none since the last reset."""

    uptime_us: int
    """Since the start of the board. [us]"""
    trip_code: int
    """One of `trips`."""
    trip_detail: int
    """As in STATUS."""
    state: int
    """The state it tripped in."""
    phase: int
    """The step of the arm sequence it tripped in."""
    flags: int
    """Bits of `flags`, before it disarmed."""
    inputs: int
    """Bits of `inputs`."""
    outputs: int
    """Bits of `outputs`, as commanded until then."""
    lease_left_ms: int
    """0 when not armed. [ms]"""
    token: int
    """Newest token used."""
    counter: int
    """Of the newest valid heartbeat."""
    pack_mv: int
    """Pack side of the contactor. [mV]"""
    cycler_mv: int
    """Cycler side of the contactor. [mV]"""
    current_ma: int
    """Positive charges the pack. [mA]"""
    temperature_1_dc: int
    """Sensor 1; -32768: no reading. [0.1 degC]"""
    temperature_2_dc: int
    """Sensor 2. [0.1 degC]"""
    temperature_3_dc: int
    """Sensor 3. [0.1 degC]"""
    temperature_4_dc: int
    """Sensor 4. [0.1 degC]"""


HostMessage = (
    Hello
    | Configure
    | Arm
    | Close
    | Open
    | Heartbeat
    | Trip
    | StatusQuery
    | Reset
    | Prove
    | Sign
    | EventQuery
    | SnapshotQuery
)
"""What the host asks."""

BoardMessage = HelloReply | Status | Ack | Nak | Event | Snapshot
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
    Prove: 0x0A,
    Sign: 0x0B,
    EventQuery: 0x0C,
    SnapshotQuery: 0x0D,
    HelloReply: 0x81,
    Status: 0x82,
    Ack: 0x83,
    Nak: 0x84,
    Event: 0x85,
    Snapshot: 0x86,
}
"""Message type to its number on the wire."""

FIELDS: dict[int, str] = {
    0x01: "II",
    0x02: "HHHHiiiiihhHHHHHBHiiiB",
    0x03: "IH",
    0x04: "",
    0x05: "",
    0x06: "II",
    0x07: "H",
    0x08: "",
    0x09: "I16s",
    0x0A: "",
    0x0B: "i",
    0x0C: "I",
    0x0D: "",
    0x81: "IIHBI",
    0x82: "BBBBHBBHHHQiiihI",
    0x83: "B",
    0x84: "BB",
    0x85: "IIQBBI",
    0x86: "QBHBBBHBHIIiiihhhh",
}
"""Number on the wire to the fields as `struct` codes, in order."""

REQUESTS: dict[type[HostMessage], tuple[int, Struct]] = {
    Hello: (0x01, Struct("<BBBII")),
    Configure: (0x02, Struct("<BBBHHHHiiiiihhHHHHHBHiiiB")),
    Arm: (0x03, Struct("<BBBIH")),
    Close: (0x04, Struct("<BBB")),
    Open: (0x05, Struct("<BBB")),
    Heartbeat: (0x06, Struct("<BBBII")),
    Trip: (0x07, Struct("<BBBH")),
    StatusQuery: (0x08, Struct("<BBB")),
    Reset: (0x09, Struct("<BBBI16s")),
    Prove: (0x0A, Struct("<BBB")),
    Sign: (0x0B, Struct("<BBBi")),
    EventQuery: (0x0C, Struct("<BBBI")),
    SnapshotQuery: (0x0D, Struct("<BBB")),
}
"""Number and layout, header included, of what the host sends."""

ANSWERS: dict[int, tuple[type[BoardMessage], Struct]] = {
    0x81: (HelloReply, Struct("<IIHBI")),
    0x82: (Status, Struct("<BBBBHBBHHHQiiihI")),
    0x83: (Ack, Struct("<B")),
    0x84: (Nak, Struct("<BB")),
    0x85: (Event, Struct("<IIQBBI")),
    0x86: (Snapshot, Struct("<QBHBBBHBHIIiiihhhh")),
}
"""Type and payload layout of what the board sends."""
