"""Whether a bench's devices suit it, the pack and the profile, by what their device files say they can do.

Owns the comparison of capabilities with what is wanted of them; each problem points at the line of the file that wants
it. Pure: types and specs in, problems out (`require_suited` reads the device files). It exists so that a bench that
polls faster than a BMS answers, or a profile that discharges into a charger, is refused before any current flows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from packbench.app.bus_cycle import barely_met, freshness, unmet
from packbench.app.devices import DeviceTypes, line_names, load_type, load_types
from packbench.config.document import Document, load_document
from packbench.core.errors import InputError, Problem
from packbench.core.specs import BenchSpec, DeviceSpec, PackSpec
from packbench.maps.schema import DeviceType
from packbench.profile.amounts import Amount, Read, constant
from packbench.profile.checking.formulas import uses_of
from packbench.profile.checking.pen import Pen
from packbench.profile.plan import ChamberSet, Plan, Soak, discharges
from packbench.store.meta import Source

OFF_WAIT_NS = 50_000_000
"""The most that "cycler off" may wait behind another device's exchange (docs/architecture.md, Safety)."""
_RATINGS = (
    ("voltage", "rated_voltage_v", "voltage_max_v", "V"),
    ("current", "rated_current_a", "current_max_a", "A"),
    ("power", "rated_power_w", "power_max_w", "W"),
)
"""A rating's key in the bench file, in the cycler's settings, in the device file's capabilities, and its unit."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where a problem is pointed at."""

    bench: Document
    pack: Document


def require_suited(
    plan: Plan, pack: PackSpec, bench: BenchSpec, pack_source: Source, bench_source: Source
) -> list[Problem]:
    """Raises InputError with everything that the bench's devices cannot do; returns what a reviewer would remark on."""
    files = Files(
        load_document(bench_source.text, bench_source.name), load_document(pack_source.text, pack_source.name)
    )
    types = load_types(bench)
    if problems := unsuited(types, bench, pack, plan, files):
        raise InputError(problems)
    return barely_met(freshness(types, bench), files.bench)


def unsuited(types: DeviceTypes, bench: BenchSpec, pack: PackSpec, plan: Plan, files: Files) -> list[Problem]:
    """What the devices cannot do of what bench, pack and profile want; empty when they suit."""
    return [
        *_periods(types, bench, files.bench),
        *_patience(types, bench, files.bench),
        *_off_waits(types, bench, files.bench),
        *unmet(freshness(types, bench), files.bench),
        *_ratings(types.cycler, bench, files.bench),
        *_directions(types, plan),
        *_cells(types, bench, pack, files),
        *_conditioning(types, bench, plan),
    ]


def holder_of(bench: BenchSpec) -> Literal["cycler", "engine"]:
    """Who holds a constant voltage: the cycler, unless its type or the bench file says that it does not."""
    stated = load_type(bench.cycler.device).capabilities.holds_voltage
    return "cycler" if bench.cycler.settings.get("holds_voltage", stated) else "engine"


def _periods(types: DeviceTypes, bench: BenchSpec, document: Document) -> list[Problem]:
    """Polls that come faster than the device keeps up with; a cell tap is asked with the BMS."""
    known = types.by_role
    asked = [(role, "poll", bench.devices[role].poll_period_ns, known[role]) for role in ("cycler", "bms")]
    if types.cell_tap is not None:
        asked.append(("bms", "poll", bench.bms.poll_period_ns, types.cell_tap))
    asked += [(role, "poll", spec.poll_period_ns, known[role]) for role, spec in bench.fitted.items()]
    if bench.cycler.stated_fast_ns is not None:
        asked.append(("cycler", "poll_fast", bench.cycler.stated_fast_ns, types.cycler))
    return [
        document.problem(
            "faster than the device keeps up with",
            ("devices", role, key),
            _seconds(period_ns / 1e9),
            f"at least {_seconds(device.capabilities.min_period_s)} ({device.name})",
        )
        for role, key, period_ns, device in asked
        if period_ns < device.capabilities.min_period_s * 1e9
    ]


def _patience(types: DeviceTypes, bench: BenchSpec, document: Document) -> list[Problem]:
    """Where a dead BMS may be done without, the cells wait once in a while until it has failed to answer twice."""
    if bench.cell_tap is None or bench.cell_tap.bms_required:
        return []
    spec = bench.bms
    failing_ns = 2 * spec.reply_timeout_ns + types.bms.line.turnaround_ns
    least_ns = spec.poll_period_ns + failing_ns + failing_ns // 10
    if spec.stale_after_ns >= least_ns:
        return []
    found, expected = _seconds(spec.stale_after_ns / 1e9), f"at least {_seconds(least_ns / 1e9)}"
    why = "the cells would be stale while a dead BMS is asked"
    return [document.problem(why, ("devices", "bms", "stale_after"), found, expected)]


def _off_waits(types: DeviceTypes, bench: BenchSpec, document: Document) -> list[Problem]:
    """Devices on the cycler's line whose exchange "off" may have to wait for: one that was begun is not cut short."""
    gaps_ns = {role: device.line.gap_ns for role, device in types.by_role.items()}
    names = line_names(bench)
    problems: list[Problem] = []
    for role, spec in bench.devices.items():
        wait_ns = spec.reply_timeout_ns + gaps_ns.get(role, 0)
        if role != "cycler" and names[role] == names["cycler"] and wait_ns > OFF_WAIT_NS:
            found = f"the cycler's line, with exchanges of up to {_seconds(wait_ns / 1e9)}"
            expected = f"a line of its own, or at most {_seconds(OFF_WAIT_NS / 1e9)}"
            why = '"cycler off" would have to wait'
            problems.append(document.problem(why, ("devices", role, "url"), found, expected))
    return problems


def _ratings(cycler: DeviceType, bench: BenchSpec, document: Document) -> list[Problem]:
    """Ratings that no device of this type has."""
    problems: list[Problem] = []
    for key, setting, capability, unit in _RATINGS:
        most: float | None = getattr(cycler.capabilities, capability)
        rated = float(bench.cycler.settings[setting])
        if most is not None and rated > most:
            expected = f"at most {most:g} {unit} ({cycler.name})"
            path = ("devices", "cycler", "ratings", key)
            problems.append(document.problem("beyond what the device can do", path, f"{rated:g} {unit}", expected))
    return problems


def _directions(types: DeviceTypes, plan: Plan) -> list[Problem]:
    """A discharge that the cycler cannot take, or that the BMS's protocol does not know."""
    step = next((index for index, step in enumerate(plan.steps) if discharges(step)), None)
    if step is None:
        return []
    pen = Pen(step, plan.source_file, plan.places)
    problems: list[Problem] = []
    if types.cycler.capabilities.sinks is False:
        expected = f"a profile without discharges, or a cycler that sinks ({types.cycler.name} does not)"
        problems.append(pen.write("", "the cycler only charges", "a discharge", expected))
    if not types.bms.capabilities.discharges:
        expected = f"a profile without discharges, or a BMS that watches one ({types.bms.name} only charges)"
        problems.append(pen.write("", "nobody watches the pack while it is discharged", "a discharge", expected))
    return problems


def _conditioning(types: DeviceTypes, bench: BenchSpec, plan: Plan) -> list[Problem]:
    """A chamber that is set, or a reading that is waited for, where the bench has no such device."""
    problems: list[Problem] = []
    measured = types.meter is not None and any(
        item.meaning == "insulation_ohm" for item in types.meter.fields_of("poll")
    )
    missing = {"chamber_temperature": types.chamber is None, "insulation": not measured}
    for index, step in enumerate(plan.steps):
        pen = Pen(index, plan.source_file, plan.places)
        if isinstance(step, ChamberSet | Soak):
            problems += _chamber_set(types.chamber, bench, pen, step.temperature_c)
        unread = {use.leaf.name: use.attribute for use in uses_of(step) if isinstance(use.leaf, Read)}
        for name, attribute in unread.items():
            if missing.get(name, False):
                device = "climate chamber" if name == "chamber_temperature" else "insulation meter"
                problems.append(pen.write(attribute, f"{bench.name} has no {device}", name, "a bench that has one"))
    return problems


def _chamber_set(chamber: DeviceType | None, bench: BenchSpec, pen: Pen, temperature_c: Amount | None) -> list[Problem]:
    if chamber is None:
        return [pen.write("", f"{bench.name} has no climate chamber", "a chamber that is set", "a bench that has one")]
    item = chamber.fields.get("set_temperature_c")
    wanted_c = None if temperature_c is None else constant(temperature_c)
    if item is None or item.low is None or item.high is None or wanted_c is None or item.low <= wanted_c <= item.high:
        return []
    expected = f"{item.low:g} to {item.high:g} degC ({chamber.name})"
    return [pen.write("temperature", "beyond what the device can do", f"{wanted_c:g} degC", expected)]


def _cells(types: DeviceTypes, bench: BenchSpec, pack: PackSpec, files: Files) -> list[Problem]:
    """Cells that nobody reports, or more of them than the reporting device has room for."""
    reporting = _reporting(types, bench)
    if not reporting:
        limits = pack.limits
        if (limits.cell_voltage_max_v, limits.cell_voltage_min_v, limits.cell_spread_max_v) == (None, None, None):
            return []
        role, device = ("bms", types.bms) if types.cell_tap is None else ("cell_tap", types.cell_tap)
        found = f"{device.name}, which does not report every cell"
        expected = "a device that does, or a cell tap (devices.cell_tap): the pack limits its cells"
        return [files.bench.problem("cells nobody watches", ("devices", role, "device"), found, expected)]
    return [
        files.pack.problem(
            "more cells than are watched", ("series",), str(pack.series), f"at most {most} ({device.name})"
        )
        for device in reporting
        if (most := device.capabilities.cells_max) is not None and pack.series > most
    ]


def _reporting(types: DeviceTypes, bench: BenchSpec) -> list[DeviceType]:
    """The devices whose cells count: of BMS and tap the one that has precedence, and both when they are compared."""
    tap = bench.cell_tap
    order = [(types.bms, bench.bms)]
    if tap is not None and types.cell_tap is not None:
        order.insert(0, (types.cell_tap, tap.device))
        if tap.precedence == "bms":
            order.reverse()
    able = [device for device, spec in order if _reports_cells(device, spec)]
    return able if tap is not None and tap.cross_check_v is not None else able[:1]


def _reports_cells(device: DeviceType, spec: DeviceSpec) -> bool:
    """Whether every cell is in its readings; a bench may know more of its own pack than is true of the type."""
    return bool(spec.settings.get("cells_reported", device.capabilities.cells_reported))


def _seconds(seconds: float) -> str:
    return f"{seconds * 1e3:g} ms" if seconds < 1.0 else f"{seconds:g} s"
