"""The board under QEMU: its machine, its wires, and the simplest plant around them.

Owns one emulator process and what stands around the board: a contactor whose coil is fed through the emergency stop and
the interlock loop, its mirror contact, the sensors. Must not know the line (line.py does), and must not touch the
firmware's memory to make something happen: inputs are driven as wires, sensors as devices.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

from tests.board.clients import ANSWER_TIMEOUT_S, Debugger, Qmp, Qtest
from tests.board.line import Line

from packbench_board.codes import Input, Output

PORT_B, PORT_E = 1, 4
"""Places of the two ports among the machine's seven."""
OUTPUT_PINS = 0x400053FC
CONTACT_NS = 20_000_000
"""What the contactor takes to move."""
UNUSED_RAM = 0x20008000
HANG = bytes.fromhex("72b6fee7")
"""cpsid i; b . : the processor spins and takes no interrupt."""

PINS = {
    Input.ESTOP_OK: 0,
    Input.KEY_ON: 1,
    Input.HVIL_OK: 2,
    Input.GAS_OK: 3,
    Input.AUX_CLOSED: 4,
    Input.INSULATION_OK: 5,
    Input.BMS_OK: 6,
    Input.PACK_CLOSED: 7,
}
"""Pins of port E (boards/lm3s6965evb/pb_board.h). AUX_CLOSED is a mirror contact: the pin is high when it is open."""
SAFE = Input.ESTOP_OK | Input.HVIL_OK | Input.GAS_OK | Input.INSULATION_OK | Input.BMS_OK | Input.PACK_CLOSED


class Edge(NamedTuple):
    """An output moved; the instant is when the test heard of it, so never too early."""

    t_ns: int
    output: Output
    high: bool


class Machine:
    """One board in one emulator. Use as a context: it is running inside, with healthy wires and a pack at 360 V."""

    def __init__(
        self, image: Path, *, sensors: bool = True, inputs: Input = SAFE, contactor_closed: bool = False
    ) -> None:
        self._image = image
        self._with_sensors = sensors
        self._folder = tempfile.TemporaryDirectory(prefix="pb-qemu-")
        self.inputs = inputs
        self.pack_mv, self.cycler_mv, self.current_ma = 360_000, 360_000, 0
        self.temperatures_c = [25.0, 25.0, 25.0, 25.0]
        self.edges: list[Edge] = []
        self.qmp_events: list[tuple[int, str]] = []
        self.outputs = Output(0)
        """As the pins stand."""
        self.contactor_closed = contactor_closed
        self._changed = threading.Condition()
        self._coil_moves: deque[tuple[int, bool]] = deque()
        self._coil = False
        self._restarted = False
        self._stopping = False

    # -- life ----------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Machine:
        folder = Path(self._folder.name)
        doors = {name: folder / name for name in ("line", "qmp", "qtest", "gdb")}
        command = ["qemu-system-arm", "-M", "lm3s6965evb", "-nodefaults", "-display", "none", "-nic", "none", "-S"]
        for name, path in doors.items():
            command += ["-chardev", f"socket,id={name},path={path},server=on,wait=off"]
        command += ["-kernel", str(self._image), "-serial", "chardev:line", "-qmp", "chardev:qmp"]
        command += ["-qtest", "chardev:qtest", "-qtest-log", "/dev/null", "-gdb", "chardev:gdb"]
        if self._with_sensors:
            command += ["-device", "tmp105,id=tc0,address=0x48", "-device", "max34451,id=vm0,address=0x4e"]
        self._said = (folder / "said").open("w+")
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._said, stderr=self._said)
        try:
            self._doors = doors
            self.qmp = Qmp(doors["qmp"], self._on_event)
            self._qtest = Qtest(doors["qtest"], self._on_edge)
            ports = self.qmp.devices("pl061_luminary")
            self._inputs_path = ports[PORT_E]
            self._qtest.run(f"irq_intercept_out {ports[PORT_B]}")
            self._drive_everything()
            self.line = Line(doors["line"])
            self._plant = threading.Thread(target=self._run_plant, daemon=True)
            self._plant.start()
            self.qmp.run("cont")
            self.line.first_status()
        except BaseException:
            self._process.kill()
            self._said.seek(0)
            print(self._said.read())  # noqa: T201
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._plant.join(ANSWER_TIMEOUT_S)
        self.line.unplug()
        self._process.terminate()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.qmp.close()
        self._qtest.close()
        self._said.close()
        self._folder.cleanup()

    # -- the wires -----------------------------------------------------------------------------------------------------

    def _drive(self, which: Input, present: bool) -> None:
        high = present != (which is Input.AUX_CLOSED)
        self._qtest.run(f"set_irq_in {self._inputs_path} unnamed-gpio-in {PINS[which]} {int(high)}")

    def _drive_everything(self) -> None:
        """After a start or a reset: the emulator's pins read 0 until they are driven, and its sensors forget."""
        for which in PINS:
            if which is not Input.AUX_CLOSED:
                self._drive(which, bool(self.inputs & which))
        self._drive(Input.AUX_CLOSED, self.contactor_closed)
        if self._with_sensors:
            self.sense(pack_mv=self.pack_mv, cycler_mv=self.cycler_mv, current_ma=self.current_ma)
            for sensor, value_c in enumerate(self.temperatures_c, start=1):
                self.heat(sensor, value_c)

    def sense(self, *, pack_mv: int | None = None, cycler_mv: int | None = None, current_ma: int | None = None) -> None:
        """Let the voltage and current sensors show these from now on; what is not given stays as it was."""
        given = (pack_mv, cycler_mv, current_ma)
        before = (self.pack_mv, self.cycler_mv, self.current_ma)
        shown = [old if new is None else new for new, old in zip(given, before, strict=True)]
        self.pack_mv, self.cycler_mv, self.current_ma = shown
        for page, (new, unit) in enumerate(zip(given, (20, 20, 10), strict=True)):
            if new is not None:
                self._set("vm0", f"vout[{page}]", new // unit & 0xFFFF)

    def heat(self, sensor: int, value_c: float) -> None:
        """Let one temperature sensor (1 to 4) show a value from now on."""
        self.temperatures_c[sensor - 1] = value_c
        if sensor == 1:
            self._set("tc0", "temperature", round(value_c * 1000))
        else:
            self._set("vm0", f"temperature[{sensor - 1}]", round(value_c * 100) & 0xFFFF)

    def _set(self, device: str, name: str, value: int) -> None:
        self.qmp.run("qom-set", path=f"/machine/peripheral/{device}", property=name, value=value)

    def set_input(self, which: Input, present: bool) -> int:
        """Open or close one loop; the instant just before. Emergency stop and interlock break the coil's supply."""
        with self._changed:
            t_ns = time.monotonic_ns()
            self.inputs = self.inputs | which if present else self.inputs & ~which
            self._move_coil(t_ns)
        self._drive(which, present)
        return t_ns

    def turn_key(self) -> None:
        """Off, long enough to be seen, and on."""
        self.set_input(Input.KEY_ON, False)
        self.wait_for_input(Input.KEY_ON, False)
        self.set_input(Input.KEY_ON, True)
        self.wait_for_input(Input.KEY_ON, True)

    def wait_for_input(self, which: Input, present: bool, timeout_s: float = 5.0) -> None:
        """Until the board says that it sees it."""
        end_s = time.monotonic() + timeout_s
        while bool(self.line.status().inputs & which) != present:
            assert time.monotonic() < end_s, f"the board does not see {which} {present}"
            time.sleep(0.003)

    # -- the plant -----------------------------------------------------------------------------------------------------

    @property
    def coil(self) -> bool:
        """Whether the contactor's coil has current: by the board's pin, and through the loops in hardware."""
        with self._changed:
            return self._coil

    def _move_coil(self, t_ns: int) -> None:
        chain = Input.ESTOP_OK in self.inputs and Input.HVIL_OK in self.inputs
        coil = Output.CONTACTOR in self.outputs and chain
        if coil != self._coil:
            self._coil = coil
            self._coil_moves.append((t_ns + CONTACT_NS, coil))
        self._changed.notify_all()

    def _run_plant(self) -> None:
        while True:
            with self._changed:
                now_ns = time.monotonic_ns()
                due = self._restarted or (self._coil_moves and self._coil_moves[0][0] <= now_ns)
                if self._stopping:
                    return
                if not due:
                    wait_ns = self._coil_moves[0][0] - now_ns if self._coil_moves else 1_000_000_000
                    self._changed.wait(wait_ns / 1e9)
                    continue
                if self._coil_moves and self._coil_moves[0][0] <= now_ns:
                    self.contactor_closed = self._coil_moves.popleft()[1]
                restarted, self._restarted = self._restarted, False
            if restarted:
                self._drive_everything()
            else:
                self._drive(Input.AUX_CLOSED, self.contactor_closed)

    # -- what is heard -------------------------------------------------------------------------------------------------

    def _on_edge(self, pin: int, high: bool, t_ns: int) -> None:
        output = Output(1 << pin)
        with self._changed:
            self.outputs = self.outputs | output if high else self.outputs & ~output
            self.edges.append(Edge(t_ns, output, high))
            self._move_coil(t_ns)

    def _on_event(self, name: str, t_ns: int) -> None:
        """A reset takes all pins down without an edge."""
        with self._changed:
            self.qmp_events.append((t_ns, name))
            if name == "RESET":
                for output in Output:
                    if output in self.outputs:
                        self.edges.append(Edge(t_ns, output, False))
                self.outputs = Output(0)
                self._restarted = True
                self._move_coil(t_ns)
            self._changed.notify_all()

    def wait_low(self, since_ns: int, timeout_s: float, output: Output = Output.CONTACTOR) -> int:
        """The instant of the first falling edge after `since_ns`."""
        return self.wait_edge(since_ns, timeout_s, output, high=False)

    def wait_edge(self, since_ns: int, timeout_s: float, output: Output, *, high: bool) -> int:
        end_s = time.monotonic() + timeout_s
        with self._changed:
            while True:
                for edge in self.edges:
                    if edge.t_ns >= since_ns and edge.output is output and edge.high is high:
                        return edge.t_ns
                left_s = end_s - time.monotonic()
                assert left_s > 0, f"no edge of {output} to {high} within {timeout_s} s: {self.edges[-5:]}"
                self._changed.wait(left_s)

    def wait_event(self, name: str, timeout_s: float) -> int:
        """The instant of the first such event."""
        end_s = time.monotonic() + timeout_s
        with self._changed:
            while not (found := [t_ns for t_ns, heard in self.qmp_events if heard == name]):
                left_s = end_s - time.monotonic()
                assert left_s > 0, f"no {name} within {timeout_s} s: {self.qmp_events}"
                self._changed.wait(left_s)
            return found[0]

    def pins(self) -> Output:
        """The output pins as the hardware has them, read without stopping the machine."""
        return Output(self.qmp.word(OUTPUT_PINS) & 0x3F)

    def uptime_us(self) -> int:
        """The board's own time of its newest control cycle."""
        address = self.symbol("pb_cycle")
        start_us = self.qmp.word(address + 4)
        return (self.qmp.word(address) - start_us) & 0xFFFFFFFF

    def symbol(self, name: str) -> int:
        """The address of something in the firmware."""
        listed = subprocess.run(["llvm-nm-19", str(self._image)], check=True, capture_output=True, text=True).stdout
        found = [line.split()[0] for line in listed.splitlines() if line.split()[-1] == name]
        assert len(found) == 1, f"{name}: {found}"
        return int(found[0], 16)

    @contextlib.contextmanager
    def halted(self) -> Generator[None]:
        """The machine stands still inside, time included; its wires and sensors can be moved."""
        self.qmp.run("stop")
        yield
        self.qmp.run("cont")

    # -- breaking it ---------------------------------------------------------------------------------------------------

    def hang(self) -> int:
        """Put the processor into an endless loop with interrupts off; the instant from which it hangs."""
        return self.run_code(HANG)

    def run_code(self, code: bytes) -> int:
        """Let the processor run something else; the instant from which it does."""
        debugger = Debugger(self._doors["gdb"])
        debugger.write(UNUSED_RAM, code)
        debugger.jump(UNUSED_RAM)
        return debugger.go()

    def jump(self, name: str) -> int:
        """Put the processor at a function of the firmware; the instant from which it runs there."""
        debugger = Debugger(self._doors["gdb"])
        debugger.jump(self.symbol(name) & ~1)
        return debugger.go()
