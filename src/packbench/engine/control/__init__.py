"""What steps remember and regulate by: the taper at a cell's limit, waveforms, power, our own constant voltage.

One file a controller: its state, and how a reading changes it. Pure, as everything in the engine.
"""

from packbench.engine.control.asked import Asked
from packbench.engine.control.followed import Followed
from packbench.engine.control.holding import Holding
from packbench.engine.control.soaking import Soaking
from packbench.engine.control.source import Source
from packbench.engine.control.taper import Taper
from packbench.engine.control.wave import Wave

Control = Taper | Wave | Followed | Holding | Soaking | Asked

__all__ = ["Asked", "Control", "Followed", "Holding", "Soaking", "Source", "Taper", "Wave"]
