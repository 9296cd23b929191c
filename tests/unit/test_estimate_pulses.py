"""The fast estimate from pulses: its algebra, its calibration, its refusals, and the two models that are shipped."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern, WhiteKernel

from packbench.analysis.estimate import gaussian
from packbench.analysis.estimate.conformal import factor
from packbench.analysis.estimate.features import responses
from packbench.analysis.estimate.pulse_data import PulseTests
from packbench.analysis.estimate.pulse_json import NamedModel, model_paths, read_model
from packbench.analysis.estimate.unlike import unlike

GROUPS = ((0,), (1, 2))
THETA = np.array([0.3, 0.8, 0.1, -1.0, -1.5])


@cache
def shipped(name: str) -> NamedModel:
    return read_model(model_paths()[name])


def drawn(cells: int = 9, rows: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(3)
    x = draw.normal(size=(cells * rows, 3))
    names = np.repeat([f"cell {number}" for number in range(cells)], rows)
    return x, np.sin(x[:, 0]) + 0.3 * x[:, 1] + 0.05 * draw.normal(size=len(x)), names


def test_the_process_is_the_one_that_scikit_learn_makes() -> None:
    x, y, _ = drawn()
    ours = gaussian.fitted(x, y, ((0, 1, 2),), np.array([0.3, 0.1, -1.0, -1.5]))
    kernel = (
        ConstantKernel(np.exp(0.2)) * Matern(length_scale=np.exp(0.3) * np.sqrt(3.0), nu=1.5)
        + ConstantKernel(np.exp(-2.0) / 3.0) * DotProduct(sigma_0=0.0, sigma_0_bounds="fixed")
        + WhiteKernel(np.exp(-3.0) + gaussian.JITTER)
    )
    theirs = GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None)  # pyright: ignore[reportArgumentType]
    asked = np.random.default_rng(4).normal(size=(7, 3))
    theirs.fit(ours.rows, ours.labels)
    mean, sd = (np.array(one) for one in theirs.predict((asked - ours.centre) / ours.spread, return_std=True))
    said, spread = ours.predict(asked)
    assert said == pytest.approx(mean * ours.label_spread + ours.label_centre, abs=1e-6)
    assert spread == pytest.approx(sd * ours.label_spread, rel=1e-4)


def test_a_cell_left_out_in_closed_form_is_a_fit_without_it() -> None:
    x, y, names = drawn()
    whole = gaussian.fitted(x, y, GROUPS, THETA)
    cells = gaussian.cells_of(names)
    mean, sd = whole.left_out(cells)
    for rows in cells:
        kept = np.setdiff1d(np.arange(len(y)), rows)
        t = whole.labels
        kernel = np.linalg.inv(whole.inverse)
        own = kernel[np.ix_(rows, kept)] @ np.linalg.inv(kernel[np.ix_(kept, kept)])
        assert mean[rows] == pytest.approx(own @ t[kept] * whole.label_spread + whole.label_centre, abs=1e-8)
        variance = np.diag(kernel[np.ix_(rows, rows)] - own @ kernel[np.ix_(kept, rows)])
        assert sd[rows] == pytest.approx(np.sqrt(variance) * whole.label_spread, rel=1e-6)


def test_the_gradient_of_the_left_out_score_is_its_slope() -> None:
    x, y, names = drawn()
    objective = gaussian._objective(x, y, gaussian.cells_of(names), GROUPS)
    _, gradient = objective(THETA)
    for index, slope in enumerate(gradient):
        step = np.zeros_like(THETA)
        step[index] = 1e-5
        assert slope == pytest.approx((objective(THETA + step)[0] - objective(THETA - step)[0]) / 2e-5, rel=1e-4)


def test_the_interval_s_factor_holds_new_cells() -> None:
    """Rows of a cell share most of their error: 2,000 draws of 40 cells, and one more that must be held."""
    draw = np.random.default_rng(5)
    held = []
    cells = gaussian.cells_of(np.repeat([f"{number:02}" for number in range(40)], 5))
    for _ in range(2000):
        scores = np.abs(np.repeat(draw.standard_t(4, 41), 5) + 0.2 * draw.normal(size=205))
        held.append(np.mean(scores[200:] <= factor(scores[:200], cells, 0.95)))
    assert 0.94 <= np.mean(held) <= 0.985


@pytest.mark.parametrize(
    ("name", "most", "level", "most_at_level"),
    [("pulse-nmc-21ah", 1.095, 0.30, 0.53), ("pulse-lmo-10ah", 2.27, 0.50, 0.99)],
)
def test_a_shipped_model_says_of_cells_left_out_what_was_promised(
    name: str, most: float, level: float, most_at_level: float
) -> None:
    """The nested figures are `make pulsebat`'s; here each cell is left out of a fit whose lengths had seen it."""
    model = shipped(name).model
    cells = gaussian.cells_of(model.tests.cells)
    soh = model.tests.soh
    for head, counted in ((model.free, False), (model.counted, True)):
        assert head is not None
        said = sum(w * p.left_out(cells)[0] for w, p in zip(head.weights, head.processes, strict=True))
        error = np.abs(said - soh) * 100.0
        here = np.abs(model.tests.counted_soc - level) < 0.04 if counted else np.ones(soh.size, dtype=bool)
        assert error[here].mean() <= (most_at_level if counted else most)


@pytest.mark.parametrize("name", ["pulse-nmc-21ah", "pulse-lmo-10ah"])
def test_a_shipped_model_says_where_it_comes_from_and_how_good_it_is(name: str) -> None:
    about = shipped(name).about
    assert "MIT" in about["licence"]
    assert "doi 10.1038" in about["source"]
    assert len(about["data"][0]["sha256"]) == 64
    nested = about["cross_validation"]
    assert nested["free"]["mae"] <= {"pulse-nmc-21ah": 1.095, "pulse-lmo-10ah": 2.27}[name]
    assert nested["free"]["mae_rest_voltage_alone"] > 2.0 * nested["free"]["mae"]
    assert 0.92 <= nested["free"]["coverage"] <= 0.99


def test_what_was_never_seen_is_refused_with_the_quantity() -> None:
    model = shipped("pulse-nmc-21ah").model
    seen = model.tests.voltages[25]
    assert model.domain.refusals(seen) == ()
    assert "rest voltage" in model.domain.refusals(seen + 0.4)[0].text_en
    worn = seen[0] + 4.0 * (seen - seen[0])
    assert {note.key for note in model.domain.refusals(worn)} == {"outside_training"}


def test_most_tests_of_another_chemistry_are_refused_by_the_domain_alone() -> None:
    """Most, since cells of two chemistries can answer a pulse alike; a file that states its material is held to it."""
    domain = shipped("pulse-nmc-21ah").model.domain
    other = shipped("pulse-lmo-10ah").model.tests.voltages
    assert np.mean([bool(domain.refusals(row)) for row in other]) > 0.7


def test_an_odd_cell_is_named_with_what_is_odd_and_no_other() -> None:
    draw = np.random.default_rng(6)
    count = 20
    steps = np.cumsum(np.tile([0.02, 0.015, -0.02, -0.01, -0.02, -0.015, 0.02, 0.01], 3)[:20])
    voltages = 3.6 + np.concatenate([[0.0], steps])[None] * (1.0 + 0.02 * draw.normal(size=(count, 1)))
    voltages[7, 1:] = voltages[7, :1] + 1.6 * (voltages[7, 1:] - voltages[7, :1])
    unknown = np.full(count, np.nan)
    names = np.array([f"cell {number}" for number in range(count)])
    tests = PulseTests(names, voltages, unknown, unknown, unknown, np.full(count, ""), np.arange(count))
    found = unlike(tests)
    assert set(found) == {"cell 7"}
    assert any("instantaneous" in note.text_en for note in found["cell 7"])


def test_responses_are_per_c_and_positive_for_a_resistance() -> None:
    test = np.array([[3.6, *(3.6 + np.array([0.02, 0.03, 0.01, 0.001, -0.019, -0.029, -0.009, 0.0]))] + [3.6] * 12])
    seen = responses(test)
    assert seen.instant[0, :2] == pytest.approx([0.04, 0.04])
    assert seen.polarisation[0, :2] == pytest.approx([0.02, 0.02])
    assert seen.release[0, :2] == pytest.approx([0.04, 0.04])
