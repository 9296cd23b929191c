"""The generated files are those of link.yaml and of the C core, and the core compiles without a warning."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from firmware_bridge.protocol.generate import main, outputs
from firmware_bridge.protocol.spec import CORE, FIRMWARE, SOURCE, read_spec

from packbench_board import frames

FLAGS = (
    "-std=c11 -O2 -Wall -Wextra -Werror -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wswitch-default -Wcast-qual"
    " -Wundef -Wstrict-prototypes -Wmissing-prototypes -Wvla"
)


def test_generated_files_are_up_to_date() -> None:
    stale = [path.name for path, text in outputs(read_spec()).items() if path.read_text(encoding="utf-8") != text]
    assert not stale, f"run `python -m firmware_bridge.protocol.generate`: {stale}"
    assert main(["--check"]) == 0


def changed(tmp_path, old: str, new: str):
    text = SOURCE.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = tmp_path / "link.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def test_the_protocol_hash_follows_the_fields_and_not_the_texts(tmp_path) -> None:
    assert read_spec().protocol_hash == frames.PROTOCOL_HASH
    text = changed(tmp_path, "The moment of the trip;", "When it tripped;")
    assert read_spec(text).protocol_hash == frames.PROTOCOL_HASH
    field = changed(tmp_path, "{name: hottest_dc, type: i16", "{name: hottest_dc, type: i32")
    assert read_spec(field).protocol_hash != frames.PROTOCOL_HASH


@pytest.mark.parametrize(
    "name",
    ["core/pb_machine.c", "boards/common/pb_debounce.c", "boards/stm32f446/pb_pins.h", "boards/stm32f446/link.ld"],
)
def test_the_firmware_hash_follows_the_sources_of_core_and_ports(tmp_path, name: str) -> None:
    assert read_spec().firmware_hash == frames.FIRMWARE_HASH
    firmware = tmp_path / "firmware"
    for folder in ("core", "boards"):
        shutil.copytree(FIRMWARE / folder, firmware / folder)
    assert read_spec(firmware=firmware).firmware_hash == frames.FIRMWARE_HASH
    source = firmware / name
    source.write_text(source.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert read_spec(firmware=firmware).firmware_hash != frames.FIRMWARE_HASH


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("name: nak\n    id: 0x84", "name: nak\n    id: 0x83", "twice"),
        ("{name: code, type: u16, doc", "{name: code, type: u16, max: 70000, doc", "does not fit"),
        ("{name: internal, value: 14", "{name: internal, value: 32", "above 31"),
    ],
)
def test_a_source_that_cannot_work_is_refused(tmp_path, old: str, new: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_spec(changed(tmp_path, old, new))


def require_compiler() -> None:
    missing = [name for name in ("cc", "ld", "nm") if shutil.which(name) is None]
    assert not missing, f"{', '.join(missing)} not found: apt-get install gcc libc6-dev binutils"


def test_the_core_compiles_freestanding_without_a_warning(tmp_path) -> None:
    require_compiler()
    for source in sorted(CORE.glob("*.c")):
        command = ["cc", *FLAGS.split(), "-ffreestanding", "-c", str(source), "-o", str(tmp_path / "x.o")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr


def test_the_core_needs_nothing_but_memory_functions(tmp_path) -> None:
    require_compiler()
    objects = []
    for source in sorted(CORE.glob("*.c")):
        objects.append(str(tmp_path / f"{source.stem}.o"))
        subprocess.run(["cc", "-std=c11", "-O2", "-c", str(source), "-o", objects[-1]], check=True, timeout=60)
    merged = str(tmp_path / "core.o")
    subprocess.run(["ld", "-r", "-o", merged, *objects], check=True, timeout=60)
    listed = subprocess.run(["nm", "-u", merged], check=True, capture_output=True, text=True, timeout=60).stdout
    needed = {line.split()[-1] for line in listed.splitlines() if line.strip()}
    assert needed <= {"memset", "memcpy", "memcmp", "memmove", "_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail"}, needed
