"""`delay`, `delay_step`, and the single steps of synapse and NeuNorm."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from bitspike import functional, spikes


@given(st.integers(1, 6), st.integers(0, 8))
def test_delay_is_a_shift_and_its_steps_agree(T: int, steps: int) -> None:
    x_seq = torch.arange(1.0, 2 * T + 1).reshape(T, 2)
    expected = torch.cat((torch.zeros(steps, 2), x_seq))[:T]
    assert torch.equal(functional.delay(x_seq, steps), expected)
    queue: tuple[Tensor, ...] = ()
    for t, x in enumerate(x_seq):
        y, queue = functional.delay_step(x, queue, steps)
        assert torch.equal(y, expected[t])
    assert len(queue) == min(steps, T)


@pytest.mark.parametrize("steps", [0, 2, 9])
def test_bits_stay_bits(steps: int) -> None:
    dense = (torch.rand(5, 2, 70) < 0.5).float()
    bits = spikes.pack(dense)
    with spikes.trace_unpacking() as unpacked:
        late = functional.delay(bits, steps)
        first, _ = functional.delay_step(bits[0], (), steps)
    assert not unpacked
    assert isinstance(late, spikes.SpikeTensor)
    assert isinstance(first, spikes.SpikeTensor)
    assert torch.equal(late.dense(), functional.delay(dense, steps))


def test_gradient_of_delay_runs_back_in_time() -> None:
    x = torch.ones(3, requires_grad=True)
    (functional.delay(x, 1) * torch.tensor([1.0, 2.0, 4.0])).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert x.grad.tolist() == [2, 4, 0]


@pytest.mark.parametrize("steps", [-1, 1.0, True, "2"])
def test_delay_is_a_number_of_steps(steps: object) -> None:
    for call in (
        lambda: functional.delay(torch.ones(3), steps),  # type: ignore[arg-type]
        lambda: functional.delay_step(torch.ones(3), (), steps),  # type: ignore[arg-type]
    ):
        with pytest.raises(ValueError, match="integer of 0 or more"):
            call()


def test_synapse_filter_step() -> None:
    current = torch.tensor([0.0, 1.0, 1.0, 2.0])
    spike = torch.tensor([1.0, 0.0, 1.0, 0.0])
    assert functional.synapse_filter_step(spike, current, 0.25).tolist() == [1, 0.75, 2, 1.5]
    tau = torch.tensor([0.5, 0.5, 0.5, 0.25])
    assert functional.synapse_filter_step(spike, current, tau).tolist() == [1, 0.5, 2, 1.5]


def test_neunorm_step() -> None:
    s = torch.tensor([[[[1.0]], [[1.0]], [[0.0]]]])  # three channels, one place
    weight = torch.tensor([1.0, 2.0, 4.0]).reshape(3, 1, 1)
    y, state = functional.neunorm_step(s, 0.0, weight, 0.5, 0.125)
    assert state.flatten().tolist() == [0.25]
    assert y.flatten().tolist() == [0.75, 0.5, -1.0]
    y, state = functional.neunorm_step(torch.zeros_like(s), state, weight, 0.5, 0.125)
    assert state.flatten().tolist() == [0.125]
    assert y.flatten().tolist() == [-0.125, -0.25, -0.5]
