"""docs/devices.md says what the device files say, and names every device."""

from __future__ import annotations

import importlib.util

from tests.contract.peers import ROOT


def test_the_tables_are_those_of_the_device_files() -> None:
    spec = importlib.util.spec_from_file_location("devices_table", ROOT / "scripts" / "devices_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = (ROOT / "docs" / "devices.md").read_text("utf-8")
    assert page.count(module.MADE) == 2
    assert page == module.page(page), "run `make generate`"
