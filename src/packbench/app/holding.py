"""One program a run: whoever records into a run's folder holds it, and nobody else may until it lets go.

Owns the lock. It is the kernel's, on the folder itself: a program that is killed lets go of it, no file is left behind,
and no other program that is started inherits it. It exists because two controllers on one record destroy it (both
number their records from where it ended), and the second one's supervisor takes the board from the first.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from packbench.core.errors import InputError, Problem


@contextmanager
def held(folder: Path) -> Generator[None]:
    """Hold the folder of a run. Raises InputError while another program does, OSError when there is no such folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            found = f"a program that is recording in {folder}"
            raise InputError(Problem("this run is being controlled already", found=found, expected="none")) from error
        except OSError:
            # A file system without locks: there the run's own socket still tells the second one (app/control_link).
            pass
        yield
    finally:
        os.close(handle)
