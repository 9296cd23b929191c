"""The one source of the board's link (link.yaml) and its generator: `python -m firmware_bridge.protocol.generate`.

A tool of the checkout: nothing of it is installed, and neither program nor firmware imports it.
"""
