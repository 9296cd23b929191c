"""scripts/system-packages.sh on machines that lack things, played by a PATH of stand-ins."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from packbench.report import fonts

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "system-packages.sh"


class Machine:
    """A PATH that holds only what is put there; apt-get writes its arguments to a file."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.home = folder / "home"
        self.bin.mkdir()
        (self.home / ".fonts").mkdir(parents=True)
        self.apt_log = folder / "apt.log"
        for tool in ("sh", "find", "head", "id", "mktemp", "rm", "cat"):
            found = shutil.which(tool)
            assert found is not None
            (self.bin / tool).symlink_to(found)

    def put(self, name: str, body: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def with_all(self, *, root: bool) -> Machine:
        self.put("python3", "exit 0")
        self.put("cc", "exit 0")
        self.put("apt-get", f'echo "$*" >> {self.apt_log}')
        (self.bin / "id").unlink()
        self.put("id", f"echo {0 if root else 1000}")
        (self.home / ".fonts" / "NotoSansCJK-Regular.ttc").touch()
        # The fonts of the machine that runs this test must not help: look in the home alone.
        (self.bin / "find").unlink()
        self.put("find", f'case "$1" in {self.home}/*) exec {shutil.which("find")} "$@" ;; esac')
        return self

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.bin / "sh"), str(SCRIPT), *words],
            env={"PATH": str(self.bin), "HOME": str(self.home), **env},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def apt_calls(self) -> list[str]:
        return self.apt_log.read_text().splitlines() if self.apt_log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_nothing_missing_calls_nothing(machine: Machine) -> None:
    done = machine.with_all(root=True).run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert machine.apt_calls() == []


def test_root_installs_exactly_what_is_missing(machine: Machine) -> None:
    machine.with_all(root=True)
    machine.put("python3", 'case "$2" in *ensurepip*) exit 1 ;; esac')
    machine.put("cc", "exit 1")  # a compiler without the C library's headers
    (machine.home / ".fonts" / "NotoSansCJK-Regular.ttc").unlink()
    done = machine.run()
    assert done.returncode == 0, done.stderr
    assert machine.apt_calls() == [
        "update -qq",
        "install -y -qq --no-install-recommends python3-venv gcc libc6-dev fonts-noto-cjk",
    ]


def test_a_failed_installation_repeats_what_apt_said(machine: Machine) -> None:
    machine.with_all(root=True)
    (machine.bin / "cc").unlink()
    machine.put("apt-get", 'echo "E: no route to the archive" >&2; exit 100')
    done = machine.run()
    assert done.returncode == 1
    assert "E: no route to the archive" in done.stderr
    assert "could not install: gcc libc6-dev" in done.stderr


def test_others_are_told_the_command(machine: Machine) -> None:
    machine.with_all(root=False)
    (machine.bin / "cc").unlink()
    done = machine.run()
    assert done.returncode == 2
    assert "sudo apt-get update && sudo apt-get install --no-install-recommends gcc libc6-dev\n" in done.stderr
    assert machine.apt_calls() == []


def test_no_python_at_all(machine: Machine) -> None:
    machine.with_all(root=False)
    (machine.bin / "python3").unlink()
    done = machine.run()
    assert done.returncode == 2
    assert "install --no-install-recommends python3 python3-venv\n" in done.stderr


def test_an_old_python_is_refused_with_the_way_out(machine: Machine) -> None:
    machine.with_all(root=True)
    machine.put("python3", 'case "$*" in *version_info*) exit 1 ;; -V) echo "Python 3.9.2" ;; esac')
    done = machine.run()
    assert done.returncode == 2
    assert "Python 3.9.2" in done.stderr
    assert "make setup PYTHON=" in done.stderr
    assert machine.apt_calls() == []


def test_without_apt_the_names_are_told(machine: Machine) -> None:
    machine.with_all(root=True)
    (machine.bin / "cc").unlink()
    (machine.bin / "apt-get").unlink()
    done = machine.run()
    assert done.returncode == 2
    assert "gcc libc6-dev" in done.stderr


def test_the_script_looks_for_the_fonts_that_the_report_uses() -> None:
    text = SCRIPT.read_text()
    assert all(f"-name {name} " in text for name in fonts._FILE_NAMES)


def test_other_people_s_programs_are_wanted_by_the_tests_alone(machine: Machine) -> None:
    machine.with_all(root=True)
    assert machine.run().returncode == 0
    assert machine.apt_calls() == []
    machine.put("lxi", "exit 0")
    assert machine.run("test").returncode == 0
    wanted = machine.apt_calls()[-1].split()
    assert {"mbpoll", "socat"} <= set(wanted)
    assert "lxi-tools" not in wanted
