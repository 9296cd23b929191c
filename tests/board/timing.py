"""The campaign of `make board-timing`: hundreds of heartbeat losses on a busy host, against the bounds."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.board.qemu import Machine
from tests.board.trials import FLOWING_MA, busy_host, problems, unless_starved, words

IMAGE = Path(__file__).resolve().parents[2] / "build/firmware/packbench-lm3s6965evb.elf"
STARVED_SHARE = 0.02
"""More than that is no accident of a shared machine."""


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200, help="without current (200)")
    parser.add_argument("--flowing", type=int, default=50, help="with current (50)")
    parser.add_argument("--spinning", type=int, default=4, help="processes that keep the host busy (4)")
    arguments = parser.parse_args()
    failed = False
    say(f"QEMU lm3s6965evb beside {arguments.spinning} spinning processes")
    with Machine(IMAGE) as machine, busy_host(arguments.spinning):
        for count, flowing in ((arguments.trials, False), (arguments.flowing, True)):
            tried = [unless_starved(machine, FLOWING_MA if flowing else 0) for _ in range(count)]
            opened_ms = [each for each in tried if each is not None]
            starved = len(tried) - len(opened_ms)
            if starved:
                say(f"{starved:4d} trials more, in which the emulator itself stood still until its watchdog opened")
                failed |= starved > STARVED_SHARE * count
            if opened_ms:
                say(words(opened_ms, flowing=flowing))
                for problem in problems(opened_ms, flowing=flowing):
                    say(f"  FAILED: {problem}")
                    failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
