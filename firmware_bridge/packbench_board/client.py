"""The interlock board as its host sees it: implements packbench.drivers.protocols.Board over a Link.

Owns the order of the handshake and the heartbeat's token and counter. Must not retry, wait or read a clock (the link
does), and must not decide when to beat (run/supervisor.py does). It exists so that a board with another protocol,
another firmware or another configuration is refused before it could be armed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from packbench.core.errors import BadReply, DeviceRefused
from packbench.core.samples import BoardSample
from packbench.transport.link import Link, Reply
from packbench_board.clock_fit import ClockFit
from packbench_board.codes import Flag
from packbench_board.frames import (
    FIRMWARE_HASH,
    PROTOCOL_HASH,
    Arm,
    BoardMessage,
    Close,
    Event,
    EventQuery,
    Heartbeat,
    Hello,
    HelloReply,
    HostMessage,
    Open,
    Prove,
    Reset,
    Sign,
    Snapshot,
    SnapshotQuery,
    Status,
    StatusQuery,
    Trip,
)
from packbench_board.settings import BoardSettings, config_crc
from packbench_board.words import STATES, BoardEvent, board_event, board_sample

IdentityT = TypeVar("IdentityT")

_CONFIGURED = int(Flag.CONFIGURED)
_U16_MAX = 0xFFFF
OPERATOR_BYTES = 16
EVENTS_AT_ONCE = 64
"""Most events that one call fetches: what the board remembers."""


def operator_bytes(name: str) -> bytes:
    """The first bytes of a name, UTF-8, cut between characters, zeros behind."""
    cut = name.encode()[:OPERATOR_BYTES].decode(errors="ignore").encode()
    return cut.ljust(OPERATOR_BYTES, b"\0")


def check_hello(hello: HelloReply, crc: int | None, firmware_hash: int = FIRMWARE_HASH) -> None:
    """Raise BadReply when protocol, firmware or (when `crc` is given) configuration are not the host's."""
    if hello.protocol_hash != PROTOCOL_HASH:
        raise BadReply(
            f"board: protocol {hello.protocol_hash:08x}, this host speaks {PROTOCOL_HASH:08x}: update one of them"
        )
    if hello.firmware_hash != firmware_hash:
        raise BadReply(f"board: firmware {hello.firmware_hash:08x}, expected {firmware_hash:08x}: update the board")
    if crc is not None and (not hello.flags & _CONFIGURED or hello.config_crc != crc):
        raise BadReply(
            f"board: configuration CRC {hello.config_crc:04x}, expected {crc:04x}:"
            " turn its key and reset it, or switch it off and on"
        )


def require_untripped(status: BoardSample) -> None:
    """Raise DeviceRefused, with the cause and the way out, for a board that is latched."""
    if status.trip_code:
        cause = status.trip_name.replace("_", " ")
        raise DeviceRefused(
            f"the board is tripped ({cause}): mend the cause, turn its key from off to on, and reset it in your name"
            " (packbench board reset)"
        )


class BoardClient(Generic[IdentityT]):
    """One board. `identity` makes what `identify` returns from model, serial and firmware.

    It is handed in (drivers.protocols.Identity) because this package stands below the drivers.
    """

    def __init__(
        self,
        link: Link[HostMessage, BoardMessage],
        settings: BoardSettings,
        identity: Callable[[str, str, str], IdentityT],
        *,
        firmware_hash: int = FIRMWARE_HASH,
    ) -> None:
        self._link = link
        self._settings = settings
        self._identity = identity
        self._firmware_hash = firmware_hash
        self._token = self._newest_token = 0
        self._counter = 0
        self._crc = 0
        self.last_status: Status | None = None
        """The newest status whole: what a sample has no place for."""
        self.clock = ClockFit()
        """The board's clock against the host's."""
        self._heard = 0
        """Number of the first event that has not been fetched."""

    async def identify(self) -> IdentityT:
        """Greet, configure a board that has no configuration yet, and check that all three hashes are the host's.

        Raises BadReply on a mismatch; DeviceRefused when the board does not take the configuration.
        """
        hello = await self.greet()
        check_hello(hello, None, self._firmware_hash)
        require_untripped(await self.read())
        if not hello.flags & _CONFIGURED:
            await self.configure()
            hello = await self.greet()
        self._crc = config_crc(self._settings.message())
        check_hello(hello, self._crc, self._firmware_hash)
        return self._identity("packbench-board", "", f"{hello.firmware_hash:08x}")

    async def configure(self) -> None:
        """Send the settings. The board takes them once; the same ones again are acknowledged."""
        await self._link.exchange(self._settings.message())

    async def arm(self, token: int) -> None:
        """Arm with an operator's token (1 to 2^32-1) and start the lease.

        One that is not newer than what the board has heard (the host's clock has started anew) is made so.
        """
        token = max(token, self._newest_token + 1)
        await self._link.exchange(Arm(token, self._crc))
        self._token = self._newest_token = token
        self._counter = 0

    async def close(self) -> None:
        """Begin precharge; the status tells when the contactor is closed."""
        await self._link.exchange(Close())

    async def open(self) -> None:
        """Open in load-break order, ahead of the queue. Idempotent."""
        await self._link.exchange(Open(), urgent=True)

    async def trip(self, code: int) -> None:
        """Trip and latch, ahead of the queue. The code is the host's own; a board that refused it would be unsafe."""
        await self._link.exchange(Trip(min(max(code, 0), _U16_MAX)), urgent=True)

    async def reset(self, operator: str) -> None:
        """Leave the latch and unlock the configuration, in an operator's name.

        Needs the key turned from off to on since the trip.
        """
        token = (await self.greet()).last_token + 1
        await self._link.exchange(Reset(token, operator_bytes(operator)))

    async def prove(self) -> None:
        """The next end of the lease is a proof test: it opens without a latch, unless a heartbeat comes before."""
        await self._link.exchange(Prove())

    async def announce(self, current_a: float) -> None:
        """Announce the pulse that is to show the sign of the current; positive charges."""
        await self._link.exchange(Sign(round(current_a * 1000.0)))

    async def snapshot(self) -> Snapshot | None:
        """What the board saw when it tripped; None when it has not since its last reset."""
        answer = (await self._link.exchange(SnapshotQuery())).value
        if not isinstance(answer, Snapshot):
            raise BadReply(f"board: {answer!r} is no snapshot")
        return answer if answer.trip_code else None

    async def log(self) -> tuple[BoardEvent, ...]:
        """Events that were not fetched before, oldest first, with the host's time of each."""
        found: list[BoardEvent] = []
        for _ in range(EVENTS_AT_ONCE):
            answer = (await self._link.exchange(EventQuery(self._heard))).value
            if not isinstance(answer, Event):
                raise BadReply(f"board: {answer!r} is no event")
            if answer.number >= answer.total:
                break
            self._heard = answer.number + 1
            found.append(board_event(answer, self.clock.host_ns(answer.uptime_us)))
        return tuple(found)

    async def heartbeat(self) -> BoardSample:
        """Renew the lease. A board that is not armed renews nothing and answers all the same."""
        self._counter += 1
        return self._sample(await self._link.exchange(Heartbeat(self._token, self._counter)))

    async def read(self) -> BoardSample:
        """The status without renewing anything."""
        return self._sample(await self._link.exchange(StatusQuery()))

    def _sample(self, reply: Reply[BoardMessage]) -> BoardSample:
        status = reply.value
        if not isinstance(status, Status) or status.state not in STATES:
            raise BadReply(f"board: {status!r} is no status")
        self.last_status = status
        self.clock.add(reply.t_ns, status.uptime_us)
        return board_sample(reply.t_ns, status)

    async def greet(self) -> HelloReply:
        """Ask who the board is, without telling it anything else."""
        reply = (await self._link.exchange(Hello(PROTOCOL_HASH, self._firmware_hash))).value
        if not isinstance(reply, HelloReply):
            raise BadReply(f"board: {reply!r} is no answer to a greeting")
        self._newest_token = reply.last_token
        return reply
