"""A pytest plugin: the tests load the core that coverage.py compiled with counters, in place of the built one.

Owns that one change, made before any test imports the board. Must not be loaded in an ordinary run.
"""

from __future__ import annotations

import os
from pathlib import Path

from packbench_board import core

LIBRARY_VARIABLE = "PACKBENCH_CORE_LIBRARY"

core.load.__defaults__ = (Path(os.environ[LIBRARY_VARIABLE]),)
