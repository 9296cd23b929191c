"""The bench's energy meter at the beginning and the end of a run, for the record.

Owns the two lines. A meter that says nothing there costs no run: the line says why, and whoever counts the run's
electricity later finds no reading. It counts all that the bench takes from before the pack is connected to after it has
been let go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from packbench.core.errors import DeviceError
from packbench.drivers.protocols import Meter

EVENT: Final = "energy_counter"
BEGIN: Final = "begin"
RESUMED: Final = "resumed"
END: Final = "end"
IMPORT: Final = "ac_import_wh"
EXPORT: Final = "ac_export_wh"


async def note_counter(meter: Meter | None, at: str, note: Callable[..., None]) -> None:
    """Read a meter that counts the bench's mains and note what it shows; nothing for any other."""
    if meter is None or IMPORT not in meter.quantities:
        return
    try:
        values = (await meter.read()).values
    except DeviceError as error:
        note(EVENT, at=at, error=str(error))
        return
    note(EVENT, at=at, **{name: values[name] for name in (IMPORT, EXPORT) if name in values})
