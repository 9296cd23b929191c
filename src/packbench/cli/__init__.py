"""The command line: what people and other programs drive the product with.

Owns words, exit codes and printing. It must not decide or compute anything about a pack: it calls
the composition root (`packbench.app`) and shows what comes back.
"""

from __future__ import annotations

INTERRUPTED = 130


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code. Loads the commands first, which Ctrl-C may interrupt as well."""
    try:
        from packbench.cli.program import main as run

        return run(argv)
    except KeyboardInterrupt:
        return INTERRUPTED
