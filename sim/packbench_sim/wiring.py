"""The simulated bench's devices on byte streams.

Owns the table from a device's name to the emulator that plays it. Adding an emulated device is one file in
devices/ and one line here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

from packbench.clock import Clock
from packbench.core.errors import InputError, Problem
from packbench.core.specs import BenchSpec
from packbench.maps.schema import DeviceType, Scheme
from packbench.transport.base import Transport
from packbench_sim.devices.bus import BusDevices
from packbench_sim.devices.daly_a5 import play_daly_a5
from packbench_sim.devices.daly_modbus import play_daly_modbus
from packbench_sim.devices.delta_sm15k import play_delta_sm15k
from packbench_sim.devices.ea_psb import play_ea_psb
from packbench_sim.devices.eastron_sdm import play_eastron_sdm
from packbench_sim.devices.gbt27930 import play_gbt27930
from packbench_sim.devices.hv_bms import play_hv_bms
from packbench_sim.devices.itech_it6000c import play_itech_it6000c
from packbench_sim.devices.jbd import play_jbd
from packbench_sim.devices.jk_4e57 import play_jk_4e57
from packbench_sim.devices.jk_pb import play_jk_pb
from packbench_sim.devices.mapped import player_of_map
from packbench_sim.devices.modbus_chamber import play_modbus_chamber
from packbench_sim.devices.modbus_cycler import play_modbus_cycler
from packbench_sim.devices.modbus_insulation import play_modbus_insulation
from packbench_sim.devices.neware_bts import play_neware_bts8
from packbench_sim.devices.pace import play_pace
from packbench_sim.devices.pylontech import play_pylontech
from packbench_sim.devices.seplos_v2 import play_seplos_v2
from packbench_sim.devices.seplos_v3 import play_seplos_v3
from packbench_sim.parts import WireDevice
from packbench_sim.playing import Player, Playing, Silent
from packbench_sim.wire import MemoryLink
from packbench_sim.world import World

NETWORK_LATENCY_NS = 200_000
"""One way, on a bench's own switch. [A]"""
BYTE_TIME_115200_NS = 86_806
"""8N1 at 115,200 baud."""

PLAYERS: dict[str, Player] = {
    "daly-a5": play_daly_a5,
    "daly-d2": play_daly_modbus,
    "daly-p81": play_daly_modbus,
    "delta-sm15k": play_delta_sm15k,
    "ea-psb": play_ea_psb,
    "eastron-sdm": play_eastron_sdm,
    "gbt27930": play_gbt27930,
    "itech-it6000c": play_itech_it6000c,
    "jbd": play_jbd,
    "jk-4e57": play_jk_4e57,
    "jk-pb": play_jk_pb,
    "modbus-chamber": play_modbus_chamber,
    "modbus-cycler": play_modbus_cycler,
    "modbus-hv-bms": play_hv_bms,
    "modbus-insulation": play_modbus_insulation,
    "neware-bts8": play_neware_bts8,
    "pace": play_pace,
    "pylontech": play_pylontech,
    "seplos-v2": play_seplos_v2,
    "seplos-v3": play_seplos_v3,
}


def player_of(device: DeviceType) -> Player | None:
    """How a device is played: by an emulator of its own, or by its map alone; None: nobody plays it."""
    player = PLAYERS.get(device.name)
    return player_of_map(device) if player is None and device.protocol == "modbus" else player


def play(playing: Playing) -> WireDevice:
    """The emulator of a device. Raises InputError for one that nobody plays, or an option it does not know."""
    player = player_of(playing.type)
    if player is None:
        found, expected = playing.type.name, f"one of {', '.join(PLAYERS)}"
        raise InputError(Problem("no emulator plays this device", field="device", found=found, expected=expected))
    for name in playing.options:
        if name not in player.options:
            expected = ", ".join(player.options) or "nothing: it has no options of its own"
            raise InputError(Problem(playing.type.name, field="--set", found=name, expected=expected))
    return player.make(playing)


def wire_devices(world: World, bench: BenchSpec, types: Mapping[str, DeviceType]) -> dict[str, WireDevice]:
    """The bench's devices by role; `types` of all but the board. Raises InputError for one that nobody emulates."""
    faults = world.plant.faults
    silent: dict[str, Silent] = {
        "cycler": lambda _t_ns: faults.cycler_silent,
        "bms": lambda _t_ns: faults.bms_silent,
        # A monitor of the bench's own: it goes on when the pack's BMS falls silent.
        "cell_tap": lambda _t_ns: False,
        "chamber": lambda _t_ns: faults.chamber_silent,
        "meter": lambda _t_ns: faults.meter_silent,
    }
    return {
        role: world.board
        if role == "board"
        else play(playing(world, types[role], spec.unit, scheme_of(spec.url), silent[role]))
        for role, spec in bench.devices.items()
    }


def playing(
    world: World,
    device: DeviceType,
    unit: int,
    scheme: Scheme,
    silent: Silent | None = None,
    options: Mapping[str, str] | None = None,
) -> Playing:
    """An emulator's part in a simulated bench."""
    plant = world.plant
    return Playing(
        device,
        unit,
        scheme,
        plant.spec,
        plant.cycler,
        plant.bms,
        silent,
        plant.set_switches,
        plant.set_ambient,
        plant.pack.ambient_c,
        plant.insulation_ohm,
        plant.energy_in_j,
        options or {},
    )


def scheme_of(url: str) -> Scheme:
    """The kind of link that a bench file's URL names."""
    return cast("Scheme", url.removeprefix("emulated:").split("://", maxsplit=1)[0])


def on_lines(devices: Mapping[str, WireDevice], names: Mapping[str, str]) -> dict[str, WireDevice]:
    """What is on each line: a device, or all that share it. `names`: role to the name of its line."""
    together: dict[str, list[WireDevice]] = {}
    for role, device in devices.items():
        together.setdefault(names[role], []).append(device)
    return {name: found[0] if len(found) == 1 else BusDevices(found) for name, found in together.items()}


def memory_transports(
    loop: asyncio.AbstractEventLoop, clock: Clock, devices: Mapping[str, WireDevice], schemes: Mapping[str, str]
) -> dict[str, Transport]:
    """The far ends of in-memory lines, by name, with the latency of their kind; one without a scheme is a network."""
    return {
        name: MemoryLink(
            loop,
            device,
            clock,
            latency_ns=NETWORK_LATENCY_NS,
            byte_time_ns=_byte_time_ns(schemes.get(name, "")),
        )
        for name, device in devices.items()
    }


def _byte_time_ns(scheme: str) -> int:
    """What a byte costs on the line; a network costs none worth counting."""
    return BYTE_TIME_115200_NS if scheme in ("rtu+tcp", "serial", "pty") else 0
