"""What goes over a wire, protocol by protocol: frames and what they mean, in both directions.

Owns one file or folder a protocol, and what they share: `counters`, `explained` (one frame taken apart and made
anew), `checks` (checksums), `headed` (the search for frames that begin with a known byte). Pure: bytes in, values
out, and back; a driver and the emulator of the same device share them, and golden captures hold both against the
device's own words. Must not do I/O, wait, retry, or know a bench. Byte streams are `transport`'s, the discipline of
the line is `run/port.py`'s.

What every protocol owes: a request (with `repeatable`, and `describe` for people), the host's codec, the device's
reader of requests and maker of replies, payloads whose decoding and encoding are inverses, and `explain`.
"""
