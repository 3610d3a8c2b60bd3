"""Lava's fixed-point neuron by hand."""

import torch

from bitspike import functional
from bitspike.surrogate import ATan


def test_by_hand() -> None:
    decay = torch.tensor(1024.4)  # a quarter is lost
    c, v = torch.tensor([0.0]), torch.tensor([0.0])
    trace = []
    for x in (1.0, -0.4, 0.0):  # in units of 1/4: 4, -1.6, 0
        s, c, v = functional.lava_cuba_lif_step(
            torch.tensor([x]), c, v, decay, decay, 4, 1.0, 0.25, 0.0, ATan()
        )
        trace.append((s.item(), c.item(), v.item()))
    # c: 4, 3 - 1 = 2, 1; h: 4, 3 + 2 = 5, which is 1.25, at the threshold and its eps; then c
    assert trace == [(0, 1.0, 1.0), (1, 0.5, 0.0), (0, 0.25, 0.25)]


def test_negative_numbers_are_cut_towards_zero() -> None:
    state = torch.tensor([-0.75, 0.75])  # -3 and 3 units: -1.5 and 1.5 are left
    _, c, _ = functional.lava_cuba_lif_step(
        torch.zeros(2), state, torch.zeros(2), torch.tensor(2048.0), torch.tensor(4096.0),
        4, 9.0, 0.0, 0.0, ATan(),
    )  # fmt: skip
    assert c.tolist() == [-0.25, 0.25]


def test_the_gradient_is_that_of_real_numbers() -> None:
    x = torch.tensor([0.3], dtype=torch.float64, requires_grad=True)
    state = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    decay = torch.tensor([1024.0], dtype=torch.float64, requires_grad=True)
    _, c, v = functional.lava_cuba_lif_step(
        x, state, torch.zeros_like(x), decay, decay, 64, 1.0, 0.0, 0.0, ATan(), True
    )
    assert c.dtype == torch.float64
    gradients = torch.autograd.grad(v, (x, state, decay))
    assert [g.item() for g in gradients] == [1.0, 0.75, -0.5 / 4096]
