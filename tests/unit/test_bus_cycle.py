"""How old a reading may become on a shared line: the bound holds for the port itself, and benches are held to it."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.port_parts import registers
from tests.unit.wire_parts import ScriptedTransport, device_map

from packbench.app.bus_cycle import Freshness, barely_met, freshness, unmet
from packbench.app.devices import DeviceTypes, load_types
from packbench.config.bench import load_bench
from packbench.config.document import load_document
from packbench.core.errors import DeviceError
from packbench.core.specs import BenchSpec, DeviceSpec
from packbench.maps.schema import DeviceType
from packbench.run.poller import Poller
from packbench.run.port import Port, PortLink
from packbench.transport.link import Timing
from packbench.wire.modbus import ModbusCodec, ModbusRequest, read_registers
from packbench_sim.loop import VirtualClock, run_virtual

MS = 1_000_000
S = 1_000_000_000
BENCHES = Path(__file__).parents[2] / "configs" / "benches"
LV = (BENCHES / "sim-lv.yaml").read_text("utf-8")
SHARED = LV.replace('"emulated:modbus+tcp"', '"rtu+tcp://192.0.2.1:4001"').replace(
    '"emulated:rtu+tcp"', '"rtu+tcp://192.0.2.1:4001"'
)
TAP = '  cell_tap: {device: modbus-hv-bms, url: "rtu+tcp://192.0.2.1:4001", unit: 3, reply_timeout: 300 ms}\n'
CYCLER, JK, HV = device_map("modbus-cycler"), device_map("jk-pb"), device_map("modbus-hv-bms")


def ages(text: str, types: DeviceTypes | None = None) -> dict[str, Freshness]:
    bench = load_bench(text, "bench.yaml")
    return {age.source: age for age in freshness(types or load_types(bench), bench)}


def said(text: str, types: DeviceTypes | None = None) -> tuple[list[str], list[str]]:
    """What is refused and what is remarked on."""
    bench, document = load_bench(text, "bench.yaml"), load_document(text, "bench.yaml")
    found = freshness(types or load_types(bench), bench)
    return [str(problem) for problem in unmet(found, document)], [str(item) for item in barely_met(found, document)]


# ------------------------------------------------------------- shipped benches


@pytest.mark.parametrize("path", sorted(BENCHES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_bench_survives_a_lost_answer_however_slow_its_devices_are(path: Path) -> None:
    text = path.read_text("utf-8")
    assert said(text) == ([], [])
    fitted = load_bench(text, path.name).fitted
    assert list(ages(text)) == ["cycler", "bms", "board", *fitted]
    assert all(set(age.shares) <= set(fitted) - {age.source} for age in ages(text).values())


def test_a_line_of_its_own() -> None:
    """EA on Modbus TCP: 5 ms of gap and at most 100 ms for an answer, each of which may wait for a set-point's."""
    cycler = ages(LV)["cycler"]
    assert cycler.cycle_s == pytest.approx(2 * 0.105)
    assert cycler.age_s == pytest.approx(0.5 + 2 * 0.105 + 0.2), "replies carry an id: no quarantine"
    assert cycler.least_age_s == pytest.approx(0.5 + 2 * 0.005 + 0.2)


def test_a_stated_pace_counts_instead_of_the_worst_turnaround() -> None:
    """JK: three blocks within the 0.25 s that its file says it keeps up with; a lost answer costs 0.5 s twice."""
    bms = ages(LV)["bms"]
    assert bms.cycle_s == pytest.approx(0.25)
    assert bms.age_s == pytest.approx(2 * 1.0 + 0.25), "the poll that was missed is not made up for"
    slow = ages(LV, DeviceTypes(device_map("ea-psb"), replace(JK, capabilities=HV.capabilities)))["bms"]
    frames_s = (3 * 13 + 2 * (37 + 36 + 3)) * 10 / 115_200
    assert slow.cycle_s == pytest.approx(frames_s + 3 * 0.03 + 3 * 0.5, abs=0.02)


def test_a_slow_line_makes_a_slow_cycle() -> None:
    def with_url(url: str) -> Freshness:
        return ages(LV.replace('"emulated:rtu+tcp"', f'"{url}"'))["bms"]

    fast = with_url("serial:///dev/ttyUSB0?baudrate=115200")
    slow = with_url("serial:///dev/ttyUSB0?baudrate=9600")
    assert slow.least_age_s - fast.least_age_s == pytest.approx(
        (3 * 13 + 2 * 76) * 10 * (1 / 9600 - 1 / 115_200), abs=0.001
    )
    assert slow.cycle_s == pytest.approx(0.25 * 12), "0.25 s was stated for 115200 baud"
    assert with_url("emulated:serial:///bus?baudrate=9600") == slow, "as the real one"


def test_the_board_has_its_lease_to_meet() -> None:
    board = ages(LV)["board"]
    assert board.stale_after_s == 0.5
    assert board.age_s == pytest.approx(0.2 + 0.2 + 0.08), "a lost heartbeat is not repeated; the next one is there"
    assert ages(LV.replace("lease: 500 ms", "lease: 450 ms"))["board"].stale_after_s == 0.45


# --------------------------------------------------------------- shared lines


def test_a_shared_line_is_refused_where_it_cannot_be_met() -> None:
    slow = SHARED.replace("rtu+tcp://192.0.2.1:4001", "serial:///dev/ttyUSB0?baudrate=1200")
    refused, remarked = said(slow)
    (cycler,) = [text for text in refused if "devices.cycler" in text]
    assert cycler.startswith(
        "bench.yaml:15:18: devices.cycler.stale_after: stale before its next reading: found 1.5 s, sharing a "
        "line with bms, expected at least "
    )
    assert cycler.endswith("or shorter time-outs or a line of its own")
    assert all("devices.cycler" not in text for text in remarked), "what is refused is not remarked on as well"


def test_a_line_on_which_one_lost_answer_stops_the_run_is_remarked_on() -> None:
    refused, remarked = said(SHARED)
    assert refused == []
    (cycler,) = [text for text in remarked if "devices.cycler" in text]
    assert cycler.startswith(
        "bench.yaml:15:18: devices.cycler.stale_after: one lost answer would make it stale: found 1.5 s, sharing a "
        "line with bms, expected at least "
    )
    patient = SHARED.replace("stale_after: 1.5 s", "stale_after: 3 s").replace("2.5 s", "4.5 s")
    assert said(patient) == ([], [])


def test_what_holds_only_while_devices_are_quick_is_remarked_on() -> None:
    """A lost answer of the JK costs 1 s on its own; the rest of the cycler's 1.6 s is nearly nothing."""
    text = SHARED.replace("stale_after: 1.5 s", "stale_after: 1.7 s").replace("2.5 s", "4.5 s")
    refused, remarked = said(text)
    assert refused == []
    (remark,) = remarked
    assert "devices.cycler.stale_after: one lost answer may make it stale, where answers are slow" in remark


def test_a_session_is_no_line_of_questions_and_answers() -> None:
    types = DeviceTypes(device_map("ea-psb"), device_map("gbt27930"))
    assert list(ages(LV, types)) == ["cycler", "board"]


# ------------------------------------------------- the bound against the port


class Line:
    """A port in virtual time, with devices that answer as late as they may and one answer that is lost."""

    def __init__(self, clock: VirtualClock, lost: int, delays_ns: dict[int, int]) -> None:
        self.clock = clock
        self.lost = lost
        self.asked = 0
        self.wire = ScriptedTransport(self.answer)
        self.port = Port(self.wire, clock)
        self.delays_ns = delays_ns

    def answer(self, sent: bytes) -> None:
        self.asked += 1
        if self.asked != self.lost:
            unit = sent[0]
            delay_s = self.delays_ns[unit] / 1e9
            asyncio.get_running_loop().call_later(delay_s, self.wire.hear, registers(1, unit=unit))

    def link(self, spec: DeviceSpec, device: DeviceType) -> PortLink[ModbusRequest, bytes]:
        codec = ModbusCodec("rtu", counters=self.port.counters)
        timing = Timing(spec.reply_timeout_ns, device.line.turnaround_ns, device.line.gap_ns)
        return self.port.link(codec, timing, retries=1, repeatable=lambda request: request.repeatable)


class Watched:
    """One source's poller; how old its newest reading was whenever the next one came."""

    def __init__(self, line: Line, spec: DeviceSpec, link: PortLink[ModbusRequest, bytes], exchanges: int) -> None:
        self.clock, self.link, self.unit, self.exchanges = line.clock, link, spec.unit, exchanges
        self.oldest_ns = 0
        self._newest_ns: int | None = None
        self.poller = Poller(line.clock, spec.poll_period_ns, self.read, self.on_sample, self.on_error)

    async def read(self) -> int:
        instants = [(await self.link.exchange(read_registers(self.unit, 0, 1))).t_ns for _ in range(self.exchanges)]
        return instants[0]

    def on_sample(self, t_ns: int) -> None:
        if self._newest_ns is not None:
            self.oldest_ns = max(self.oldest_ns, self.clock.now_ns() - self._newest_ns)
        self._newest_ns = t_ns

    def on_error(self, error: DeviceError) -> None:
        raise AssertionError(error)


def observed(bench: BenchSpec, types: DeviceTypes, lost: int, phase_ns: int) -> dict[str, int]:
    """The oldest readings of a few seconds on a line, in ns, while set-points are written without a pause."""
    mapped = {"cycler": (bench.cycler, types.cycler), "bms": (bench.bms, types.bms)}
    if bench.cell_tap is not None and types.cell_tap is not None:
        mapped["cell_tap"] = (bench.cell_tap.device, types.cell_tap)
    units = {role: number for number, role in enumerate(mapped, start=1)}
    delays_ns: dict[int, int] = {}
    for role, (_, device) in mapped.items():
        kept_ns = round(device.capabilities.min_period_s * 1e9)
        exchanges = len(device.group("poll"))
        delays_ns[units[role]] = kept_ns // exchanges - device.line.gap_ns if kept_ns else device.line.turnaround_ns

    async def main(clock: VirtualClock) -> dict[str, int]:
        line = Line(clock, lost, delays_ns)
        sources: dict[str, Watched] = {}
        for role, (spec, device) in mapped.items():
            spec = replace(spec, unit=units[role])  # noqa: PLW2901
            sources[role] = Watched(line, spec, line.link(spec, device), len(device.group("poll")))

        async def command() -> None:
            while True:
                await sources["cycler"].link.exchange(read_registers(units["cycler"], 0, 1))

        tasks = [asyncio.ensure_future(command())]
        for number, source in enumerate(sources.values()):
            tasks.append(asyncio.ensure_future(source.poller.run(number * phase_ns)))
        await clock.sleep_until(8 * S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return {role: source.oldest_ns for role, source in sources.items()}

    return run_virtual(main)


@pytest.mark.parametrize("tap", [None, HV], ids=["two devices", "three devices"])
def test_no_reading_on_a_port_grows_older_than_stated(tap: DeviceType | None) -> None:
    text = SHARED if tap is None else SHARED.replace("  board:\n    device", TAP + "  board:\n    device")
    bench, types = load_bench(text, "bench.yaml"), DeviceTypes(CYCLER, JK, tap)
    stated = {age.source: round(age.age_s * 1e9) for age in freshness(types, bench)}
    stated["cell_tap"] = stated["bms"]
    worst = dict.fromkeys(stated, 0)
    dice = random.Random(7)
    for lost in range(1, 61):
        for role, age_ns in observed(bench, types, lost, dice.randrange(0, 400) * MS).items():
            assert age_ns <= stated[role], (role, lost, age_ns)
            worst[role] = max(worst[role], age_ns)
    assert worst["cycler"] > 0.6 * stated["cycler"], "the bound is no fairy tale"
    assert worst["bms"] > 0.6 * stated["bms"]


def test_the_exchanges_of_a_reading_are_as_the_device_files_say() -> None:
    """Counted on the emulators: what the cycle is made of."""
    from tests.scenario.test_line_faults import ON_A_PORT, Bench

    counted: dict[str, tuple[int, int]] = {}
    for name in ON_A_PORT:

        async def main(clock: VirtualClock, name: str = name) -> None:
            bench = Bench(name, clock)
            await bench.ready()
            before = bench.buses.port(bench.line).stats.requests
            await bench.read()
            asked = bench.buses.port(bench.line).stats.requests - before
            stated = bench.type.line.exchanges or max(1, len(bench.type.group("poll")))
            counted[name] = (asked, stated)
            await bench.buses.close()

        run_virtual(main)
    assert {name: asked for name, (asked, _) in counted.items()} == {
        name: stated for name, (_, stated) in counted.items()
    }
