"""The reference engine on its own: shapes, what is returned, where gradients go."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from bitspike import dynamics, kernels
from bitspike.surrogate import ATan, heaviside

LIF = kernels.Neuron(
    charge=dynamics.LEAK_DECAY_INPUT,
    p=2.0,
    surrogate=heaviside,
    v_threshold=1.0,
    v_reset=0.0,
    detach_reset=False,
)


@pytest.mark.parametrize(
    ("neuron", "s", "v"),
    [
        (LIF, [0, 1, 0], [0.5, 0.0, 0.25]),  # h: 0.5, 0.5 + (1.5 - 0.5) / 2 = 1, 0.25
        (replace(LIF, v_reset=None), [0, 1, 0], [0.5, 0.0, 0.25]),
        (replace(LIF, v_threshold=0.75), [0, 1, 0], [0.5, 0.0, 0.25]),
        (replace(LIF, v_threshold=0.75, v_reset=None), [0, 1, 0], [0.5, 0.25, 0.375]),
        (replace(LIF, charge=dynamics.LEAK), [1, 1, 0], [0.0, 0.0, 0.5]),  # h: 1, 1.5, 0.5
        (replace(LIF, charge=dynamics.INTEGRATE), [1, 1, 0], [0.0, 0.0, 0.5]),
    ],
)
def test_scan(neuron: kernels.Neuron, s: list[int], v: list[float]) -> None:
    x = torch.tensor([1.0, 1.5, 0.5]).view(3, 1)
    spikes, last, potentials = kernels.scan(x, torch.zeros(1), neuron, store_v_seq=True)
    assert spikes.flatten().tolist() == s
    assert potentials is not None
    assert potentials.flatten().tolist() == v
    assert torch.equal(last, potentials[-1])


def test_potentials_are_recorded_on_request_only() -> None:
    assert kernels.scan(torch.ones(3, 2), torch.zeros(2), LIF)[2] is None


def test_scan_is_a_loop_of_steps() -> None:
    x, v = torch.randn(6, 2, 3), torch.zeros(2, 3)
    s_seq, last, _ = kernels.scan(x, v, LIF)
    for t, one in enumerate(x):
        s, v = kernels.step(one, v, LIF)
        assert torch.equal(s, s_seq[t])
    assert torch.equal(v, last)


def test_inputs_are_not_written_to() -> None:
    x, v = torch.randn(6, 2, 3), torch.randn(2, 3)
    kept = x.clone(), v.clone()
    kernels.scan(x, v, LIF)
    assert torch.equal(x, kept[0])
    assert torch.equal(v, kept[1])


@pytest.mark.parametrize(
    ("v_reset", "rest"),
    [(None, 0.0), (0.0, 0.0), (-0.5, -0.5)],
)
def test_the_membrane_leaks_to_its_reset(v_reset: float | None, rest: float) -> None:
    neuron = replace(LIF, v_reset=v_reset)
    assert neuron.v_rest == rest
    _, v, _ = kernels.scan(torch.zeros(60, 1), torch.full((1,), 0.5), neuron)
    torch.testing.assert_close(v, torch.full((1,), rest), rtol=0, atol=1e-6)


@pytest.mark.parametrize("charge", [dynamics.LEAK_RATE, dynamics.LEAK_RATE_DECAY_INPUT])
def test_gradcheck_with_a_learned_leak(charge: dynamics.Charge) -> None:
    def outputs(x: Tensor, v: Tensor, p: Tensor) -> tuple[Tensor, ...]:
        neuron = replace(LIF, charge=charge, p=p, surrogate=ATan(spiking=False))
        s, last, potentials = kernels.scan(x, v, neuron, store_v_seq=True)
        assert potentials is not None
        return s, last, potentials

    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4, 2, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    v = torch.randn(2, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    p = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(outputs, (x, v, p))
