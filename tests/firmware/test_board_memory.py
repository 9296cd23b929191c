"""What the board remembers of a run, its own temperatures, and the host's way to both."""

from __future__ import annotations

import pytest
from tests.firmware.harness import CONFIG, OPERATOR, RELEASE_US, Rig

from packbench.drivers.protocols import Identity
from packbench.transport.link import Reply
from packbench_board.client import BoardClient, operator_bytes
from packbench_board.clock_fit import ClockFit
from packbench_board.codec import BoardCodec
from packbench_board.codes import EVENTS_AFTER_TRIP, EVENTS_MAX, EventKind, Fitted, Input, Output, State, TripCode
from packbench_board.frames import Ack, BoardMessage, Event, EventQuery, HostMessage, Open, Reset, Snapshot, Trip
from packbench_board.frames import SnapshotQuery as Query
from packbench_board.settings import BoardSettings

S = 1_000_000_000


def events(rig: Rig) -> list[Event]:
    found: list[Event] = []
    while True:
        event = rig.ask(EventQuery(found[-1].number + 1 if found else 0))
        assert isinstance(event, Event)
        if event.number >= event.total:
            return found
        found.append(event)


def snapshot(rig: Rig) -> Snapshot:
    answer = rig.ask(Query())
    assert isinstance(answer, Snapshot)
    return answer


def test_a_run_can_be_read_from_its_events(closed: Rig) -> None:
    closed.current_a = 0.0
    closed.ask(Open())
    closed.run(50_000)
    kinds = [EventKind(event.kind) for event in events(closed)]
    for earlier, later in (
        (EventKind.BOOT, EventKind.CONFIGURED),
        (EventKind.CONFIGURED, EventKind.ARMED),
        (EventKind.ARMED, EventKind.PHASE),
        (EventKind.PHASE, EventKind.OPENED),
    ):
        assert kinds.index(earlier) < kinds.index(later)
    found = events(closed)
    assert [event.number for event in found] == list(range(len(found)))
    assert [event.uptime_us for event in found] == sorted(event.uptime_us for event in found)
    (opened,) = [event for event in found if event.kind == EventKind.OPENED]
    assert RELEASE_US <= opened.value <= RELEASE_US + 1000


def test_the_oldest_events_make_room() -> None:
    rig = Rig()
    rig.step()
    for _ in range(EVENTS_MAX):
        rig.inputs ^= Input.KEY_ON
        rig.run(1000)
    found = events(rig)
    assert len(found) == EVENTS_MAX
    assert found[0].number == found[0].total - EVENTS_MAX


def test_what_led_to_a_trip_is_not_pushed_out_by_what_follows(closed: Rig) -> None:
    closed.ask(Trip(9))
    closed.run(50_000)
    for _ in range(10 * EVENTS_MAX):
        closed.inputs ^= Input.KEY_ON
        closed.run(1000)
    found = events(closed)
    tripped = next(place for place, event in enumerate(found) if event.kind == EventKind.TRIP)
    assert (found[tripped].code, found[tripped].value) == (TripCode.HOST, 9)
    assert len(found) - tripped == EVENTS_AFTER_TRIP
    assert any(event.kind == EventKind.ARMED for event in found[:tripped])
    assert found[-1].total > 10 * EVENTS_MAX, "the others are counted"
    closed.turn_key()
    assert isinstance(closed.ask(Reset(2, OPERATOR)), Ack)
    assert EventKind.RESET in [event.kind for event in events(closed)[-2:]]


def test_the_moment_of_the_trip_is_kept(closed: Rig) -> None:
    closed.beat(1, 7)
    closed.run(100_000)
    closed.current_a, closed.pack_v = -80.0, 390.0
    closed.core.set_temperatures([31.0, None, -5.0])
    closed.step()
    before = closed.status()
    closed.ask(Trip(3))
    closed.run(200_000)
    closed.pack_v = 300.0
    closed.inputs &= ~Input.ESTOP_OK
    closed.run(10_000)
    kept = snapshot(closed)
    assert (kept.trip_code, kept.trip_detail, kept.state) == (TripCode.HOST, 3, State.CLOSED)
    assert (kept.pack_mv, kept.cycler_mv, kept.current_ma) == (390_000, 360_000, -80_000)
    assert (kept.temperature_1_dc, kept.temperature_2_dc, kept.temperature_3_dc) == (310, -0x8000, -50)
    assert (kept.outputs, kept.inputs, kept.flags) == (before.outputs, before.inputs, before.flags)
    assert (kept.token, kept.counter, kept.lease_left_ms, kept.uptime_us) == (1, 7, 400, before.uptime_us)
    causes = [event for event in events(closed) if event.kind == EventKind.CAUSE]
    assert [event.code for event in causes] == [TripCode.ESTOP], "a further cause, told once"


def test_without_a_trip_there_is_no_moment(closed: Rig) -> None:
    assert snapshot(closed) == Snapshot(*[0] * len(Snapshot._fields))


# ---- temperatures, insulation, gas ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("readings_c", "code"),
    [
        ([60.0, 25.0], None),
        ([60.1, 25.0], TripCode.OVER_TEMPERATURE),
        ([25.0, 60.1], TripCode.OVER_TEMPERATURE),
        ([25.0, -20.0], None),
        ([25.0, -20.1], TripCode.UNDER_TEMPERATURE),
        ([25.0, None], TripCode.SENSOR_INVALID),
        ([None, 25.0], TripCode.SENSOR_INVALID),
        ([25.0, 25.0, 99.0], None),
    ],
)
def test_its_own_sensors_have_limits(readings_c: list[float | None], code: TripCode | None) -> None:
    rig = Rig()
    rig.core.set_temperatures([25.0, 25.0])
    rig.close(config=CONFIG._replace(fitted=int(Fitted.TEMPERATURE_1 | Fitted.TEMPERATURE_2)))
    rig.core.set_temperatures(readings_c)
    rig.run(CONFIG.limit_delay_ms * 1000 + 1000)
    status = rig.status()
    assert status.trip_code == (0 if code is None else code)
    known = [reading for reading in readings_c[:2] if reading is not None]
    assert status.hottest_dc == (round(10 * max(known)) if len(known) == 2 else -0x8000)


def test_sensors_that_are_not_fitted_are_not_looked_at(closed: Rig) -> None:
    closed.core.set_temperatures([99.0, None, -99.0, 99.0])
    closed.inputs &= ~Input.INSULATION_OK
    closed.run(100_000)
    assert closed.coil
    assert closed.status().hottest_dc == -0x8000


def test_the_alarm_of_a_gas_that_came_second_stays_until_the_reset(closed: Rig) -> None:
    closed.ask(Trip(1))
    closed.inputs &= ~Input.GAS_OK
    closed.run(10_000)
    closed.inputs |= Input.GAS_OK
    closed.run(10_000)
    assert closed.core.outputs & Output.ALARM
    closed.run(300_000)
    closed.turn_key()
    closed.ask(Reset(2, OPERATOR))
    assert not closed.core.outputs & Output.ALARM


# ---- the host's side ------------------------------------------------------------------------------------------------


class Loopback:
    """A link whose far end is a core, at the level of bytes."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.codec = BoardCodec()

    async def exchange(self, request: HostMessage, *, urgent: bool = False) -> Reply[BoardMessage]:
        sent = self.rig.step(self.codec.encode(request))
        answer = self.codec.decode(request, bytearray(sent))
        assert answer is not None
        return Reply(self.rig.t_us * 1000 + 5 * S, answer)


SETTINGS = BoardSettings(
    voltage_max_v=403.2, voltage_min_v=268.8, charge_current_max_a=110.0, discharge_current_max_a=110.0
)


async def test_the_client_fetches_each_event_once_and_in_the_hosts_time(rig: Rig) -> None:
    client = BoardClient(Loopback(rig), SETTINGS, Identity)
    await client.identify()
    await client.read()
    first = await client.log()
    assert [event.kind for event in first][:2] == ["boot", "inputs"]
    assert first[0].name == "power_on"
    assert "estop_ok" in first[1].words
    assert all(event.t_ns == event.uptime_us * 1000 + 5 * S for event in first)
    assert await client.log() == ()
    await client.arm(1)
    (armed,) = [event for event in await client.log() if event.kind == "armed"]
    assert armed.value == 1
    assert await client.snapshot() is None
    await client.trip(7)
    moment = await client.snapshot()
    assert moment is not None
    assert moment.trip_detail == 7


def test_an_operators_name_is_cut_between_characters() -> None:
    assert operator_bytes("Li Wei") == b"Li Wei" + bytes(10)
    assert operator_bytes("王") == "王".encode() + bytes(13)
    assert operator_bytes("王小明同志好") == "王小明同志".encode() + bytes(1)


def test_the_fit_takes_the_fastest_answer_and_sees_the_drift() -> None:
    fit = ClockFit()
    assert fit.host_ns(0) is None
    for second in range(600):
        uptime_us = round(second * 1_000_000 * 1.0001)
        late_ns = 0 if second % 7 == 0 else 3_000_000
        fit.add(second * S + late_ns, uptime_us)
    assert fit.drift == pytest.approx(-1e-4, rel=0.05)
    at_us = round(599 * 1_000_000 * 1.0001)
    told_ns = fit.host_ns(at_us)
    assert told_ns is not None
    assert abs(told_ns - 599 * S) < 1_000_000
    fit.add(1000 * S, 5)
    assert fit.host_ns(5) == 1000 * S, "a board that started anew"
    assert fit.drift == 0.0
