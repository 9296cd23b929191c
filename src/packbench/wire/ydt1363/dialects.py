"""A frame of the YD/T 1363 line, whoever's it is.

Owns the order in which the dialects are tried where nobody says which device spoke: one protocol in the device
files stands for all three. Pylontech and Seplos V2 share a version, but no answer with measured values or alarms is of
the same length; what they share means the same.
"""

from __future__ import annotations

from packbench.core.errors import BadReply
from packbench.wire.explained import Direction, Explained
from packbench.wire.ydt1363 import pace, pylontech, seplos_v2


def explain(direction: Direction, frame: bytes) -> Explained:
    """What a frame says, and the frame again. Raises BadReply for bytes that are none."""
    errors: list[BadReply] = []
    for dialect in (pylontech, seplos_v2, pace):
        try:
            return dialect.explain(direction, frame)
        except BadReply as exc:
            errors.append(exc)
    raise errors[0]
