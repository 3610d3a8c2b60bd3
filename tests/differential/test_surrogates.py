"""The surrogates against SpikingJelly's: values and gradients, spiking and smooth."""

import inspect
from typing import Any

import pytest
import torch

from bitspike.surrogate import registry

every_surrogate = pytest.mark.parametrize("name", list(registry))
VALUES = (None, 0.7, 1.5, 3.0)


@every_surrogate
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("spiking", [True, False])
def test_value_and_gradient(peer: Any, name: str, value: float | None, spiking: bool) -> None:
    shape = {} if value is None else dict.fromkeys(registry[name].names, value)
    x = torch.linspace(-3.1, 3.1, 1001, requires_grad=True)
    weight = torch.linspace(-1, 2, 1001)
    results = []
    for cls in (registry[name], getattr(peer.surrogate, name)):
        y = cls(**shape, spiking=spiking)(x)
        results.append((y, *torch.autograd.grad((weight * y).sum(), x)))
    if spiking:
        assert torch.equal(results[0][0], results[1][0])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


@every_surrogate
def test_constructor(peer: Any, name: str) -> None:
    ours, theirs = (
        [(p.name, p.default) for p in inspect.signature(cls).parameters.values()]
        for cls in (registry[name], getattr(peer.surrogate, name))
    )
    assert ours == theirs
