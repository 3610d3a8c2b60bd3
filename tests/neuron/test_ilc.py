"""Intra-layer connections: traces by hand, gradients, errors."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import functional
from bitspike.neuron import ILCBaseNode, ILCCUBALIFNode, ILCIFNode, ILCLIFNode
from bitspike.surrogate import ATan, Rect

KINDS: list[type[ILCBaseNode]] = [ILCIFNode, ILCLIFNode, ILCCUBALIFNode]
every_kind = pytest.mark.parametrize("cls", KINDS)


def column(*rows: list[float]) -> Tensor:
    return torch.tensor(rows).unsqueeze(1)


def test_spikes_enter_the_next_step_of_their_own_population() -> None:
    node = ILCIFNode(act_dim=2, dec_pop_dim=2)
    nn.init.zeros_(node.conn.bias)  # type: ignore[arg-type]
    with torch.no_grad():  # neuron 0 hears neuron 1, neuron 3 hears neuron 2, both with 0.75
        node.conn.weight.copy_(torch.tensor([[[0, 0.75]], [[0, 0]], [[0, 0]], [[0.75, 0]]]))
    x = column([0.0, 1.0, 0.5, 0.0], [0.25, 0.0, 0.0, 0.25], [0.0, 0.0, 0.0, 0.0])
    assert node(x).squeeze(1).tolist() == [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert node.v.tolist() == [[0, 0, 0.5, 0.25]]


@pytest.mark.parametrize(
    ("cls", "options", "potentials"),
    [
        (ILCIFNode, {}, [0.5, 0.75, 0.75]),
        (ILCLIFNode, {"v_decay": 0.5}, [0.5, 0.5, 0.25]),
        (ILCCUBALIFNode, {"c_decay": 0.5, "v_decay": 0.5, "v_threshold": 9}, [0.5, 0.75, 0.625]),
    ],
)
def test_charge_by_hand(cls: Any, options: dict[str, Any], potentials: list[float]) -> None:
    node = cls(1, 1, **options)
    nn.init.zeros_(node.conn.weight)
    nn.init.zeros_(node.conn.bias)
    x = column([0.5], [0.25], [0.0])
    for t, v in enumerate(potentials):
        node(x[: t + 1])
        assert node.v.item() == v


@every_kind
def test_soft_reset_starts_at_zero(cls: Any) -> None:
    node = cls(1, 2, v_reset=None, v_threshold=1)
    node(torch.full((1, 1, 2), 1.5))
    assert node.v.tolist() == [[0.5, 0.5]]


@every_kind
def test_gradcheck(cls: Any) -> None:
    node = cls(2, 2, surrogate_function=ATan(spiking=False)).double()
    names = [name for name, _ in node.named_parameters()]

    def run(x: Tensor, *values: Tensor) -> Any:
        return torch.func.functional_call(node, dict(zip(names, values, strict=True)), (x,))

    x = torch.randn(3, 2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(run, (x, *node.parameters()), fast_mode=True)


@every_kind
def test_each_call_starts_anew(cls: Any) -> None:
    node, x = cls(2, 3), torch.rand(4, 2, 6)
    first = node(x)
    first.sum().backward()
    copy.deepcopy(node)
    assert torch.equal(node(x), first)
    assert list(node.named_memories()) == []
    functional.reset_net(node)
    assert node.v is None
    assert isinstance(node.surrogate_function, Rect)


def test_errors() -> None:
    with pytest.raises(ValueError, match="ILCIFNode: act_dim must be 1 or more"):
        ILCIFNode(0, 2)
    with pytest.raises(TypeError, match="dec_pop_dim must be an integer"):
        ILCIFNode(2, 1.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="v_decay must be a number"):
        ILCLIFNode(2, 2, v_decay=None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"must be \[T, B, 4\], but got shape \(3, 1, 5\)"):
        ILCIFNode(2, 2)(torch.zeros(3, 1, 5))
    with pytest.raises(ValueError, match="T >= 1"):
        ILCIFNode(2, 2)(torch.zeros(0, 1, 4))
    with pytest.raises(ValueError, match="step_mode must be 'm'"):
        ILCIFNode(2, 2).step_mode = "s"
    with pytest.raises(NotImplementedError, match="neuronal_charge"):
        ILCBaseNode(2, 2)(torch.zeros(1, 1, 4))
