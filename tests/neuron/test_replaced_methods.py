"""A method that a subclass or a program replaces is called, or refused, and never passed over."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import encoding, layer, neuron

X = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(2)) * 1.5


class DoubledStep(neuron.LIFNode):
    """A neuron whose single step is written anew."""

    def single_step_forward(self, x: Tensor) -> Tensor:
        return super().single_step_forward(2 * x)


class DoubledCall(neuron.LIFNode):
    """A neuron whose call is written anew."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return super().forward(2 * args[0], *args[1:], **kwargs)


@pytest.mark.parametrize("store_v_seq", [False, True])
@pytest.mark.parametrize("kind", [DoubledStep, DoubledCall])
def test_a_sequence_runs_the_steps_of_a_subclass(
    kind: type[neuron.LIFNode], store_v_seq: bool
) -> None:
    node = kind(step_mode="m", store_v_seq=store_v_seq)
    plain = neuron.LIFNode(step_mode="m", store_v_seq=store_v_seq)
    assert torch.equal(node(X), plain(2 * X))
    assert torch.equal(torch.as_tensor(node.v), torch.as_tensor(plain.v))
    if store_v_seq:
        assert node.v_seq is not None
        assert plain.v_seq is not None
        assert torch.equal(node.v_seq, plain.v_seq)


def test_a_functional_step_that_is_put_into_a_class_after_a_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = neuron.LIFNode(step_mode="m")
    node(X)
    node.reset()

    def sevenfold(_: Any, inputs: Any, states: Any, **__: Any) -> Any:
        return (7 * inputs[0],), states

    monkeypatch.setattr(neuron.LIFNode, "single_step_functional_forward", sevenfold)
    assert torch.equal(node(X), 7 * X)


@pytest.mark.parametrize("method", ["neuronal_charge", "neuronal_fire", "neuronal_reset"])
def test_methods_of_spikingjelly_that_would_not_be_called(method: str) -> None:
    with pytest.raises(TypeError, match=f"defines {method}.*SimpleBaseNode"):
        type("Ported", (neuron.LIFNode,), {method: lambda *_: None})
    type("Own", (neuron.SimpleBaseNode,), {method: lambda *_: None})


def networks(kind: type[neuron.LIFNode]) -> list[nn.Sequential]:
    """Return a network as `FusedSequential`, and the same as ``nn.Sequential``."""
    made = []
    for container in (layer.FusedSequential, nn.Sequential):
        torch.manual_seed(0)
        linear = layer.Linear(784, 10, bias=False, step_mode="m")
        made.append(
            container(layer.Flatten(step_mode="m"), linear, kind(step_mode="m", v_threshold=0.05))
        )
    return made


@pytest.mark.backend("auto")
@pytest.mark.parametrize("kind", [neuron.LIFNode, DoubledStep, DoubledCall])
@pytest.mark.parametrize(
    ("index", "method"),
    [(0, "forward"), (1, "forward"), (2, "forward"), (2, "multi_step_forward")],
)
def test_a_fused_network_calls_them_too(
    kind: type[neuron.LIFNode], index: int, method: str
) -> None:
    outputs = []
    for replaced in (False, True):
        for net in networks(kind):
            original = getattr(net[index], method)
            if replaced:
                setattr(net[index], method, lambda x, call=original: 3 * call(x))
            torch.manual_seed(1)
            spikes = encoding.PoissonEncoder(step_mode="m")(torch.rand(20, 4, 28, 28))
            outputs.append(net(spikes) + 0)
    assert torch.equal(outputs[0], outputs[1])
    assert torch.equal(outputs[2], outputs[3])
    assert not torch.equal(outputs[0], outputs[2])
