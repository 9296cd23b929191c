"""Boards for the tests of the state machine: one just powered up, one that holds the contactor closed."""

from __future__ import annotations

import pytest
from tests.firmware.harness import Rig


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.fixture
def closed() -> Rig:
    rig = Rig()
    rig.close()
    return rig
