from typing import Any, cast

import pytest
import torch
from torch import nn

from bitspike import functional, layer, neuron
from bitspike.training import Precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(("amp", "dtype"), [(False, torch.float32), (True, torch.bfloat16)])
def test_only_matrix_products_are_rounded(amp: bool, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(layer.Linear(40, 7), neuron.LIFNode())
    functional.set_step_mode(net, "m")
    seen: list[torch.dtype] = []
    net[0].register_forward_hook(lambda _, __, output: seen.append(output.dtype))
    with Precision(CPU, amp).autocast():
        s_seq = net(torch.rand(5, 3, 40))
    assert seen == [dtype]
    assert s_seq.dtype == torch.float32
    assert cast("torch.Tensor", net[1].v).dtype == torch.float32


@pytest.mark.parametrize("amp", [False, True])
def test_update_is_one_step_of_the_optimizer(amp: bool) -> None:
    weight = nn.Parameter(torch.tensor([3.0, -1.0]))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    weight.grad = torch.tensor([100.0, 100.0])  # an old gradient must not count
    Precision(CPU, amp).update(weight.square().sum(), optimizer)
    assert weight.tolist() == [0.0, 0.0]  # w - 0.5 * 2 w


def test_the_scaler_has_no_state_where_nothing_is_scaled() -> None:
    for amp in (False, True):
        precision = Precision(CPU, amp)
        assert precision.scaler.state_dict() == {}
        assert precision.amp == amp


def test_devices_without_mixed_precision_are_refused() -> None:
    with pytest.raises(ValueError, match="mixed precision is there on cuda and cpu, not on mps"):
        Precision(torch.device("mps"), amp=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_scales_the_loss_and_keeps_the_scale() -> None:
    device = torch.device("cuda:0")
    precision = Precision(device, amp=True)
    weight = nn.Parameter(torch.ones(2, device=device))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    precision.update((weight * float("inf")).sum(), optimizer)
    assert weight.tolist() == [1.0, 1.0]  # a step with infinite gradients is left out
    state: dict[str, Any] = precision.scaler.state_dict()
    again = Precision(device, amp=True)
    assert again.scaler.state_dict()["scale"] == 2 * state["scale"]
    again.scaler.load_state_dict(state)
    assert again.scaler.state_dict() == state
