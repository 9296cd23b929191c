"""A Daly A5 question with its captured answer, frames of cells made by hand, and a codec that has asked."""

from __future__ import annotations

from packbench.wire.daly import a5_data as data
from packbench.wire.daly.a5 import FRAME_BYTES, DalyCodec, DalyRequest, read, reply_frame

READ = read(data.PACK)
READ_REPLY = bytes.fromhex("a501900802100000753001f4ea")
BUFFER_KEPT = FRAME_BYTES - 1


def cells_frame(number: int, first_v: float = 3.3) -> bytes:
    """Frame `number` of a 0x95 reply, every cell 1 mV above the one before."""
    cells = tuple(round(first_v + 0.001 * (3 * (number - 1) + n), 3) for n in range(3))
    return reply_frame(1, data.CELLS, data.encode_cells_frame(data.CellsFrame(number, cells)))


def asked(request: DalyRequest) -> DalyCodec:
    codec = DalyCodec()
    codec.encode(request)
    return codec
