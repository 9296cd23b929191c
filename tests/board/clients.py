"""QEMU's three doors: QMP (what the machine does), qtest (its wires) and the debugger's stub (its registers).

Owns the bytes on those three sockets and the wall-clock instant at which something was heard. Must not know the board.
"""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ANSWER_TIMEOUT_S = 20.0
"""Generous: a busy host may leave QEMU alone for seconds, and a test measures what it wants to bound."""


def connect(path: Path, timeout_s: float = ANSWER_TIMEOUT_S) -> socket.socket:
    """Connect to a UNIX socket that is about to appear."""
    end_s = time.monotonic() + timeout_s
    while True:
        client = socket.socket(socket.AF_UNIX)
        try:
            client.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            client.close()
            if time.monotonic() > end_s:
                raise
            time.sleep(0.01)
        else:
            client.settimeout(None)
            return client


class _Lines:
    """A socket whose lines a thread hands on, each with the instant at which it was heard."""

    def __init__(self, path: Path, on_line: Callable[[str, int], None]) -> None:
        self._socket = connect(path)
        self._on_line = on_line
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def send(self, text: str) -> None:
        self._socket.sendall(text.encode() + b"\n")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(ANSWER_TIMEOUT_S)
        self._socket.close()

    def _listen(self) -> None:
        rest = b""
        while True:
            try:
                chunk = self._socket.recv(65536)
            except OSError:
                return
            t_ns = time.monotonic_ns()
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._on_line(line.decode().strip(), t_ns)


class Qmp:
    """The machine's monitor."""

    def __init__(self, path: Path, on_event: Callable[[str, int], None]) -> None:
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._on_event = on_event
        self._lock = threading.Lock()
        self._lines = _Lines(path, self._hear)
        self._lines.start()
        self.run("qmp_capabilities")

    def _hear(self, line: str, t_ns: int) -> None:
        heard = json.loads(line)
        if "event" in heard:
            self._on_event(heard["event"], t_ns)
        elif "QMP" not in heard:
            self._answers.put(heard)

    def run(self, command: str, **arguments: object) -> Any:
        """Run a command and return what it answers."""
        with self._lock:
            self._lines.send(json.dumps({"execute": command, "arguments": arguments}))
            answer = self._answers.get(timeout=ANSWER_TIMEOUT_S)
        assert "return" in answer, f"QMP {command}: {answer}"
        return answer["return"]

    def word(self, address: int) -> int:
        """A 32-bit word of the machine's physical memory."""
        text = self.run("human-monitor-command", **{"command-line": f"xp /1wx {address:#x}"})
        return int(text.split(":")[1], 16)

    def devices(self, kind: str) -> list[str]:
        """Paths of the devices of one type, in the order in which the machine made them."""
        found = [
            entry["name"]
            for entry in self.run("qom-list", path="/machine/unattached")
            if entry["type"] == f"child<{kind}>"
        ]
        return [f"/machine/unattached/{name}" for name in sorted(found, key=lambda name: int(name[7:-1]))]

    def close(self) -> None:
        self._lines.close()


class Qtest:
    """The machine's wires: drives inputs and hears the edges of one device's outputs."""

    def __init__(self, path: Path, on_edge: Callable[[int, bool, int], None]) -> None:
        self._answers: queue.Queue[str] = queue.Queue()
        self._on_edge = on_edge
        self._lock = threading.Lock()
        self._lines = _Lines(path, self._hear)
        self._lines.start()

    def _hear(self, line: str, t_ns: int) -> None:
        words = line.split()
        if words[:1] == ["IRQ"]:
            self._on_edge(int(words[2]), words[1] == "raise", t_ns)
        elif words:
            self._answers.put(line)

    def run(self, command: str) -> None:
        with self._lock:
            self._lines.send(command)
            answer = self._answers.get(timeout=ANSWER_TIMEOUT_S)
        assert answer.startswith("OK"), f"qtest {command}: {answer}"

    def close(self) -> None:
        self._lines.close()


class Debugger:
    """Just enough of the debugger's protocol to put the processor somewhere. Connecting halts the machine."""

    PC = 15

    def __init__(self, path: Path) -> None:
        self._socket = connect(path)
        self._socket.settimeout(ANSWER_TIMEOUT_S)
        self._rest = b""
        # Until its description has been asked for, the stub does not let single registers be written.
        assert self.ask("qXfer:features:read:target.xml:0,ffb")[:1] in "lm"

    def ask(self, command: str) -> str:
        self._send(command)
        answer = self._packet()
        while answer.startswith("T"):  # "halted", which nobody asked for
            answer = self._packet()
        return answer

    def _packet(self) -> str:
        while b"#" not in self._rest or len(self._rest.split(b"#", 1)[1]) < 2:
            chunk = self._socket.recv(4096)
            assert chunk, "the debugger's stub went away"
            self._rest += chunk
        body, behind = self._rest.split(b"#", 1)
        self._rest = behind[2:]
        self._socket.sendall(b"+")
        return body.rsplit(b"$", 1)[1].decode()

    def write(self, address: int, data: bytes) -> None:
        assert self.ask(f"M{address:x},{len(data):x}:{data.hex()}") == "OK"

    def jump(self, address: int) -> None:
        assert self.ask(f"P{self.PC:x}={address.to_bytes(4, 'little').hex()}") == "OK"

    def go(self) -> int:
        """Let the machine run from where it is and leave it; the instant just before."""
        t_ns = time.monotonic_ns()
        assert self.ask("D") == "OK"
        self._socket.close()
        return t_ns

    def _send(self, command: str) -> None:
        self._socket.sendall(f"${command}#{sum(command.encode()) & 0xFF:02x}".encode())
