"""The emulated bench's process: pack, cycler, BMS, board and whatever else the bench file has played.

Owns the composition of that process. It is started by app/emulated_world.py, told on its first line of input what to
play, and answers with one line that says where. It outlives the controller: a program that was killed leaves a bench
behind, whose board must open by itself. Once its input ends it goes on for a while, and then ends. Ctrl-C is not its to
answer: the bench goes on while the controller stops it safely.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packbench.app.devices import line_names, load_types
from packbench.app.job import apply_settings
from packbench.clock import MonotonicClock
from packbench.config.bench import load_bench
from packbench.config.pack import load_pack
from packbench_board.frames import Status, StatusQuery

if TYPE_CHECKING:
    from packbench_sim.world import World

EDGES_MAX = 10_000
"""Changes of coil and output that are kept."""


class Truth:
    """What really happened, for whoever asks when it is over."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._coil: list[tuple[int, bool]] = []
        self._output: list[tuple[int, bool]] = []
        world.plant.contactor.on_coil = lambda t_ns, closed: self._note(self._coil, t_ns, closed)
        world.plant.cycler.on_command = self._commanded

    def _commanded(self, t_ns: int, output_on: bool, _voltage_v: float, _source_a: float, _sink_a: float) -> None:
        self._note(self._output, t_ns, output_on)

    def _note(self, edges: list[tuple[int, bool]], t_ns: int, level: bool) -> None:
        if (not edges or edges[-1][1] is not level) and len(edges) < EDGES_MAX:
            edges.append((t_ns, level))

    def as_dict(self, now_ns: int) -> dict[str, Any]:
        """Instants are of the system's monotonic clock."""
        plant, board = self._world.plant, self._world.board
        plant.advance_to(now_ns)
        status = board.ask(now_ns, StatusQuery())
        assert isinstance(status, Status)
        return {
            "contactor_closed": plant.contactor.closed,
            "coil": plant.contactor.coil,
            "current_a": plant.true_current_a,
            "charge_ah": plant.true_charge_ah,
            "discharge_ah": plant.true_discharge_ah,
            "energy_wh": plant.true_energy_wh,
            "closings": plant.contactor.closings,
            "hot_openings": plant.contactor.hot_openings,
            "ambient_c": plant.pack.ambient_c,
            "board_state": board.state.name,
            "board_trip": status.trip_code,
            "coil_edges": self._coil,
            "output_edges": self._output,
        }


async def serve(work: dict[str, Any], lines: asyncio.StreamReader) -> dict[str, Any]:
    """Play what `work` says until the input has ended and the time after it is over; the truth, as it was then."""
    from packbench_board.codes import Input
    from packbench_sim.faults import Injection
    from packbench_sim.serve import serve_tcp, watch_failures
    from packbench_sim.wiring import on_lines, wire_devices
    from packbench_sim.world import build_parts

    clock = MonotonicClock()
    failed = watch_failures()
    pack, _ = apply_settings(load_pack(work["pack"]["text"], work["pack"]["name"]), tuple(work["settings"]))
    bench = load_bench(work["bench"]["text"], work["bench"]["name"])
    injections = tuple(Injection(fault_id, at_ns) for fault_id, at_ns in work["injections"])
    world = build_parts(bench, pack, start_ns=clock.now_ns(), seed=work["seed"], injections=injections)
    truth = Truth(world)
    names = line_names(bench)
    played = on_lines(wire_devices(world, bench, load_types(bench).by_role), names)
    wanted = {names[role] for role in work["roles"]}
    servers = {name: await serve_tcp(played[name], "127.0.0.1", 0, clock) for name in wanted}
    # A pty or a serial line is played over TCP here: the frames are the same, and nothing is left behind.
    urls = {name: f"rtu+tcp://127.0.0.1:{server.port}" for name, server in servers.items()}
    sys.stdout.write(json.dumps({"ready": True, "urls": urls, "pid": os.getpid()}) + "\n")
    sys.stdout.flush()
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    try:
        while line := await _line(lines, over, failed):
            word = json.loads(line)
            if "key" in word:
                world.board.set_input(Input.KEY_ON, bool(word["key"]))
        await _wait(over, float(work["linger_s"]))
        return truth.as_dict(clock.now_ns())
    finally:
        for server in servers.values():
            await server.close()


async def _line(lines: asyncio.StreamReader, over: asyncio.Event, failed: asyncio.Future[BaseException]) -> bytes:
    """The next line of input; empty when there is none any more. Raises what a device failed with."""
    reading, ending = asyncio.ensure_future(lines.readline()), asyncio.ensure_future(over.wait())
    await asyncio.wait({reading, ending, failed}, return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    if failed.done():
        raise failed.result()
    if reading.done():
        return reading.result()
    reading.cancel()
    return b""


async def _wait(over: asyncio.Event, seconds: float) -> None:
    """A while, unless somebody ends it."""
    try:
        async with asyncio.timeout(seconds):
            await over.wait()
    except TimeoutError:
        return


async def _main() -> tuple[str, dict[str, Any]]:
    """The file that the truth goes to, and the truth."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=1 << 22)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    first = await lines.readline()
    if not first:
        return "", {}
    work = json.loads(first)
    return str(work["truth"]), await serve(work, lines)


def main() -> int:
    """Entry: what is to be played comes on standard input."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        file, truth = asyncio.run(_main())
        if file:
            Path(file).write_text(json.dumps(truth), encoding="utf-8")
    except Exception as error:  # noqa: BLE001 - the last line of a process: its devices fall silent
        sys.stderr.write(f"packbench emulated bench: {type(error).__name__}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
