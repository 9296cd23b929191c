"""How long the files take to read, beside the bare libraries that read them: a profile of 1,000 steps, a Nebula export.

Run it with `make bench`. Prints CPU time and its ratio to the floor measured in the same run. Not a test.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import process_time

import yaml
from python_calamine import CalamineWorkbook

from packbench.analysis.importer import analyze_file
from packbench.app.job import read_source
from packbench.config.document import load_document
from packbench.config.pack import load_pack
from packbench.profile.language.compiler import compile_profile

NEBULA = Path(__file__).parents[1] / "data" / "pulsebat"
STEP = (
    "  - cc_discharge: {{label: d{i}, current: 1 I5, until: [cell_min <= cell_cutoff, "
    "{{when: voltage <= pack_cutoff, for: 1 s}}]}}\n"
)
TEXT = "profile: long\ntitle: {en: Long, zh: Long}\nsteps:\n" + "".join(STEP.format(i=i) for i in range(1000))


def best_s(task: Callable[[], object], repeats: int = 5) -> float:
    """The least CPU time of a few tries."""
    times: list[float] = []
    for _ in range(repeats):
        began = process_time()
        task()
        times.append(process_time() - began)
    return min(times)


def main() -> None:
    """Measure and print."""
    source = read_source("packs", "nmc-96s")
    pack = load_pack(source.text, source.name)
    workbook = next(iter(sorted(NEBULA.glob("*.xlsx"))))
    compose = best_s(lambda: yaml.compose(TEXT, Loader=yaml.CSafeLoader))
    loaded = best_s(lambda: load_document(TEXT, "long.yaml"))
    compiled = best_s(lambda: compile_profile(TEXT, "long.yaml", pack))
    bare = best_s(lambda: CalamineWorkbook.from_path(str(workbook)).get_sheet_by_index(0).to_python())
    analysed = best_s(lambda: analyze_file(workbook, None, None))
    print(
        f"1,000 steps: yaml.compose {compose:.3f} s; checked document {loaded:.3f} s ({loaded / compose:.1f}x); ",
        end="",
    )
    print(f"compiled plan {compiled:.3f} s ({compiled / compose:.1f}x)")
    print(f"{workbook.name}: bare read {bare:.3f} s; analysed {analysed:.3f} s ({analysed / bare:.1f}x)")


if __name__ == "__main__":
    main()
