"""Under autocast the matmul runs in half precision; membrane and spikes do not."""

import pytest
import torch
from torch import Tensor, nn

from bitspike import layer, neuron
from bitspike.neuron import BaseNode


def nodes(step_mode: str) -> list[BaseNode]:
    return [
        neuron.IFNode(step_mode=step_mode, store_v_seq=True),
        neuron.LIFNode(tau=3.0, step_mode=step_mode, store_v_seq=True),
        neuron.ParametricLIFNode(init_tau=3.0, step_mode=step_mode, store_v_seq=True),
    ]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("step_mode", ["s", "m"])
@pytest.mark.parametrize("kind", range(3))
def test_membrane_stays_in_float32(kind: int, step_mode: str, training: bool) -> None:
    node = nodes(step_mode)[kind]
    net = nn.Sequential(layer.Linear(6, 4, step_mode=step_mode), node).train(training)
    currents: list[Tensor] = []
    net[0].register_forward_hook(lambda *event: currents.append(event[-1]))
    x = torch.randn(5, 3, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.set_grad_enabled(training):
        out = net(x) if step_mode == "m" else torch.stack([net(one) for one in x])
    assert {current.dtype for current in currents} == {torch.bfloat16}
    assert isinstance(node.v, Tensor)
    assert isinstance(node.v_seq, Tensor)
    assert (out.dtype, node.v.dtype, node.v_seq.dtype) == (torch.float32,) * 3

    # The same currents without autocast, in float32, give the same to the bit.
    full = nodes("m")[kind]
    current = currents[0] if step_mode == "m" else torch.stack(currents)
    assert torch.equal(full(current.float()), out)
    assert isinstance(full.v_seq, Tensor)
    assert torch.equal(full.v_seq, node.v_seq)
    assert not torch.equal(node.v_seq.bfloat16().float(), node.v_seq), "bfloat16 would round"


def test_gradients_flow_through_autocast() -> None:
    net = nn.Sequential(layer.Linear(6, 4), neuron.LIFNode())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = net(torch.randn(3, 6))
    out.sum().backward()
    assert net[0].weight.grad is not None
    assert net[0].weight.grad.dtype is torch.float32
    assert net[0].weight.grad.abs().max() > 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_without_autocast_the_input_s_dtype_is_kept(dtype: torch.dtype) -> None:
    for node in nodes("m"):
        out = node.to(dtype)(torch.randn(5, 3, dtype=dtype))
        assert isinstance(node.v, Tensor)
        assert (out.dtype, node.v.dtype) == (dtype, dtype)
