"""Every device there is a file for, and what is known of each.

Owns the words of `devices list` and `devices show`; docs/devices.md is held against them by a test.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from packbench.app.devices import load_type
from packbench.files import list_configs
from packbench.maps.schema import DeviceType


@dataclass(frozen=True, slots=True)
class Listed:
    """One device of the list."""

    type: DeviceType

    @property
    def name(self) -> str:
        """The name that commands take."""
        return self.type.name

    @property
    def kind(self) -> str:
        """Cycler, BMS, chamber or meter."""
        return self.type.kind

    @property
    def url_schemes(self) -> tuple[str, ...]:
        """How it can be reached."""
        return self.type.links

    @property
    def driver(self) -> str:
        """The driver's name; "none" for a device whose frames are only decoded."""
        return self.type.driver

    @property
    def emulator(self) -> bool:
        """Whether `devices emulate` plays it."""
        return bool(self.options_of_emulator() is not None)

    def options_of_emulator(self) -> dict[str, str] | None:
        """Its emulator's own options, by name; None when nobody plays it."""
        from packbench_sim.wiring import player_of

        player = player_of(self.type)
        return None if player is None else dict(player.options)


def list_devices() -> list[Listed]:
    """Every device that a file is found for, by name. Raises InputError for a file that is wrong."""
    return [Listed(load_type(name)) for name in list_configs("devices")]


def describe(item: Listed, *, whole: bool = False) -> dict[str, Any]:
    """A device in the words of the contract; `whole` adds everything its file says."""
    device = item.type
    short: dict[str, Any] = {
        "name": item.name,
        "title": device.title,
        "kind": item.kind,
        "url_schemes": list(item.url_schemes),
        "driver": item.driver,
        "emulator": item.emulator,
        "verified_on_hardware": device.verified_on_hardware,
    }
    if not whole:
        return short
    return {
        **short,
        "protocol": device.protocol,
        "unit": device.unit,
        "options": dict(device.options),
        "emulator_options": item.options_of_emulator() or {},
        "capabilities": {key: value for key, value in asdict(device.capabilities).items() if value is not None},
        "confirmed": {"frames": device.confirmed.frames, "peers": device.confirmed.peers},
        "sources": list(device.sources),
        "golden": len(device.golden),
    }
