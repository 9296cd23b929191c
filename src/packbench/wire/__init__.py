"""What goes over a wire, protocol by protocol: frames and what they mean, in both directions.

Owns one file a protocol. Pure: bytes in, values out, and back; a driver and the emulator of the same device
share the file, and golden captures hold both against the device's own words. Must not do I/O, wait, retry,
or know a bench. Byte streams are `transport`'s, the discipline of the line is `run/port.py`'s.
"""
