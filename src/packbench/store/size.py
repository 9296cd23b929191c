"""How large a run's file becomes: what `check` asks before a disk is filled.

Owns the figures, and how they were come by. Pure. It is an upper bound, by little: a test writes rows and compares.
"""

from __future__ import annotations

from typing import Final

from packbench.store.database import PAGE_SIZE_BYTES

_ROW_BYTES: Final = 136
"""Of a row besides its cells and temperatures: numbers, hash, SQLite's own. Measured with 20,000 rows, sealed: 127 to
135 (packs of 1, 16, 45, 96, 200 and 400 cells in series)."""
_VALUE_BYTES: Final = 8
"""One cell's voltage, or one temperature: kept as float64."""
_PAGE_ROOM_BYTES: Final = PAGE_SIZE_BYTES - 12
"""Of a page of the table; a row is not broken over two as long as one has room for it."""
_STEP_BYTES: Final = 1024
"""Events of one executed step. Measured: 0.4 kB in the records of gbt34015-residual-capacity; long texts take more."""
_FIXED_BYTES: Final = 32 * 1024 * 1024
"""The write-ahead log (8.4 MB measured while rows came as fast as they could be written), the result, the reports."""


def row_bytes(values: int) -> float:
    """Bytes of one recorded row with so many cell voltages and temperatures together.

    96 cells and 12 sensors: 1022 (measured: 1027, with the table's inner pages); 16 and 4: 303 (295); 1 and 1: 154
    (143).
    """
    row = _ROW_BYTES + _VALUE_BYTES * values
    rows_a_page = _PAGE_ROOM_BYTES // row
    # Beyond a page a row goes on in pages of its own.
    return _PAGE_ROOM_BYTES / rows_a_page if rows_a_page else row + PAGE_SIZE_BYTES


def run_bytes(rows: int, steps: int, values: int) -> int:
    """Bytes that a run may take in its folder: `rows` recorded samples and `steps` executed steps, with the reports."""
    return round(rows * row_bytes(values) * 1.01) + steps * _STEP_BYTES + _FIXED_BYTES
