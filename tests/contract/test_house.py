"""House rules that no linter knows. Each failure names the file, the line and the rule."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE_FOLDERS = ("src", "sim", "firmware_bridge")
LINES_MAX = 450
CLOCK_MODULE = "src/packbench/clock.py"
CLOCK_READS = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep", "localtime"}
    | {"process_time", "process_time_ns", "thread_time", "thread_time_ns", "clock_gettime", "clock_gettime_ns"}
    | {"gmtime", "ctime"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}
# Where production code may ask how a record came to be: the release gates of docs/architecture.md, one line each.
RELEASE_GATES = {"src/packbench/analysis/verdict.py"}
# Where the mark itself is drawn: a measured page carries no watermark, and the terminal shows the others in yellow.
PROVENANCE_MARKS = {"src/packbench/report/content.py", "src/packbench/report/terminal.py"}
# Spelled in halves so that this file keeps its own rule.
MACHINE_PATHS = re.compile(
    r"(?<![\w.~$}/])/(?:" + "|".join(["wo" + "rk", "ro" + "ot", "t" + "mp", "ho" + "me"]) + r")/\w"
)
REGISTRY_HOSTS = re.compile(
    "|".join([r"pyth" + r"onhosted\.org", r"py" + r"pi\.org", r"registry\." + r"npmjs", r"/opt/" + "pypi"])
)
DISTRIBUTION_OF_IMPORT = {
    "yaml": "pyyaml",
    "serial": "pymodbus",  # its [serial] extra
    "pydantic_core": "pydantic",
    "python_calamine": "python-calamine",
    "zxingcpp": "zxing-cpp",
}


def read_project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@cache
def tracked_files() -> tuple[Path, ...]:
    """What git would ship: tracked, or new and not ignored."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return tuple(path for name in sorted(set(listed.split("\0"))) if name and (path := ROOT / name).is_file())


def code_files(*suffixes: str, under: tuple[str, ...] = CODE_FOLDERS) -> Iterator[Path]:
    return (path for path in tracked_files() if path.suffix in suffixes and path.relative_to(ROOT).parts[0] in under)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def place(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


def clock_reads(tree: ast.Module) -> Iterator[ast.AST]:
    """Nodes that read a clock, as `time.monotonic`, `from time import monotonic` or `datetime.datetime.now`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
            if node.attr in CLOCK_READS.get(name, ()):
                yield node
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            if any(alias.name in CLOCK_READS["time"] for alias in node.names):
                yield node
        elif isinstance(node, ast.Import) and any(alias.name == "time" and alias.asname for alias in node.names):
            yield node  # an alias would hide the reads


def provenance_decisions(tree: ast.Module) -> Iterator[ast.AST]:
    """Comparisons and matches that look at a provenance."""

    def names_it(node: ast.AST) -> bool:
        return any(
            (isinstance(part, ast.Name) and part.id.lower() == "provenance")
            or (isinstance(part, ast.Attribute) and part.attr.lower() == "provenance")
            for part in ast.walk(node)
        )

    for node in ast.walk(tree):
        if (isinstance(node, ast.Compare) and names_it(node)) or (
            isinstance(node, ast.Match) and names_it(node.subject)
        ):
            yield node


def test_no_file_is_too_long() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for path in code_files(".py", ".c", ".h")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > LINES_MAX
    }
    assert not long, f"over {LINES_MAX} lines, split by what they own: {long}"


def test_only_the_clock_module_reads_a_clock() -> None:
    found = [
        place(path, node)
        for path in code_files(".py")
        if path != ROOT / CLOCK_MODULE
        for node in clock_reads(parsed(path))
    ]
    assert not found, f"ask a Clock (packbench.clock) instead: {found}"


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.monotonic_ns()",
        "from time import perf_counter",
        "import time as t",
        "from datetime import datetime\ndatetime.now()",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import date\ndate.today()",
    ],
)
def test_the_clock_scan_sees(source: str) -> None:
    assert list(clock_reads(ast.parse(source)))


@pytest.mark.parametrize(
    "source", ["loop.time()", "clock.now_ns()", "from datetime import datetime\ndatetime(2026, 1, 1)"]
)
def test_the_clock_scan_lets_pass(source: str) -> None:
    assert not list(clock_reads(ast.parse(source)))


def test_provenance_is_decided_upon_in_the_release_gates_alone() -> None:
    found = {
        str(path.relative_to(ROOT)): place(path, node)
        for path in code_files(".py", under=("src",))
        for node in provenance_decisions(parsed(path))
    }
    assert set(found) <= RELEASE_GATES | PROVENANCE_MARKS, f"no behaviour may depend on provenance: {found}"
    assert set(found) >= RELEASE_GATES, f"no longer a release gate, take it off the list: {RELEASE_GATES - set(found)}"


@pytest.mark.parametrize(
    "source",
    [
        "if run.provenance == 'simulated': pass",
        "x = provenance is Provenance.MEASURED",
        "x = mark in (Provenance.MEASURED, Provenance.EMULATED)",
        "match run.provenance:\n    case 'measured': pass",
    ],
)
def test_the_provenance_scan_sees(source: str) -> None:
    assert list(provenance_decisions(ast.parse(source)))


def test_tracked_files_name_no_machine_and_no_registry() -> None:
    found: list[str] = []
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if MACHINE_PATHS.search(line) or REGISTRY_HOSTS.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)


def test_every_package_stands_in_a_layer() -> None:
    (layers,) = [c["layers"] for c in read_project()["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]
    listed = {name.strip(" ()") for layer in layers for name in layer.split("|")}
    package = ROOT / "src" / "packbench"
    present = {
        f"packbench.{path.stem}"
        for path in package.iterdir()
        if (path.is_dir() and (path / "__init__.py").exists()) or (path.suffix == ".py" and path.stem != "__init__")
    }
    assert present <= listed, f"give it a place in [tool.importlinter]: {present - listed}"


def test_dependencies_are_imported_declared_and_explained() -> None:
    project = read_project()["project"]
    extras = project["optional-dependencies"]
    groups = [project["dependencies"], *(packages for name, packages in extras.items() if name != "dev")]
    declared = {re.split(r"[\[<>=~!; ]", text, maxsplit=1)[0] for group in groups for text in group}
    imported: set[str] = set()
    for path in code_files(".py"):
        for node in ast.walk(parsed(path)):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            elif isinstance(node, ast.Call):  # import_module("pyarrow"), by whatever helper
                texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
                names = [text for text in texts if text in declared]
            imported |= {name.split(".")[0] for name in names}
    own = {"packbench", "packbench_sim", "packbench_board", "firmware_bridge"}  # the last: its generator, not shipped
    foreign = {DISTRIBUTION_OF_IMPORT.get(name, name) for name in imported - own - set(sys.stdlib_module_names)}
    assert foreign <= declared, f"imported but not declared: {foreign - declared}"
    assert declared <= foreign, f"declared but never imported: {declared - foreign}"

    explained = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    every = declared | {
        re.split(r"[\[<>=~!; ]", text, maxsplit=1)[0] for text in project["optional-dependencies"]["dev"]
    }
    unexplained = {name for name in every if f"`{name}" not in explained}
    assert not unexplained, f"docs/dependencies.md does not say why: {unexplained}"


def test_the_lock_pins_every_dependency_by_hash_and_names_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(
        r"://|^\s*-|@ ", re.sub(r"^\s+--hash=sha256:[0-9a-f]{64}( \\)?$", "", text, flags=re.MULTILINE), re.MULTILINE
    )
    blocks = re.findall(
        r"^([a-z0-9.-]+)==\S+[^\n]*\n((?:    --hash=sha256:[0-9a-f]{64}[^\n]*\n?)*)", text, re.MULTILINE
    )
    locked = {name for name, _ in blocks}
    assert all(hashes for _, hashes in blocks)
    project = read_project()["project"]
    wanted = [
        *project["dependencies"],
        *(text for group in project["optional-dependencies"].values() for text in group),
    ]
    missing = {re.split(r"[\[<>=~!; ]", text, maxsplit=1)[0] for text in wanted} - locked
    assert not missing, f"run `make lock`: {missing}"


@pytest.mark.parametrize(
    "name", ["requirements-peers", "requirements-models", "requirements-importers", "requirements-fuzz"]
)
def test_the_tools_locks_pin_by_hash_and_name_no_address(name: str) -> None:
    text = (ROOT / f"{name}.lock").read_text(encoding="utf-8")
    pinned = re.findall(r"^([a-z0-9.-]+)==\S+", text, re.MULTILINE)
    assert text.count("--hash=sha256:") >= len(pinned) >= 1
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash)", text, re.MULTILINE)
    wanted = re.findall(r"^([a-z0-9.-]+)==", (ROOT / f"{name}.in").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(wanted) <= set(pinned), "run `make lock`"
    explained = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert all(f"`{package}`" in explained for package in wanted)


def test_changelog_speaks_of_this_version() -> None:
    version = read_project()["project"]["version"]
    assert re.search(
        rf"^## \[{re.escape(version)}\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )


def test_links_between_documents_lead_somewhere() -> None:
    broken: list[str] = []
    for path in tracked_files():
        if path.suffix != ".md":
            continue
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
            if "://" not in target and not (path.parent / target.split("#")[0]).exists():
                broken.append(f"{path.relative_to(ROOT)}: {target}")
    assert not broken
