"""The wheel stands alone: no checkout, no compiler, an empty directory, and the main job runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"packbench", "packbench_sim", "packbench_board"}
DEMO_TIMEOUT_S = 400


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as `make wheel` builds it."""
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel in it. Dependencies come from this one: a .pth adds its folder to the path
    but does not run the .pth files inside, so the editable install of the checkout stays out."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, capture_output=True)
    python = folder / "bin" / "python"
    (site,) = (folder / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "install", "--quiet", "--no-deps", "--no-index", "--force-reinstall", str(wheel)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def run_in_empty_folder(installed: Path, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the fresh environment with nothing else on PATH, and no home."""
    (folder / "home").mkdir()
    (folder / "empty").mkdir()
    env = {
        "PATH": str(installed / "bin"),
        "HOME": str(folder / "home"),
        "PACKBENCH_HOME": str(folder / "home" / "data"),
        "MPLCONFIGDIR": os.environ["MPLCONFIGDIR"],
        "PYTHONNOUSERSITE": "1",
        "PYTHONWARNINGS": "error",
    }
    return subprocess.run(
        [str(installed / "bin" / command[0]), *command[1:]],
        cwd=folder / "empty",
        env=env,
        capture_output=True,
        text=True,
        timeout=DEMO_TIMEOUT_S,
        check=False,
    )


def test_the_wheel_holds_the_three_packages_and_nothing_else(wheel: Path) -> None:
    assert wheel.name.endswith(f"-py3-none-linux_{os.uname().machine}.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES
    assert "packbench_board/libpackbench_core.so" in names
    shipped = {
        str(Path(name).relative_to("packbench/_configs")) for name in names if name.startswith("packbench/_configs/")
    }
    in_checkout = {
        str(path.relative_to(ROOT / "configs"))
        for path in (ROOT / "configs").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped == in_checkout
    assert any(name.startswith("profiles/") for name in shipped)
    unwanted = [name for name in names if name.endswith((".c", ".h", ".pyc")) or "/tests/" in name]
    assert not unwanted


def test_what_is_imported_comes_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    code = (
        "import json, packbench, packbench_sim, packbench_board, packbench.files as f;"
        "print(json.dumps([packbench.__file__, packbench_sim.__file__, packbench_board.__file__,"
        " str(f.packaged_configs())]))"
    )
    done = run_in_empty_folder(installed, tmp_path, "python", "-c", code)
    assert done.returncode == 0, done.stderr
    for name in json.loads(done.stdout):
        assert Path(name).is_relative_to(installed), name


def test_the_demo_runs_from_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    done = run_in_empty_folder(installed, tmp_path, "packbench", "demo", "--json", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr[-4000:]
    answer = json.loads(done.stdout)
    result = json.loads(Path(answer["paths"]["result"]).read_text(encoding="utf-8"))
    assert result["provenance"] == "simulated"
    assert result["capacity_ah"]["value"] > 0
    for kind in ("report_html", "report_pdf", "data"):
        path = Path(answer["paths"][kind])
        assert path.exists(), kind
        assert path.is_relative_to(tmp_path), kind
