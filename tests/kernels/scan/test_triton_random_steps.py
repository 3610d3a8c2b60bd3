"""Torch's elementwise functions in Triton's kernels, interpreted, against the loop."""

import pytest
from tests.kernels.scan.test_random_steps import EXACT, ROUNDED, check_random_step, compare

pytest.importorskip("triton")
pytestmark = [pytest.mark.usefixtures("interpreted_triton"), pytest.mark.backend("auto")]


@pytest.mark.parametrize("name", [*EXACT, *ROUNDED])
def test_each_function_on_special_values(name: str) -> None:
    compare({name: {**EXACT, **ROUNDED}[name]}, name in EXACT, "triton")


@pytest.mark.parametrize("special", [True, False])
def test_random_steps(special: bool) -> None:
    compiled = [check_random_step(seed, special, "triton") for seed in range(12)]
    assert sum(compiled) > 6
