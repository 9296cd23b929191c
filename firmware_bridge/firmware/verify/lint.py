"""Static checks of the firmware's C: two compilers' warnings, cppcheck, clang-tidy: `make firmware-lint`.

Owns which checks run on which folder. What is left out is left out here, with its reason.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from firmware_bridge.firmware.verify.tools import BOARDS, CORE, Failed, Stopwatch, must, relative, say, tool

WARNINGS = ("-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wundef", "-Wstrict-prototypes", "-Werror")
INCLUDES = tuple(f"-I{relative(folder)}" for folder in (CORE, BOARDS / "common", BOARDS / "common" / "include"))
FOLDERS = ("common", "lm3s6965evb", "stm32f446", "host", "pty")
TIDY = (
    "-checks=-*,bugprone-*,clang-analyzer-*,cert-*,misc-*,"
    # Arguments of one type side by side are the core's style: times in, times out, each named.
    "-bugprone-easily-swappable-parameters,"
    # One branch a message, a state or a refusal, also where two do the same.
    "-bugprone-branch-clone,"
    # Headers are included by what is used of them through the one header of a file.
    "-misc-include-cleaner,-bugprone-reserved-identifier,-cert-dcl37-c,-cert-dcl51-cpp,"
    # memset and memcpy with sizeof: the *_s forms are in no freestanding C library.
    "-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling"
)
CPPCHECK = (
    "--enable=warning,style,performance,portability",
    "--inline-suppr",
    "--error-exitcode=1",
    "--quiet",
    "--std=c11",
    # Headers of the C library are not looked for: the checks are of our own files.
    "--suppress=missingIncludeSystem",
    # It takes the bound of the loop over received bytes for 0.
    "--suppress=knownConditionTrueFalse:*pb_step.c",
    # The public surface of the core is called by boards that are checked apart.
    "--suppress=unusedFunction",
)
TIMEOUT_S = 300.0


def sources() -> list[Path]:
    """The core's C files."""
    return sorted(CORE.glob("*.c"))


def main(_arguments: Sequence[str] | None = None) -> int:
    """Run every check; the first that complains ends it."""
    watch = Stopwatch()
    core = [relative(path) for path in sources()]
    try:
        for compiler in ("gcc", "clang-19"):
            for path in core:
                must([tool(compiler), *WARNINGS, "-O2", "-fsyntax-only", *INCLUDES, path], TIMEOUT_S)
        must([tool("cppcheck"), *CPPCHECK, *INCLUDES, *core], TIMEOUT_S)
        must(
            [tool("clang-tidy-19"), TIDY, "--warnings-as-errors=*", "--quiet", *core, "--", "-std=c11", *INCLUDES],
            TIMEOUT_S,
        )
        for folder in FOLDERS:
            files = [relative(path) for path in sorted((BOARDS / folder).glob("*.c"))]
            own = f"-I{relative(BOARDS / folder)}"
            must([tool("cppcheck"), *CPPCHECK, *INCLUDES, own, *files], TIMEOUT_S)
    except Failed as failure:
        say(str(failure))
        return 1
    say(f"{len(core)} files of the core and {len(FOLDERS)} boards: no complaint ({watch.seconds:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
