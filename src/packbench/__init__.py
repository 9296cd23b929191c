"""Packbench: a bench that measures what retired traction batteries still hold.

Owns nothing itself: the packages below do, in the layers of docs/architecture.md. Must not import anything at
import time, so that `packbench --help` stays fast. It exists as the one name users install.
"""

__version__ = "0.1.0"
