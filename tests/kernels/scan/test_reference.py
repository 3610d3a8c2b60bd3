"""The reference engine on its own: shapes, what is returned, where gradients go."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from bitspike import dynamics, kernels
from bitspike.surrogate import ATan, heaviside

Pair = tuple[Tensor, Tensor]


LEAK = partial(dynamics.lif_charge, tau=2.0, v_reset=0.0, decay_input=True)


def step(
    x: Tensor,
    v: Tensor,
    charge: Callable[..., Any] = LEAK,
    fire: Callable[[Tensor], Tensor] = heaviside,
    v_threshold: float = 1.0,
    soft: bool = False,
) -> Pair:
    h = charge(x, v)
    s = fire(h - v_threshold)
    if soft:
        return s, dynamics.soft_reset(h, s, v_threshold)
    return s, dynamics.hard_reset(h, s, 0.0)


WHOLE = partial(dynamics.lif_charge, tau=2.0, v_reset=0.0, decay_input=False)


@pytest.mark.parametrize(
    ("one", "s", "v"),
    [
        (step, [0, 1, 0], [0.5, 0.0, 0.25]),  # h: 0.5, 0.5 + (1.5 - 0.5) / 2 = 1, 0.25
        (partial(step, soft=True), [0, 1, 0], [0.5, 0.0, 0.25]),
        (partial(step, v_threshold=0.75), [0, 1, 0], [0.5, 0.0, 0.25]),
        (partial(step, v_threshold=0.75, soft=True), [0, 1, 0], [0.5, 0.25, 0.375]),
        (partial(step, charge=WHOLE), [1, 1, 0], [0.0, 0.0, 0.5]),  # h: 1, 1.5, 0.5
        (partial(step, charge=dynamics.if_charge), [1, 1, 0], [0.0, 0.0, 0.5]),
    ],
)
def test_scan(one: Callable[..., Pair], s: list[int], v: list[float]) -> None:
    x = torch.tensor([1.0, 1.5, 0.5]).view(3, 1)
    spikes, (last,), potentials = kernels.scan(one, x, [torch.zeros(1)], store_v_seq=True)
    assert spikes.flatten().tolist() == s
    assert potentials is not None
    assert potentials.flatten().tolist() == v
    assert torch.equal(last, potentials[-1])


def test_potentials_are_recorded_on_request_only() -> None:
    assert kernels.scan(step, torch.ones(3, 2), [torch.zeros(2)])[2] is None


def test_scan_is_a_loop_of_steps() -> None:
    x, v = torch.randn(6, 2, 3), torch.zeros(2, 3)
    s_seq, (last,), _ = kernels.scan(step, x, [v])
    for t, one in enumerate(x):
        s, v = step(one, v)
        assert torch.equal(s, s_seq[t])
    assert torch.equal(v, last)


def test_inputs_are_not_written_to() -> None:
    x, v = torch.randn(6, 2, 3), torch.randn(2, 3)
    kept = x.clone(), v.clone()
    kernels.scan(step, x, [v])
    assert torch.equal(x, kept[0])
    assert torch.equal(v, kept[1])


@pytest.mark.parametrize("decay_input", [True, False])
def test_gradcheck_with_a_learned_leak(decay_input: bool) -> None:
    def outputs(x: Tensor, v: Tensor, p: Tensor) -> tuple[Tensor, ...]:
        leak = partial(dynamics.plif_charge, rate=p, v_reset=0.0, decay_input=decay_input)
        one = partial(step, charge=leak, fire=ATan(spiking=False))
        s, (last,), potentials = kernels.scan(one, x, [v], store_v_seq=True)
        assert potentials is not None
        return s, last, potentials

    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4, 2, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    v = torch.randn(2, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    p = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(outputs, (x, v, p))
