"""One frame of a classical CAN bus.

Owns the value that adapters (`slcan`) carry and protocols (`j1939`, `gbt27930`) read. It exists so that
neither has to know the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

STANDARD_ID_MAX: Final = 0x7FF
EXTENDED_ID_MAX: Final = 0x1FFF_FFFF
DATA_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class CanFrame:
    """A data frame, or a remote frame when `remote_length` says what it asks for."""

    can_id: int
    """0 to 0x7FF, or to 0x1FFFFFFF when `extended`."""
    data: bytes = b""
    """0 to 8 bytes; empty in a remote frame."""
    extended: bool = True
    remote_length: int | None = None
    """The data length code of a remote frame (0 to 8); None for a data frame."""

    def __post_init__(self) -> None:
        id_max = EXTENDED_ID_MAX if self.extended else STANDARD_ID_MAX
        length = len(self.data) if self.remote_length is None else self.remote_length
        if not 0 <= self.can_id <= id_max or not 0 <= length <= DATA_MAX or (self.data and self.remote):
            raise ValueError(f"no CAN frame: id {self.can_id:#x}, {len(self.data)} bytes, length code {length}")

    @property
    def remote(self) -> bool:
        """Whether it asks for data instead of carrying them."""
        return self.remote_length is not None

    @property
    def length_code(self) -> int:
        """The DLC field, 0 to 8."""
        return len(self.data) if self.remote_length is None else self.remote_length

    def describe(self) -> str:
        """For people: the id in its own width and the data, as candump writes them."""
        width = 8 if self.extended else 3
        return f"{self.can_id:0{width}X}#" + (f"R{self.remote_length}" if self.remote else self.data.hex().upper())
