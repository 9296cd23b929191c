"""The latch across a reset of a board: the ports' control cycle on a PC, with memory that a reset leaves alone."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest
from firmware_bridge.protocol.spec import CORE

from packbench_board.codes import TX_MAX_BYTES, Input, ResetCause, State, TripCode
from packbench_board.core import HostCore
from packbench_board.frames import TYPES, HostMessage, Status, StatusQuery, Trip

BOARDS = CORE.parent / "boards"
HERE = Path(__file__).resolve().parent
UP = 120
"""Cycles until a board that was started has settled and answers."""


class Board:
    """One board's program, from its power-on; a copy of the library is a board of its own."""

    def __init__(self, built: Path) -> None:
        self._library = ctypes.CDLL(str(built))
        self._codec = HostCore()
        self.start(ResetCause.POWER_ON)

    def start(self, cause: ResetCause) -> None:
        """Switched on, or reset: what the memory holds stays."""
        self._library.shim_start(int(cause))
        self._library.shim_run(UP)

    def ask(self, request: HostMessage) -> Status | None:
        frame = self._codec.encode(request, 1)
        answer = (ctypes.c_uint8 * TX_MAX_BYTES)()
        size = self._library.shim_ask(frame, len(frame), answer)
        found = self._codec.decode(bytes(answer[:size]))
        assert found is not None
        return Status._make(found[2]) if found[0] == TYPES[Status] else None

    def status(self) -> tuple[State, TripCode, int]:
        status = self.ask(StatusQuery())
        assert status is not None
        return State(status.state), TripCode(status.trip_code), status.trip_detail

    def press_stop(self) -> None:
        """And let go again."""
        for level in (0, 1):
            self._library.shim_wire(int(Input.ESTOP_OK), level)
            self._library.shim_run(10)

    def spoil(self, bits: int) -> None:
        self._library.shim_spoil(bits)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, common = tmp_path_factory.mktemp("retain"), BOARDS / "common"
    built, retain = folder / "board.so", folder / "retain.o"
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-fPIC", f"-I{CORE}", f"-I{common}"]
    subprocess.run(["cc", *flags, "-Dstatic=", "-c", "-o", str(retain), str(common / "pb_retain.c")], check=True)
    sources = [*CORE.glob("*.c"), common / "pb_cycle.c", common / "pb_debounce.c", HERE / "cycle_shim.c", retain]
    subprocess.run(["cc", *flags, "-shared", "-o", str(built), *map(str, sources)], check=True, timeout=60)
    return built


@pytest.fixture
def board(built: Path, tmp_path: Path) -> Board:
    return Board(Path(shutil.copy(built, tmp_path)))


def test_a_board_that_is_switched_on_is_safe(board: Board) -> None:
    assert board.status() == (State.SAFE, TripCode.NONE, 0)


@pytest.mark.parametrize("cause", [ResetCause.PIN, ResetCause.SOFTWARE])
def test_a_reset_of_a_board_that_had_not_tripped_leaves_it_so(board: Board, cause: ResetCause) -> None:
    board.start(cause)
    assert board.status() == (State.SAFE, TripCode.NONE, 0)


@pytest.mark.parametrize("cause", list(ResetCause))
def test_a_latch_outlasts_a_reset(board: Board, cause: ResetCause) -> None:
    """Also a loss of the supply that was too short for memory to forget."""
    board.press_stop()
    assert board.status() == (State.TRIPPED, TripCode.ESTOP, 0)
    for _ in range(2):
        board.start(cause)
        assert board.status() == (State.TRIPPED, TripCode.ESTOP, 0)


def test_the_detail_outlasts_it_too(board: Board) -> None:
    board.ask(Trip(0xBEEF))
    board.start(ResetCause.PIN)
    assert board.status() == (State.TRIPPED, TripCode.HOST, 0xBEEF)


@pytest.mark.parametrize("tripped", [False, True])
def test_a_record_that_is_not_whole_is_an_unknown_trip_unless_it_was_switched_on(board: Board, tripped: bool) -> None:
    if tripped:
        board.press_stop()
    for bit in range(32):
        board.spoil(1 << bit)
        board.start(ResetCause.PIN)
        assert board.status() == (State.TRIPPED, TripCode.UNKNOWN_RESET, 0)
        board.spoil(1 << bit)
        board.start(ResetCause.POWER_ON)
        assert board.status() == (State.SAFE, TripCode.NONE, 0)
