"""Outputs of layers and neurons are ordinary tensors, into which a user may write."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import encoding, layer, neuron, surrogate
from bitspike.spikes import pack

pytestmark = pytest.mark.backend("auto")

T, B = 4, 40
ROWS = (torch.rand(T, B, 12, generator=torch.Generator().manual_seed(1)) < 0.3).float()
PLANES = (torch.rand(T, 3, 16, 8, 8, generator=torch.Generator().manual_seed(2)) < 0.2).float()


def _currents() -> Tensor:
    return 3 * torch.rand(T, B, 12)


def _images() -> Any:
    return encoding.PoissonEncoder(step_mode="m")(torch.rand(3, 12).expand(T, 3, 12))


CASES: dict[str, tuple[Callable[[], Any], Callable[[], Tensor]]] = {
    "linear on many rows": (lambda: layer.Linear(12, 5), lambda: pack(ROWS)),
    "linear on few rows": (lambda: layer.Linear(12, 5), lambda: pack(ROWS[:, :3])),
    "linear on dense rows": (lambda: layer.Linear(12, 5), lambda: pack(1 - ROWS[:, :3])),
    "linear on images": (lambda: layer.Linear(12, 5), _images),
    "flatten": (layer.Flatten, lambda: pack(ROWS)),
    "convolution of few spikes": (lambda: layer.Conv2d(16, 16, 3), lambda: pack(PLANES)),
    "convolution of many spikes": (lambda: layer.Conv2d(16, 8, 3), lambda: pack(1 - PLANES)),
    "convolution of signals": (lambda: layer.Conv1d(16, 8, 3), lambda: pack(PLANES[..., 0])),
    "maximum": (lambda: layer.MaxPool2d(2), lambda: pack(PLANES)),
    "mean": (lambda: layer.AvgPool2d(2), lambda: pack(PLANES)),
    "mean of planes": (lambda: layer.AdaptiveAvgPool2d(1), lambda: pack(PLANES)),
    "batch norm": (lambda: layer.BatchNorm2d(16), lambda: torch.randn(T, 3, 16, 8, 8)),
    "dropout": (lambda: layer.Dropout(0.5), lambda: pack(ROWS)),
    "neurons": (neuron.IFNode, _currents),
    "neurons that learn": (neuron.ParametricLIFNode, _currents),
    "neurons of planes": (neuron.LIFNode, lambda: 3 * torch.rand(T, 3, 16, 8, 8)),
    "neurons without spikes": (
        lambda: neuron.LIAFNode(act=torch.tanh, threshold_related=False),
        _currents,
    ),
}
WRITES: dict[str, Callable[[Tensor], Any]] = {
    "a step": lambda y: y.__setitem__(0, 0),
    "a sum": lambda y: y.add_(1),
    "F.relu_": lambda y: nn.functional.relu_(y),
    "residual": lambda y: y.__iadd__(torch.ones_like(y)),
}


def _run(make: Any, x: Tensor, backend: str, write: Callable[[Any], Any]) -> list[Tensor]:
    torch.manual_seed(0)
    module = make()
    module.step_mode, module.backend = "m", backend
    y = module(x)
    write(y)
    found = [y.detach() + 0]
    parameters = list(module.parameters())
    if torch.is_grad_enabled() and parameters:
        found += torch.autograd.grad(y.square().sum(), parameters)
    return found


@pytest.mark.usefixtures("strict")  # in which small batches go through our batch norm
@pytest.mark.parametrize("how", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("name", CASES)
def test_outputs(name: str, write: str, how: Any) -> None:
    make, inputs = CASES[name]
    results = []
    for backend in ("auto", "eager"):
        torch.manual_seed(3)
        with how():
            x = inputs()
            results.append(_run(make, x, backend, WRITES[write]))
    for got, want in zip(*results, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("learning", [True, False])
def test_recorded_potentials_states_and_rates(learning: bool) -> None:
    results = []
    for backend in ("numba", "eager"):
        x = torch.linspace(-1, 3, T * B).view(T, B, 1).requires_grad_(learning)
        node = neuron.LIFNode(surrogate_function=surrogate.ATan(), step_mode="m", store_v_seq=True)
        node.backend = backend
        rates = node(x).mean(0)
        assert isinstance(node.v_seq, Tensor)
        assert isinstance(node.v, Tensor)
        rates += 1
        node.v_seq[0] = 0
        node.v.mul_(2)
        total = rates.sum() + node.v_seq.sum() + node.v.sum()
        results.append(torch.autograd.grad(total, x)[0] if learning else total)
    torch.testing.assert_close(*results)
