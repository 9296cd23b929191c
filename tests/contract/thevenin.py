"""PyBaMM's Thevenin model runs experiments: the question comes in as JSON, the answer goes out as JSON.

Owns the translation of our cell into PyBaMM's parameters, and the order in which PyBaMM is made to hold one quantity
after the other. The equations, the integration and the search for the instant of an event are PyBaMM's (IDAKLU). Run
by the models' Python (tests/contract/peers.py), so it imports nothing of Packbench.

The same model. PyBaMM keeps the voltage of an RC pair, v' = -v / (r c) + i / c. Our plant keeps the current through
its resistor, v = R(z) w with w' = (i - w) / tau and a constant tau; so v' = (R i - v) / tau + (R'/R) z' v with
z' = i / Q: the voltage of our pair follows R as the charge moves, which PyBaMM's does not when it is given c = tau / R.
The two are one equation when PyBaMM gets

    c = tau / R(z),    r = R(z) / (1 - tau (R'(z) / R(z)) i / Q)

and its r may depend on the current. So the whole tables are compared, with nothing held constant for the comparison.

Like our plant: the OCV is interpolated linearly on the chemistry's grid. Unlike our plant: the resistances are
interpolated too, between the middles of the grid's steps for which they are stated, and everything is integrated
with error control where our plant has segments of five seconds. Isothermal: a heat capacity without bounds, and no
entropic change.

Samples. A bench sees its cell at samples only, and what it does next begins there. So PyBaMM says when it would have
ended a step, and is then held to the instant at which the bench ended it: both go into the next step at one time,
each with its own charge and polarisation, and no step is blamed for the overshoot of the one before.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pybamm  # pyright: ignore[reportMissingImports]

KELVIN_25 = 298.15
NO_HEATING_J_K = 1e15
SOON_S = 1e-6
"""Two instants no further apart are one: PyBaMM takes no shorter step."""
LONGEST_S = 100 * 3600.0
SETTINGS = {"current": "Current function [A]", "voltage": "Voltage function [V]", "power": "Power function [W]",
            "resistance": "Resistance function [Ohm]"}  # fmt: skip
"""What can be held, and PyBaMM's name of its set-point."""
NEVER = {"voltage_below": -1e6, "voltage_above": 1e6, "current_below": -1.0, "charge_above": 1e6}
"""Ends of a hold, with values that are never reached."""


class Thevenin:
    """One cell, at 25 degC for ever."""

    def __init__(self, cell: dict[str, Any]) -> None:
        self._cell = cell
        self._capacity_ah = cell["capacity_ah"]
        self._simulations: dict[str, Any] = {}

    def run(self, experiment: dict[str, Any]) -> list[dict[str, float]]:
        """Every step: when PyBaMM ends it (`end_s`), and the charge it has moved when the bench ended it."""
        self._now: Any = None
        self._soc = experiment["initial_soc"]
        answers: list[dict[str, float]] = []
        for step in experiment["steps"]:
            soc = self._soc
            *first, last = step["holds"]
            for hold in first:
                self._hold(hold)
            before, soc_before = self._now, self._soc
            self._hold(last)
            end_s = float(self._now.t[-1])
            if step["ended_s"] < end_s - SOON_S:
                self._now, self._soc = before, soc_before
            self._on_until(last, step["ended_s"])
            answers.append({"end_s": end_s, "charge_ah": (self._soc - soc) * self._capacity_ah})
        return answers

    def _on_until(self, hold: dict[str, Any], end_s: float) -> None:
        """Hold on, whatever is met, to an instant of the experiment's time."""
        left_s = end_s - (0.0 if self._now is None else float(self._now.t[-1]))
        if left_s > SOON_S:
            self._hold({"quantity": hold["quantity"], "value": hold["value"], "for_s": left_s})

    def _hold(self, hold: dict[str, Any]) -> None:
        """Hold one quantity until something is met, or for a time. Positive charges, as everywhere but in PyBaMM."""
        quantity, value, until = hold["quantity"], hold["value"], hold.get("until", {})
        signed = {"current": -value, "power": -value}.get(quantity, value)
        inputs = {**NEVER, **until, "soc_before": self._soc, SETTINGS[quantity]: signed}
        if quantity == "current":
            del inputs["current_below"]
        if self._now is not None:
            # PyBaMM goes no further from a solution that an event ended.
            self._now.termination = "final time"
        simulation = self._simulation(quantity)
        self._now = simulation.solver.step(
            self._now, simulation.built_model, hold.get("for_s", LONGEST_S), inputs=inputs, save=False
        )
        ended = self._now.termination
        assert ended.startswith("event" if until else "final time"), f"{hold}: {ended}"
        self._soc = float(self._now["SoC"].data[-1])

    def _simulation(self, quantity: str) -> Any:
        if quantity not in self._simulations:
            options = {"operating mode": quantity, "number of rc elements": 2}
            model = pybamm.equivalent_circuit.Thevenin(options=options)
            model.events = self._events(model, quantity)
            simulation = pybamm.Simulation(
                model,
                parameter_values=pybamm.ParameterValues(self._parameters(quantity)),
                solver=pybamm.IDAKLUSolver(rtol=1e-8, atol=1e-10),
            )
            simulation.build()
            self._simulations[quantity] = simulation
        return self._simulations[quantity]

    def _events(self, model: Any, quantity: str) -> list[Any]:
        """What can end a hold: PyBaMM stops where one of these falls to zero."""
        voltage, current, soc = (model.variables[name] for name in ("Voltage [V]", "Current [A]", "SoC"))
        moved_ah = abs(soc - pybamm.InputParameter("soc_before")) * self._capacity_ah
        events = {
            "voltage_below": lambda bound: voltage - bound,
            "voltage_above": lambda bound: bound - voltage,
            "charge_above": lambda bound: bound - moved_ah,
        }
        if quantity != "current":
            events["current_below"] = lambda bound: abs(current) - bound
        return [pybamm.Event(name, margin(pybamm.InputParameter(name))) for name, margin in events.items()]

    def _parameters(self, quantity: str) -> dict[str, Any]:
        cell, capacity_ah = self._cell, self._capacity_ah
        values: dict[str, Any] = {
            "chemistry": "ecm",
            "Initial SoC": self._soc,
            "Cell capacity [A.h]": capacity_ah,
            "Nominal cell capacity [A.h]": capacity_ah,
            "Open-circuit voltage [V]": _table(cell["soc"], cell["ocv_v"]),
            "R0 [Ohm]": _resistance(_table(cell["soc_middle"], cell["r0_ohm"])),
            "Element-1 initial overpotential [V]": 0.0,
            "Element-2 initial overpotential [V]": 0.0,
            "Entropic change [V/K]": lambda ocv, temperature: pybamm.Scalar(0.0),
            "Initial temperature [K]": KELVIN_25,
            "Ambient temperature [K]": KELVIN_25,
            "Cell thermal mass [J/K]": NO_HEATING_J_K,
            "Jig thermal mass [J/K]": NO_HEATING_J_K,
            "Cell-jig heat transfer coefficient [W/K]": 0.0,
            "Jig-air heat transfer coefficient [W/K]": 0.0,
            # Cut-offs of the model's own: the events above have taken their place.
            "Upper voltage cut-off [V]": NEVER["voltage_above"],
            "Lower voltage cut-off [V]": NEVER["voltage_below"],
            SETTINGS[quantity]: "[input]",
        }
        for number in (1, 2):
            resistance, capacitance = _pair(
                cell["soc_middle"], cell[f"r{number}_ohm"], cell[f"tau{number}_s"], 3600.0 * capacity_ah
            )
            values[f"R{number} [Ohm]"], values[f"C{number} [F]"] = resistance, capacitance
        return values


Lookup = Callable[[Any], Any]
Element = Callable[[Any, Any, Any], Any]
"""(cell temperature, current, SoC) -> value: PyBaMM's current is positive when it discharges."""


def _table(soc: list[float], values: Any) -> Lookup:
    x, y = np.array(soc), np.array(values)
    return lambda at: pybamm.Interpolant(x, y, at, interpolator="linear")


def _resistance(table: Lookup) -> Element:
    return lambda temperature, current, soc: table(soc)


def _pair(soc: list[float], ohms: list[float], tau_s: float, capacity_as: float) -> tuple[Element, Element]:
    """(r, c) that make PyBaMM's pair ours; see the module's docstring."""
    table = _table(soc, ohms)
    relative_slope = _table(soc, np.gradient(np.log(ohms), soc))

    def r(temperature: Any, current: Any, at: Any) -> Any:
        return table(at) / (1.0 + tau_s * relative_slope(at) * current / capacity_as)

    def c(temperature: Any, current: Any, at: Any) -> Any:
        return tau_s / table(at)

    return r, c


def main() -> None:
    """{"cell": ..., "experiments": [...]} on stdin; one list of steps an experiment on stdout."""
    question = json.load(sys.stdin)
    json.dump([Thevenin(question["cell"]).run(experiment) for experiment in question["experiments"]], sys.stdout)


if __name__ == "__main__":
    main()
