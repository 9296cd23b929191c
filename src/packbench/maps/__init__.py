"""Register maps: facts about a device's registers as data, and the codec for both directions.

Owns the schema of configs/devices/*.yaml and encoding and decoding by it; driver and simulator share it. Must not
hold behaviour: the first "if" moves to a driver. A shared map agrees with itself even when it is wrong, so every
map is also held against golden bytes from the device's own documentation.
"""
