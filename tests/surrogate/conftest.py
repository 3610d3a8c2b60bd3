"""Every deterministic surrogate of the registry, with default and with other shapes."""

from functools import partial
from typing import Any

import pytest

from bitspike.surrogate import registry

DEFAULT: list[dict[str, Any]] = [{}]
SHAPES: dict[str, list[dict[str, Any]]] = {
    "LeakyKReLU": [{}, {"leak": 0.2}, {"k": 0}, {"leak": 0.1, "k": 5.0}],
    "LogTailedReLU": [{}, {"alpha": 0.5}],
    "MultiLevelSpikeCount": [{"max_spike_count": 1}, {"max_spike_count": 3}],
    "PiecewiseLeakyReLU": [{}, {"w": 0.5}, {"w": 2, "c": 0}, {"c": 0.5}],
    "QPseudoSpike": [{}, {"alpha": 1.5}, {"alpha": 5}],
    "S2NN": [{}, {"alpha": 0.5}, {"beta": 2.0}, {"alpha": 1, "beta": 5.0}],
    "SquarewaveFourierSeries": [{}, {"n": 1}, {"n": 5}, {"n": 3, "T_period": 2.5}],
}
OTHERS = [{}, *({"alpha": value} for value in (0.5, 1, 2.0, 5.0))]

VARIANTS = [
    pytest.param(partial(registry[name], **shape), id=f"{name}-{shape}")
    for name in registry
    if registry[name].deterministic
    for shape in SHAPES.get(name, OTHERS if registry[name].names else DEFAULT)
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes ``make`` runs for every surrogate; it makes one of them."""
    if "make" in metafunc.fixturenames:
        metafunc.parametrize("make", VARIANTS)
