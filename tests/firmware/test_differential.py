"""Model and C core go through the same random traces and never differ; a core with a planted bug does."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from firmware_bridge.protocol.spec import CORE
from tests.firmware.traces import disagreement, make_trace, shrunk

from packbench_board.core import load

TRACES = 3000
"""`make differential` has 100,000."""
HOST = CORE.parent / "boards" / "host"
PLANTED = {
    "the lease lasts a tick longer": ("pb_machine.h", ">= span_us;", "> span_us;"),
    "the latch takes the newest cause": (
        "pb_machine.c",
        "if (core->trip_code == PB_TRIP_NONE) {\n        pb_log",
        "if (true) {\n        pb_log",
    ),
    "the key is not needed": (
        "pb_command.c",
        "((core->seen.inputs & PB_IN_KEY_ON) == 0u) || !core->key_was_off",
        "false",
    ),
    "a key that is left turned counts": ("pb_command.c", " || !core->key_was_off", ""),
    "load is never waited for": ("pb_machine.c", "if (low || pb_elapsed", "if (true || pb_elapsed"),
    "load is waited for without end": (
        "pb_machine.c",
        "if (low || pb_elapsed(core, core->state_since_us, PB_LOAD_BREAK_MAX_US))",
        "if (low)",
    ),
    "an old token arms": ("pb_command.c", "arm->token <= core->token", "arm->token < core->token"),
    "an old counter renews": ("pb_command.c", "beat->counter <= core->counter", "beat->counter < core->counter"),
    "settling is not started anew": (
        "pb_sequence.c",
        "if (!now) {\n        core->agreed = 0u;",
        "if (!now) {\n        (void)core;",
    ),
    "the sign is not looked at": ("pb_sequence.c", "return current_right && voltage_right;", "return true;"),
    "heat is not looked at": ("pb_guard.c", "reading_dc > core->config.temperature_max_dc", "false"),
    "an open sensor is cold": (
        "pb_guard.c",
        "code = PB_TRIP_SENSOR_INVALID;\n            } else if (reading_dc > ",
        "code = PB_TRIP_NONE;\n            } else if (reading_dc > ",
    ),
    "one good sample takes all evidence back": (
        "pb_guard.c",
        "core->evidence = (gone_us < core->evidence) ? (core->evidence - gone_us) : 0u;",
        "core->evidence = 0u;",
    ),
    "evidence is never taken back": (
        "pb_guard.c",
        "core->evidence = (gone_us < core->evidence) ? (core->evidence - gone_us) : 0u;",
        "(void)gone_us;",
    ),
    "one limit for both directions": ("pb_guard.c", "core->config.discharge_max_ma", "core->config.charge_max_ma"),
    "noise is a pulse": ("pb_command.c", "2 * core->config.current_noise_ma", "core->config.current_noise_ma"),
    "one look is enough": ("pb_sequence.c", "return (core->agreed >= PB_LOOKS_MIN)", "return (core->agreed >= 1u)"),
    "looks in one instant count": (
        "pb_sequence.c",
        "(core->agreed < PB_LOOKS_MIN) && (core->now_us != core->agreed_at_us)",
        "core->agreed < PB_LOOKS_MIN",
    ),
    "invalid sensors are believed": (
        "pb_sequence.c",
        "!sides_agree(core) && believed(core));",
        "!sides_agree(core));",
    ),
    "a closing does not wait for the last opening": ("pb_sequence.c", "if (!core->coil_settled) {", "if (false) {"),
    "unproven current is not limited": ("pb_guard.c", "if (unproven && asked", "if (false && asked"),
    "the proof goes on after a heartbeat": ("pb_command.c", "            core->proving = false;\n", ""),
    "a bouncing input pushes the trip out": ("pb_log.c", "!latched || ", "true || "),
    "a weld is not seen": ("pb_guard.c", "if (closed && !coil) {", "if (false) {"),
    "precharge is tried without end": (
        "pb_sequence.c",
        "if (core->tries < core->config.precharge_tries) {",
        "if (true) {",
    ),
    "residual voltage is let pass": (
        "pb_sequence.c",
        "if (apart || (core->config.residual_timeout_ms == 0u)) {",
        "if (true) {",
    ),
}
"""What is broken, in which file, and how."""


def test_model_and_core_never_differ() -> None:
    for seed in range(TRACES):
        trace = make_trace(seed)
        found = disagreement(trace)
        assert not found, f"seed {seed}: {found}\n{shrunk(trace)}"


def broken(folder: Path, name: str, old: str, new: str) -> Path:
    """The core as a library with one piece of its text replaced; its hashes stay."""
    sources = folder / "core"
    shutil.copytree(CORE, sources)
    text = (sources / name).read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{name} holds {text.count(old)} times {old!r}"
    (sources / name).write_text(text.replace(old, new), encoding="utf-8")
    library = folder / "core.so"
    files = [*sorted(sources.glob("*.c")), HOST / "pb_host.c"]
    command = ["cc", "-std=c11", "-O1", "-w", "-shared", "-fPIC", f"-I{sources}", f"-I{HOST}", "-o", str(library)]
    subprocess.run([*command, *map(str, files)], check=True, timeout=60)
    return library


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug: str, tmp_path: Path) -> None:
    library = load(broken(tmp_path, *PLANTED[bug]))
    assert any(disagreement(make_trace(seed), library) for seed in range(TRACES)), "the traces do not reach it"
