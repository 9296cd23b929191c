"""The command line: what people and other programs drive the product with.

Owns words, exit codes and printing. It must not decide or compute anything about a pack: it calls
the composition root (`packbench.app`) and shows what comes back.
"""

from packbench.cli.main import main

__all__ = ["main"]
