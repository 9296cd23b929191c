"""PyBaMM and aurora-unicycler on what is exchanged with them: the question comes in as JSON, the answer goes out so.

Owns the calls of their own functions, and what they make themselves. Run by the models' Python
(tests/contract/peers.py), so it imports nothing of Packbench. One process answers everything: PyBaMM takes seconds to
load.
"""

from __future__ import annotations

import contextlib
import json
import sys
from datetime import datetime
from typing import Any

import aurora_unicycler as unicycler  # pyright: ignore[reportMissingImports]
import numpy as np
import pybamm  # pyright: ignore[reportMissingImports]


def accepted(config: Any) -> dict[str, Any]:
    """What PyBaMM reads from a configuration, or from lists of sentences; and its own writing of that."""
    try:
        if isinstance(config, list):
            experiment = pybamm.Experiment([tuple(cycle) if isinstance(cycle, list) else cycle for cycle in config])
        else:
            experiment = pybamm.Experiment.from_config(config)
    except (ValueError, TypeError, KeyError) as error:
        return {"refused": str(error)}
    return {"steps": len(experiment.steps), "cycles": experiment.cycle_lengths, "config": experiment.to_config()}


def run(question: dict[str, Any]) -> list[dict[str, Any]]:
    """A Thevenin cell through an experiment: each step's current, charge and end."""
    values = pybamm.ParameterValues("ECM_Example")
    values.update(
        {
            "Nominal cell capacity [A.h]": question["capacity_ah"],
            "Cell capacity [A.h]": question["capacity_ah"],
            "Initial SoC": question["soc"],
        }
    )
    experiment = pybamm.Experiment.from_config(question["experiment"])
    simulation = pybamm.Simulation(pybamm.equivalent_circuit.Thevenin(), experiment=experiment, parameter_values=values)
    solution = simulation.solve()
    steps: list[dict[str, Any]] = []
    for cycle in solution.cycles:
        for step in cycle.steps:
            soc, time, current, voltage = (
                step[name].data for name in ("SoC", "Time [s]", "Current [A]", "Voltage [V]")
            )
            steps.append(
                {
                    "soc_change": soc[-1] - soc[0],
                    "seconds": time[-1] - time[0],
                    "first_current_a": current[0],
                    "last_current_a": current[-1],
                    "last_voltage_v": voltage[-1],
                }
            )
    return steps


def made_by_pybamm() -> dict[str, Any]:
    """Experiments as PyBaMM's users write them, in its own JSON."""
    step = pybamm.step
    drive = np.column_stack([np.arange(0, 60, 10.0), np.array([2.0, 2.0, -1.0, -1.0, 0.0, 0.0])])
    return {
        "documented": pybamm.Experiment(
            [
                (
                    "Discharge at C/10 for 10 hours or until 3.3 V",
                    "Rest for 1 hour",
                    "Charge at 1 A until 4.1 V",
                    "Hold at 4.1 V until 50 mA",
                    "Rest for 1 hour",
                ),
            ]
            * 3,
            period="1 minute",
        ).to_config(),
        "by factories": pybamm.Experiment(
            [
                (
                    step.rest("10 minutes", temperature="10oC"),
                    step.c_rate(0.5, termination=[step.VoltageTermination(3.0, operator="<")], tags=["first", "run"]),
                    step.current(-3.0, duration=600, termination="4.1V", period=2),
                    step.voltage(4.1, termination=["C/50"], direction="charge"),
                ),
                step.power(-5, duration="30 minutes", termination="4.1V", temperature="25oC"),
                step.resistance(2.0, termination="3.0V"),
                step.power(10, termination=["2.9 V", "> 3.1 A"]),
            ],
            temperature="25oC",
        ).to_config(),
        "a drive cycle": pybamm.Experiment([step.current(drive, termination="< 2.9 V")]).to_config(),
        "what nobody else has": pybamm.Experiment(
            [
                step.current(1.0, duration=60, start_time=datetime.fromisoformat("2026-01-01T00:00:00"), skip_ok=False),
                step.c_rate(pybamm.InputParameter("rate"), duration=60, termination="< 3V"),
            ],
            termination="80% capacity",
        ).to_config(),
    }


def made_by_unicycler() -> dict[str, Any]:
    """Protocols as aurora-unicycler's users write them, in its own JSON."""
    u = unicycler
    method = [
        u.Tag(tag="longterm"),
        u.OpenCircuitVoltage(until_time_s=600),
        u.ConstantCurrent(rate_C=0.5, until_voltage_V=4.2, until_time_s=3 * 60 * 60),
        u.ConstantVoltage(voltage_V=4.2, until_rate_C=0.05, until_time_s=60 * 60),
        u.ConstantCurrent(rate_C=-0.5, until_voltage_V=3.0, until_time_s=3 * 60 * 60),
        u.Loop(loop_to="longterm", cycle_count=100),
    ]
    fractions = [
        u.ConstantCurrent(rate_C="C/3", until_voltage_V=4.1),
        u.ConstantVoltage(voltage_V=4.1, until_current_mA=500),
        u.ConstantCurrent(current_mA=-2500, until_voltage_V=3.0),
        u.Loop(loop_to=1, cycle_count=3),
        u.ConstantCurrent(rate_C="D/5", until_time_s=60),
        u.Loop(loop_to=1, cycle_count=2),
    ]
    odd = [
        u.VoltageScan(start_voltage_V=3.0, end_voltage_V=4.0, scan_rate_mV_per_s=1),
        u.ImpedanceSpectroscopy(amplitude_V=0.01, start_frequency_Hz=1e4, end_frequency_Hz=1e-2),
        u.OpenCircuitVoltage(until_time_s=60),
    ]
    record = u.RecordParams(time_s=10, voltage_V=0.01, current_mA=20)
    return {
        name: json.loads(u.CyclingProtocol(record=record, safety=safety, sample=sample, method=steps).to_json())
        for name, safety, sample, steps in (
            ("its own example", u.SafetyParams(max_voltage_V=4.25, min_current_mA=-30000),
             u.SampleParams(name="My Sample", capacity_mAh=25000), method),
            ("fractions and numbers", u.SafetyParams(), u.SampleParams(), fractions),
            ("what nobody else has", u.SafetyParams(max_capacity_mAh=30000, delay_s=1), u.SampleParams(), odd),
        )
    }  # fmt: skip


def read_by_unicycler(protocol: dict[str, Any]) -> dict[str, Any]:
    """What aurora-unicycler makes of a protocol: itself again, PyBaMM's sentences, a Neware step file."""
    read = unicycler.CyclingProtocol.from_dict(protocol)
    sentences = read.to_pybamm_experiment()
    return {
        "itself": json.loads(read.to_json()),
        "sentences": sentences,
        "accepted": accepted(sentences),
        "neware": read.to_neware_xml(sample_name="x"),
    }


def main() -> None:
    """{"experiments", "protocols", "sentences", "runs"} on stdin, the answers under the same names on stdout."""
    question = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        answer = {
            "experiments": {name: accepted(config) for name, config in question["experiments"].items()},
            "sentences": [accepted([sentence]) for sentence in question["sentences"]],
            "protocols": {name: read_by_unicycler(protocol) for name, protocol in question["protocols"].items()},
            "runs": {name: run(asked) for name, asked in question["runs"].items()},
            "made_by_pybamm": made_by_pybamm(),
            "made_by_unicycler": made_by_unicycler(),
        }
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
