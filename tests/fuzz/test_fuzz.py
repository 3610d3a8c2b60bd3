"""Random networks against float64, from fixed seeds; ``make fuzz`` draws others."""

import pytest
from tests.fuzz.comparison import check
from tests.fuzz.networks import draw

pytestmark = pytest.mark.backend("auto")

SEEDS = range(40)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_networks(seed: int) -> None:
    case = draw(seed, everything=False)
    verdict = check(case)
    assert verdict.outcome != "failed", f"{case}\n{verdict.what}\n{verdict.details}"
