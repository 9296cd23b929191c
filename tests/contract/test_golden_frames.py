"""All golden frames of the protocol reference stand in a device file, which is held against them.

What each means is stated in the file that has it (`golden:` values), decoded by the codec that drivers use, and encoded
again byte for byte (`devices check`). This test holds that none is missing.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.golden import golden_frames
from tests.unit.wire_parts import MAP_NAMES, device_map

from packbench.drivers.golden import check_golden

FRAMES = golden_frames()
IN_FILES = {
    frame
    for name in MAP_NAMES
    for golden in device_map(name).golden
    for frame in (golden.request, golden.reply)
    if frame
}
FAMILIES = {
    "ea_psb": ("ea-psb",), "jbd": ("jbd",), "daly_a5": ("daly-a5",), "daly_modbus_d2": ("daly-d2",),
    "daly_modbus_p81": ("daly-p81",), "jk_4e57": ("jk-4e57",), "jk_pb": ("jk-pb",), "pylontech": ("pylontech",),
    "seplos_v2": ("seplos-v2",), "seplos_v3": ("seplos-v3",), "ant": ("ant",), "tdt": ("tdt",),
}  # fmt: skip


def test_there_are_ninety_nine() -> None:
    assert len(FRAMES) == 99
    assert {frame.family for frame in FRAMES} == set(FAMILIES)


@pytest.mark.parametrize("number", range(len(FRAMES)), ids=lambda number: f"{FRAMES[number].family}-{number}")
def test_a_device_file_has_it(number: int) -> None:
    item = FRAMES[number]
    (name,) = FAMILIES[item.family]
    files = {frame for golden in device_map(name).golden for frame in (golden.request, golden.reply)}
    assert item.frame in files, f"{name}.yaml lacks {item.frame.hex()}: {item.meaning}"


@pytest.mark.parametrize("name", MAP_NAMES)
def test_every_device_file_agrees_with_its_frames(name: str) -> None:
    assert check_golden(device_map(name)) == []


@pytest.mark.parametrize("name", MAP_NAMES)
def test_a_frame_that_is_broken_is_noticed(name: str) -> None:
    """One bit wrong, and the check fails (it can). MBAP has no checksum of its own: there it is the byte count."""
    device = device_map(name)
    for golden in device.golden:
        field = "reply" if golden.reply else "request"
        frame = bytearray(getattr(golden, field))
        frame[8 if golden.framing == "mbap" else len(frame) // 2] ^= 0x10
        broken = replace(device, golden=(replace(golden, **{field: bytes(frame)}),))
        assert check_golden(broken), f"{golden.source}: {frame.hex()} passes"
