"""A few draws of the truth campaign (`make truth-campaign`), so that it and what it judges cannot rot unseen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.benchmarks import redraws

DRAWS = range(100, 107)


@pytest.fixture(scope="module", params=tuple(redraws.PACKS))
def drawn(request: pytest.FixtureRequest) -> Iterator[list[redraws.Drawn]]:
    yield [one for seed in (3, 4) for one in redraws.of_pack(request.param, seed, DRAWS)]


def test_u_covers_the_truth_and_is_not_inflated(drawn: list[redraws.Drawn]) -> None:
    said = redraws.tally(drawn)
    # At 95 % coverage four or more of 14 beyond U have a probability of 0.4 %.
    assert said.covered >= 11 / 14
    assert 0.7 < said.ratio < 1.7


def test_no_wrong_cell_is_called_decided(drawn: list[redraws.Drawn]) -> None:
    said = redraws.tally(drawn)
    assert said.wrongly_decided == 0
    assert not said.clear or said.clear_right == 1.0


def test_the_truth_is_what_the_pack_gives_and_the_next_cell_gives_the_margin() -> None:
    case = redraws.case("nmc", 3)
    truth = redraws.true_end(case)
    capacities_ah = redraws.PackModel(case.pack, 25.0).cells.capacity_as / 3600.0
    assert 0.8 * capacities_ah.min() < truth.capacity_ah < capacities_ah.min()
    assert truth.margin_ah > 0.0
    assert redraws.true_end(redraws.case("nmc", 4)).capacity_ah != truth.capacity_ah
