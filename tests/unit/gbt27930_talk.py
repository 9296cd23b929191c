"""A charger's session with a BMS by hand: a clock, what was said, and the messages of a plain pack."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from packbench.drivers.gbt27930 import advance, begin
from packbench.drivers.gbt27930_session import Phase
from packbench.drivers.gbt27930_settings import ChargerSettings
from packbench.wire.can.frame import CanFrame
from packbench.wire.can.j1939 import PGN_TP_CM, PGN_TP_DT, data_packets, pack_id, rts_data
from packbench.wire.gbt27930.frames import BMS, CHARGER, frame_of, message_in, payload_of
from packbench.wire.gbt27930.messages import READY, Bcl, Bcp, Bcs, Bhm, Brm, Bro, Bsd, Bsm, GbtMessage

MS, S = 1_000_000, 1_000_000_000
BRM = Brm(1, 1, 3, 176.0, 144.0, maker="ACME", serial=b"\x01\x02\x03\x04", vin="LTEST000000000001")
BCP = Bcp(3.65, 100.0, 25_000.0, 164.0, 55.0, 0.5, 150.0)
BCL = Bcl(164.0, 60.0, 2)
BCS = Bcs(150.5, 59.8, 3.35, 1, 0.51, 3600.0)
BSM = Bsm(7, 31.0, 2, 27.0, 1)
BSD = Bsd(0.52, 3.2, 3.36, 26.0, 32.0)
SILENT_UNTIL_NS = 100 * S


class Talk:
    """A session with a BMS that says what a test has it say."""

    def __init__(self, chosen: ChargerSettings | None = None) -> None:
        self.now_ns = 0
        self.state = begin(chosen or ChargerSettings(), 0)
        self.said: list[tuple[int, Any]] = []
        self.transport: list[bytes] = []
        self.wake_ns: int | None = 0
        self._step(None)

    def _step(self, frame: CanFrame | None) -> None:
        self.state, frames, self.wake_ns = advance(self.state, frame, self.now_ns)
        for item in frames:
            message = message_in(item)
            if message is None:
                self.transport.append(item.data)
            else:
                self.said.append((self.now_ns // MS, message))

    def hear(self, *messages: GbtMessage) -> None:
        for message in messages:
            kind, payload = payload_of(message)
            if len(payload) <= 8:
                self._step(frame_of(message))
                continue
            self._step(CanFrame(pack_id(7, PGN_TP_CM, CHARGER, BMS), rts_data(len(payload), kind.pgn)))
            for data in data_packets(payload):
                self._step(CanFrame(pack_id(7, PGN_TP_DT, CHARGER, BMS), data))

    def wait(self, ms: float, *, keep: tuple[GbtMessage, ...] = (), each_ms: float = 50) -> None:
        """Let time pass; `keep`: what the BMS goes on saying meanwhile."""
        end_ns = self.now_ns + round(ms * MS)
        next_ns = self.now_ns + round(each_ms * MS) if keep else end_ns
        while True:
            due_ns = min(end_ns, next_ns, SILENT_UNTIL_NS if self.wake_ns is None else self.wake_ns)
            assert due_ns >= self.now_ns
            self.now_ns = due_ns
            self._step(None)
            assert self.wake_ns is None or self.wake_ns > self.now_ns
            if due_ns == next_ns and keep:
                self.hear(*keep)
                next_ns += round(each_ms * MS)
            if due_ns == end_ns:
                return

    def want(self, **changes: Any) -> None:
        self.state = replace(self.state, wants=replace(self.state.wants, **changes))
        self._step(None)

    def take(self) -> list[tuple[int, Any]]:
        said, self.said = self.said, []
        return said

    def kinds(self) -> list[str]:
        return [type(message).__name__ for _, message in self.take()]

    def charge(self) -> None:
        self.hear(Bhm(164.0), BRM, BCP, Bro(READY), BCL, BCS, BSM)
        assert self.state.phase is Phase.CHARGING
        self.take()
