"""The board's behaviour once more, as a model that can be run: what docs/link.md says, in plain Python.

Independent of the C in what goes wrong most easily: times are unbounded instants (no tick, no wrap), waiting is a
deadline instead of an elapsed time, and what is on follows from one place. test_differential.py has both go through the
same traces and compares every output and every answer.
"""

from tests.firmware.model.board import Seen
from tests.firmware.model.configuration import config_crc
from tests.firmware.model.model import Model

__all__ = ["Model", "Seen", "config_crc"]
