"""Build hook: what a wheel carries besides Python: the compiled C core of the board, and the configurations.

Owns: turning `firmware_bridge/firmware/core/*.c` and `boards/host/*.c` into
`firmware_bridge/packbench_board/libpackbench_core.so`, the wheel's platform tag, and `configs/` inside the wheel.
Must not: change or generate sources (`firmware_bridge/protocol` does that), or download anything.
Why: the simulated bench runs the very C that a real board runs. An installed wheel has to do that on a machine
with no compiler, so the wheel carries the library; an editable install compiles it once, and again when a source
is newer than the library.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
FIRMWARE = ROOT / "firmware_bridge" / "firmware"
SOURCE_FOLDERS = (FIRMWARE / "core", FIRMWARE / "boards" / "host")
CONFIGS = ROOT / "configs"
LIBRARY = ROOT / "firmware_bridge" / "packbench_board" / "libpackbench_core.so"
CFLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")
COMPILE_TIMEOUT_S = 300


def sources() -> list[Path]:
    """Every C file of the core and of the host board, in a fixed order so that builds repeat."""
    return sorted(path for folder in SOURCE_FOLDERS for path in folder.glob("*.c"))


def is_stale(inputs: list[Path]) -> bool:
    """Whether the library is missing or older than any C file, header or this hook (its flags are in here)."""
    if not LIBRARY.exists():
        return True
    headers = [path for folder in SOURCE_FOLDERS for path in folder.glob("*.h")]
    built_ns = LIBRARY.stat().st_mtime_ns
    return any(path.stat().st_mtime_ns > built_ns for path in [*inputs, *headers, Path(__file__)])


def compile_core(inputs: list[Path]) -> None:
    """Compile `inputs` into LIBRARY; RuntimeError names the missing compiler or repeats the compiler's own words."""
    compiler = os.environ.get("CC") or "cc"
    if shutil.which(compiler) is None:
        raise RuntimeError(f"no C compiler: {compiler!r} is not on PATH (Debian: apt-get install gcc libc6-dev)")
    # Written beside the library and renamed: a process that has the old one loaded keeps it whole.
    partial = LIBRARY.with_name(f".{LIBRARY.name}.{os.getpid()}")
    includes = [f"-I{folder.relative_to(ROOT)}" for folder in SOURCE_FOLDERS]
    names = [str(path.relative_to(ROOT)) for path in inputs]
    command = [compiler, *CFLAGS, *includes, "-o", str(partial), *names, "-lm"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=COMPILE_TIMEOUT_S, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{compiler} failed on the C core:\n{done.stderr}")
        partial.replace(LIBRARY)
    finally:
        partial.unlink(missing_ok=True)


class CustomBuildHook(BuildHookInterface[Any]):
    """Hatchling's entry: called once for each wheel, and for each editable install (`version == "editable"`)."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile when stale. An editable install takes everything from the checkout; a wheel takes it along."""
        inputs = sources()
        if inputs and is_stale(inputs):
            compile_core(inputs)
        if version == "editable":
            return
        if not inputs:
            folders = ", ".join(str(folder.relative_to(ROOT)) for folder in SOURCE_FOLDERS)
            raise RuntimeError(f"no C sources in {folders}: a wheel without the board's core could not run")
        build_data["pure_python"] = False
        # ctypes loads the library, so any CPython 3 will do; only the machine matters.
        build_data["tag"] = f"py3-none-linux_{platform.machine()}"
        build_data["force_include"][str(LIBRARY)] = f"packbench_board/{LIBRARY.name}"
        build_data["force_include"][str(CONFIGS)] = "packbench/_configs"


if __name__ == "__main__":
    # `python hatch_build.py` refreshes the library of an editable install (make setup does this).
    found = sources()
    if found and is_stale(found):
        compile_core(found)
