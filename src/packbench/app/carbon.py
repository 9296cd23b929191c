"""The carbon footprint of a recorded run's pack: its record and a factors file brought together.

Owns the look-up and what is taken from the record: the measured energy, and the power over time for the bench's own
use.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from packbench.app.places import DATA_NAME
from packbench.app.proven import run_of
from packbench.app.signing import instruments_of
from packbench.core.errors import InputError, Problem
from packbench.core.result import Result
from packbench.core.specs import Accuracy
from packbench.files import find_config
from packbench.run.energy_counter import EVENT, IMPORT
from packbench.store.reader import RunReader
from packbench.trace.carbon.bench_energy import BenchEnergy, by_counter, counted
from packbench.trace.carbon.factors import AC_METER, BenchEnergyModel, FactorsModel, load_factors
from packbench.trace.carbon.footprint import Footprint, footprint
from packbench.trace.passport.footprint_fields import CarbonFigures


@dataclass(frozen=True, slots=True)
class Judged:
    """A footprint and what it rests on."""

    result: Result
    factors: FactorsModel
    factors_file: Path
    bench: BenchEnergy
    footprint: Footprint

    def for_passport(self) -> CarbonFigures:
        """As a passport takes it."""
        return CarbonFigures(self.footprint, f"{self.factors_file.name} ({self.factors.carbon})")


def carbon_of(word: str, factors: str) -> tuple[Judged, bool]:
    """The footprint of a run's pack, or of the newest run of a code, and whether nobody measured that run.

    Raises InputError, VerificationFailed.
    """
    folder, result, is_test = run_of(word)
    return footprint_of(folder, result, factors), is_test


def footprint_of(folder: Path, result: Result, factors: str) -> Judged:
    """The footprint of a run that has been verified. Raises InputError."""
    path = find_config("carbon", factors)
    try:
        model = load_factors(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise InputError(Problem("", str(path), found="no UTF-8 text", expected="a factors file")) from error
    if not result.valid or result.energy_wh is None:
        found = "; ".join(result.invalid_reasons) or "no energy"
        raise InputError(Problem("", field=f"run {result.run_id}", found=found, expected="a valid run with its energy"))
    bench = _bench(model.bench_energy, folder, result, path)
    return Judged(result, model, path, bench, footprint(model, result.energy_wh, bench))


def _bench(model: BenchEnergyModel, folder: Path, result: Result, file: Path) -> BenchEnergy:
    nothing = np.empty(0)
    energy = result.energy_wh
    try:
        with RunReader.open(folder / DATA_NAME) as reader:
            if model.counted_by == AC_METER:
                readings = [event.data for event in reader.events() if event.kind == EVENT]
                typed = model.begin_kwh is not None
                if not typed or any(IMPORT in each for each in readings):
                    if typed:
                        raise _problem("typed readings", "none: the record has what the bench's meter showed")
                    return by_counter(readings, *_meter(reader, model.source))
                return counted(model, nothing, nothing, 0.0)
            if result.gaps:
                raise _problem(f"a run with {len(result.gaps)} gaps in its record", "an ac_meter's readings")
            rows = reader.rows()
        power_w = rows.voltage_v * rows.current_a
        there = np.isfinite(power_w)
        relative = 0.0 if energy is None or energy.U is None else energy.U / energy.value
        return counted(model, rows.t_ns[there] / 1e9, power_w[there], relative)
    except InputError as error:
        (problem,) = error.problems
        raise InputError(
            Problem("", str(file), field=problem.field, found=problem.found, expected=problem.expected)
        ) from error


def _problem(found: str, expected: str) -> InputError:
    return InputError(Problem("", field="bench_energy", found=found, expected=expected))


def _meter(reader: RunReader, stated: str) -> tuple[Accuracy | None, str]:
    """The accuracy of the meter's energy, and the meter's paper trail."""
    instrument = next((each for each in instruments_of(reader.meta) if each.name == "meter"), None)
    if instrument is None:
        return None, stated
    trail = f"meter {instrument.serial}, certificate {instrument.certificate} of {instrument.calibrated_on}"
    return instrument.quantities.get("energy_wh"), f"{trail}; {stated}"
