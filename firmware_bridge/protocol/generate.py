"""Writes everything that knows the board's link from link.yaml, the one source.

    python -m firmware_bridge.protocol.generate [--check]

Owns which files are generated. All of them are committed, so a build needs neither this program nor PyYAML; `--check`
(and a test) tells when they are stale, which a change of the core's C makes them too, through the firmware hash.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from firmware_bridge.protocol.emit_c import emit_c_header, emit_c_source
from firmware_bridge.protocol.emit_docs import emit_docs
from firmware_bridge.protocol.emit_python import emit_codes, emit_python
from firmware_bridge.protocol.spec import CORE, HERE, LinkSpec, read_spec

C_HEADER = CORE / "pb_link_gen.h"
C_SOURCE = CORE / "pb_link_gen.c"
PYTHON_CODES = HERE.parent / "packbench_board" / "codes.py"
PYTHON_MODULE = HERE.parent / "packbench_board" / "frames.py"
REFERENCE = HERE.parents[1] / "docs" / "link.md"


def outputs(spec: LinkSpec) -> dict[Path, str]:
    """Every generated file and what it must hold."""
    return {
        C_HEADER: emit_c_header(spec),
        C_SOURCE: emit_c_source(spec),
        PYTHON_CODES: emit_codes(spec),
        PYTHON_MODULE: emit_python(spec),
        REFERENCE: emit_docs(spec),
    }


def main(arguments: list[str] | None = None) -> int:
    """Write the generated files, or with --check say which are stale (exit code 1)."""
    parser = argparse.ArgumentParser(description="Generate the board link's C header, Python codec and reference page.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    check = bool(parser.parse_args(arguments).check)
    stale = 0
    for path, text in outputs(read_spec()).items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        sys.stderr.write(f"{'stale' if check else 'written'}: {path.name}\n")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
