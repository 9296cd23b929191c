"""The simulated board in virtual time, and both ways to it: bytes through the client, and without bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from heapq import heappop, heappush

import pytest

from packbench.core.errors import BadReply, DeviceRefused, InputError, ReplyTimeout
from packbench.core.samples import BoardSample
from packbench.drivers.protocols import Board, Identity
from packbench.transport.link import Codec, Link, Reply
from packbench_board.client import BoardClient
from packbench_board.codec import BoardCodec
from packbench_board.codes import WAKE_HOLD_US, Input, Output, TripCode
from packbench_board.frames import BoardMessage, HostMessage, Status, StatusQuery
from packbench_board.settings import BoardSettings, config_crc
from packbench_sim.board import Deadlines, DirectBoard, SimBoard
from packbench_sim.parts import ContactorPart, WireDevice

MS = 1_000_000
SETTINGS = BoardSettings(
    voltage_max_v=403.2,
    voltage_min_v=268.8,
    charge_current_max_a=110.0,
    discharge_current_max_a=110.0,
    residual_timeout_ns=0,
    match_timeout_ns=0,
    sign_timeout_ns=0,
)
"""The shortest arm sequence: both sides stand at one voltage here from the start."""
PULL_IN_NS = 25 * MS


class Contactor:
    """A contactor whose contact follows its coil after a while."""

    def __init__(self) -> None:
        self.pack_v, self.cycler_v, self.current_a = 360.0, 360.0, 0.0
        self.coil = self.welded = False
        self.follows_ns = 0
        self.drives: list[tuple[int, bool]] = []

    def drive(self, t_ns: int, *, closed: bool) -> None:
        self.coil = closed
        self.follows_ns = t_ns + PULL_IN_NS
        self.drives.append((t_ns, closed))

    def is_closed(self, t_ns: int) -> bool:
        return self.welded or (self.coil if t_ns >= self.follows_ns else not self.coil)

    def measure(self, t_ns: int) -> tuple[float, float, float]:
        assert t_ns >= 0
        return self.pack_v, self.cycler_v, self.current_a


class Clock:
    """Virtual time whose timers cannot be cancelled, like the virtual loop's."""

    boot_id = "test"

    def __init__(self, board: SimBoard) -> None:
        self.t_ns = 0
        self.timers: list[tuple[int, int, Callable[[], None]]] = []
        Deadlines(board, self.now_ns, self.at_ns)
        self.run(0)

    def at_ns(self, when_ns: int, callback: Callable[[], None]) -> None:
        assert when_ns >= self.t_ns
        heappush(self.timers, (when_ns, len(self.timers), callback))

    def now_ns(self) -> int:
        return self.t_ns

    def call_at(self, t_ns: int, callback: Callable[[], object]) -> None:
        raise AssertionError("the board at object level sets no timers through a clock")

    async def sleep_until(self, t_ns: int) -> None:
        self.run(t_ns - self.t_ns)

    def wall(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def run(self, duration_ns: int) -> int:
        """Let time pass; returns how many timers fired."""
        end_ns = self.t_ns + duration_ns
        fired = 0
        while self.timers and self.timers[0][0] <= end_ns:
            self.t_ns, _, callback = heappop(self.timers)
            callback()
            fired += 1
        self.t_ns = end_ns
        return fired


class WireLink:
    """A link without a wire: one request in, the board's bytes back."""

    def __init__(self, board: WireDevice, clock: Clock, codec: Codec[HostMessage, BoardMessage]) -> None:
        self.board, self.clock, self.codec = board, clock, codec
        self.urgent: list[str] = []

    async def exchange(self, request: HostMessage, *, urgent: bool = False) -> Reply[BoardMessage]:
        if urgent:
            self.urgent.append(type(request).__name__)
        t_ns = self.clock.now_ns()
        buffer = bytearray(self.board.on_bytes(t_ns, self.codec.encode(request)))
        answer = self.codec.decode(request, buffer)
        if answer is None:
            raise ReplyTimeout("board: no reply")
        return Reply(t_ns, answer)


class Bench:
    def __init__(self, level: str, **options) -> None:
        self.contactor = Contactor()
        self.enable: list[tuple[int, bool]] = []
        self.precharge: list[tuple[int, bool]] = []
        self.sim = SimBoard(
            self.contactor,
            on_enable=lambda t_ns, on: self.enable.append((t_ns, on)),
            on_precharge=lambda t_ns, on: self.precharge.append((t_ns, on)),
            **options,
        )
        self.clock = Clock(self.sim)
        self.link = WireLink(self.sim, self.clock, BoardCodec())
        self.board: Board = (
            BoardClient(self.link, SETTINGS, Identity)
            if level == "bytes"
            else DirectBoard(self.sim, self.clock, SETTINGS)
        )

    async def close(self) -> None:
        await self.board.identify()
        await self.board.arm(1)
        await self.board.close()
        self.clock.run(100 * MS)
        sample = await self.board.heartbeat()
        assert sample.state == "closed"
        assert sample.contactor_closed


@pytest.fixture(params=["bytes", "object"])
def level(request) -> str:
    return request.param


@pytest.fixture
def bench(level: str) -> Bench:
    return Bench(level)


def test_the_parts_fit_their_protocols() -> None:
    contactor: ContactorPart = Contactor()
    board: WireDevice = SimBoard(contactor)
    codec: Codec[HostMessage, BoardMessage] = BoardCodec()
    clock = Clock(SimBoard(contactor))
    link: Link[HostMessage, BoardMessage] = WireLink(board, clock, codec)
    make: Callable[..., Board] = BoardClient
    assert make(link, SETTINGS, Identity)


async def test_identify_configures_once_and_names_the_firmware(bench: Bench) -> None:
    identity = await bench.board.identify()
    assert identity.model == "packbench-board"
    assert len(identity.firmware) == 8
    assert await bench.board.identify() == identity


async def test_another_configuration_is_refused_before_arming(bench: Bench, level: str) -> None:
    await bench.board.identify()
    other = replace(SETTINGS, charge_current_max_a=120.0)
    second: Board = (
        BoardClient(bench.link, other, Identity) if level == "bytes" else DirectBoard(bench.sim, bench.clock, other)
    )
    with pytest.raises(BadReply, match="configuration"):
        await second.identify()
    with pytest.raises(DeviceRefused, match="config_mismatch"):
        await second.arm(1)


async def test_another_firmware_is_refused(bench: Bench) -> None:
    client = BoardClient(bench.link, SETTINGS, Identity, firmware_hash=1)
    with pytest.raises(BadReply, match="firmware"):
        await client.identify()


async def test_closes_with_precharge_and_enable_in_order(bench: Bench) -> None:
    await bench.close()
    assert bench.enable == [(0, True)]
    # The relay stays on until the contact is made: no gap in between.
    assert bench.precharge == [(0, True), (SETTINGS.precharge_settle_ns + PULL_IN_NS, False)]
    assert bench.contactor.drives == [(SETTINGS.precharge_settle_ns, True)]


async def test_a_silent_host_opens_in_virtual_time(bench: Bench) -> None:
    await bench.close()
    last_ns = bench.clock.now_ns()
    bench.contactor.current_a = 80.0
    bench.clock.run(2_000 * MS)
    assert bench.enable[-1] == (last_ns + SETTINGS.lease_ns, False)
    assert bench.contactor.drives[-1] == (last_ns + SETTINGS.lease_ns + 80 * MS, False)
    sample = await bench.board.read()
    assert sample == BoardSample(
        bench.clock.now_ns(), "tripped", False, TripCode.LEASE, "lease", "none", "", 360.0, 360.0, 80.0
    )


async def test_heartbeats_hold_it_for_hours_and_cost_no_extra_steps(bench: Bench) -> None:
    await bench.close()
    fired = 0
    for _ in range(5 * 3600 * 2):
        fired += bench.clock.run(200 * MS)
        assert (await bench.board.heartbeat()).contactor_closed
    assert bench.contactor.drives == [(SETTINGS.precharge_settle_ns, True)]
    assert fired <= 7200 / 0.4 + 2, "one timer a lease is enough"


@pytest.mark.parametrize("boot_tick_us", [2**32 - 1, 2**32 - 50_000, 2**32 - 700_000])
async def test_the_wrap_of_the_tick_changes_nothing(level: str, boot_tick_us: int) -> None:
    outcomes = []
    for tick_us in (0, boot_tick_us):
        bench = Bench(level, boot_tick_us=tick_us)
        await bench.close()
        bench.contactor.current_a = -50.0
        bench.clock.run(1_000 * MS)
        outcomes.append((bench.contactor.drives, bench.enable, bench.precharge, await bench.board.read()))
    assert outcomes[0] == outcomes[1]


async def test_deadlines_hold_at_odd_instants(level: str) -> None:
    bench = Bench(level)
    bench.clock.run(123_456_789)
    await bench.close()
    last_ns = bench.clock.now_ns()
    bench.clock.run(1_000 * MS)
    opened_ns, closed = bench.contactor.drives[-1]
    assert not closed
    assert last_ns + SETTINGS.lease_ns - 1000 < opened_ns <= last_ns + SETTINGS.lease_ns + 1000


async def test_superseded_timers_die_out(bench: Bench) -> None:
    for token in range(1, 20):
        await bench.board.identify()
        await bench.board.arm(token)
        await bench.board.close()
        bench.clock.run(100 * MS)
        await bench.board.open()
        bench.clock.run(250 * MS)
    bench.clock.run(WAKE_HOLD_US // 1000 * MS)
    assert bench.clock.timers == [], "an idle board leaves the loop nothing to wait for"


async def test_an_idle_board_keeps_its_uptime_over_days(bench: Bench) -> None:
    await bench.board.identify()
    bench.clock.run(3 * 24 * 3_600_000 * MS)
    status = bench.sim.ask(bench.clock.now_ns(), StatusQuery())
    assert isinstance(status, Status)
    assert status.uptime_us == 3 * 24 * 3600 * 1_000_000
    await bench.close()


async def test_questions_in_between_do_not_stretch_the_load_break(bench: Bench) -> None:
    await bench.close()
    bench.contactor.current_a = 80.0
    await bench.board.open()
    start_ns = bench.clock.now_ns()
    bench.clock.run(3 * MS)
    assert (await bench.board.read()).state == "opening"
    bench.clock.run(200 * MS)
    assert bench.contactor.drives[-1] == (start_ns + 80 * MS, False)


async def test_open_and_trip_go_ahead_of_the_queue() -> None:
    bench = Bench("bytes")
    await bench.close()
    await bench.board.open()
    await bench.board.trip(42)
    assert bench.link.urgent == ["Open", "Trip"]
    sample = await bench.board.read()
    assert (sample.state, sample.trip_code, sample.trip_name) == ("tripped", TripCode.HOST, "host_42")
    await bench.board.trip(-1)
    await bench.board.trip(1 << 40)


async def test_reset_needs_the_key(level: str) -> None:
    bench = Bench(level)
    await bench.close()
    await bench.board.trip(1)
    bench.clock.run(300 * MS)
    board = bench.board
    assert isinstance(board, (BoardClient, DirectBoard))
    with pytest.raises(DeviceRefused, match="key_off"):
        await board.reset("Li Wei")
    with pytest.raises(DeviceRefused, match="tripped"):
        await board.close()
    bench.sim.set_input(Input.KEY_ON, True)
    await board.reset("Li Wei")
    await board.identify()
    await board.arm(3)
    assert bench.sim.outputs == Output.BMS_WAKE


async def test_an_emergency_stop_is_seen_at_once(bench: Bench) -> None:
    await bench.close()
    bench.clock.run(17 * MS)
    bench.sim.set_input(Input.ESTOP_OK, False)
    bench.clock.run(1)
    assert bench.contactor.drives[-1] == (117 * MS, False)
    assert (await bench.board.read()).trip_name == "estop"


async def test_a_weld_is_found_without_being_asked(bench: Bench) -> None:
    await bench.close()
    bench.contactor.welded = True
    await bench.board.open()
    bench.clock.run(200 * MS)
    sample = await bench.board.read()
    assert (sample.state, sample.trip_name, sample.contactor_closed) == ("tripped", "contactor_welded", True)
    bench.clock.run(WAKE_HOLD_US // 1000 * MS)
    assert bench.clock.timers == []


async def test_a_limit_seen_with_a_heartbeat_is_judged_at_the_end_of_its_delay(bench: Bench) -> None:
    await bench.close()
    bench.contactor.current_a = -111.0
    await bench.board.heartbeat()
    start_ns = bench.clock.now_ns()
    bench.clock.run(50 * MS)
    assert bench.enable[-1] == (start_ns + SETTINGS.limit_delay_ns, False)


async def test_a_sample_period_makes_its_own_limits_fast(level: str) -> None:
    bench = Bench(level, sample_period_ns=5 * MS)
    await bench.close()
    bench.contactor.current_a = 111.0
    start_ns = bench.clock.now_ns()
    bench.clock.run(150 * MS)
    assert bench.enable[-1][1] is False
    assert bench.enable[-1][0] - start_ns <= SETTINGS.limit_delay_ns + 5 * MS
    assert (await bench.board.read()).trip_name == "over_current"


async def test_a_heartbeat_with_another_hosts_token_is_an_error(bench: Bench) -> None:
    await bench.close()
    stranger = BoardClient(WireLink(bench.sim, bench.clock, BoardCodec()), SETTINGS, Identity)
    with pytest.raises(DeviceRefused, match="wrong_token"):
        await stranger.heartbeat()


async def test_noise_on_the_line_costs_no_exchange() -> None:
    bench = Bench("bytes")
    await bench.close()
    bench.sim.on_bytes(bench.clock.now_ns(), bytes(range(1, 200)))
    # The next request begins with a delimiter: the noise ends there, and does not take it along.
    assert (await bench.board.read()).state == "closed"
    assert (await bench.board.heartbeat()).state == "closed"


def test_settings_round_towards_the_tighter_limit() -> None:
    message = BoardSettings(
        voltage_max_v=403.2009, voltage_min_v=268.8001, charge_current_max_a=110.0009, discharge_current_max_a=90.0009
    ).message()
    assert (message.voltage_max_mv, message.voltage_min_mv) == (403_200, 268_801)
    assert (message.charge_max_ma, message.discharge_max_ma) == (110_000, 90_000)
    exact = BoardSettings(
        voltage_max_v=4.35, voltage_min_v=2.3, charge_current_max_a=1.1, discharge_current_max_a=1.1
    ).message()
    assert (exact.voltage_max_mv, exact.voltage_min_mv, exact.charge_max_ma) == (4350, 2300, 1100)
    assert config_crc(message) != config_crc(exact)


def test_settings_name_every_limit_that_is_no_number() -> None:
    with pytest.raises(InputError) as raised:
        BoardSettings(
            voltage_max_v=float("nan"),
            voltage_min_v=1.0,
            charge_current_max_a=1.0,
            discharge_current_max_a=float("inf"),
        ).message()
    assert [problem.field for problem in raised.value.problems] == ["voltage_max_v", "discharge_current_max_a"]
