"""Delays: whole numbers of steps, and learned ones."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bitspike import functional, layer, spikes


@settings(max_examples=30)
@given(steps=st.integers(0, 7), T=st.integers(1, 6), cut=st.integers(0, 6))
def test_the_input_comes_later_and_zeros_first(steps: int, T: int, cut: int) -> None:
    x = torch.arange(1.0, T + 1).view(T, 1)
    module = layer.Delay(steps, step_mode="m")
    parts = [part for part in (x[:cut], x[cut:]) if len(part)]
    y = torch.cat([module(part) for part in parts]).flatten().tolist()
    assert y == [0.0] * min(steps, T) + [float(n) for n in range(1, T - steps + 1)]
    assert module.delay_steps == steps


def test_bits_stay_bits() -> None:
    x = spikes.pack((torch.rand(5, 2, 7) < 0.5).float())
    module = layer.Delay(2, step_mode="m")
    with spikes.trace_unpacking() as unpacked:
        y = module(x)
    assert isinstance(y, spikes.SpikeTensor)
    assert not unpacked
    assert torch.equal(y.dense()[2:], x.dense()[:3])


@pytest.mark.parametrize("bad", [-1, 1.0, True, "1"])
@pytest.mark.parametrize("kind", [layer.Delay, lambda n: layer.LearnableDelay(3, n)])
def test_what_is_no_number_of_steps(kind: Any, bad: Any) -> None:
    with pytest.raises(ValueError, match="integer of 0 or more"):
        kind(bad)


def learnable(*delays: float, max_delay: int = 3, **kwargs: Any) -> layer.LearnableDelay:
    module = layer.LearnableDelay(len(delays), max_delay, step_mode="m", **kwargs)
    with torch.no_grad():
        module.delay.copy_(torch.tensor(delays))
    return module


def test_a_whole_delay_is_delay() -> None:
    x = torch.rand(6, 2, 4)
    y = learnable(0.0, 1.0, 2.0, 3.0)(x)
    for channel in range(4):
        assert torch.equal(y[..., channel], layer.Delay(channel, "m")(x)[..., channel])


def test_a_spike_is_shared_between_the_two_steps_around_the_delay() -> None:
    x = torch.zeros(6, 1, 1)
    x[1] = 1.0
    module = learnable(1.25)
    y = module(x)
    assert y.flatten().tolist() == [0.0, 0.0, 0.75, 0.25, 0.0, 0.0]
    (gradient,) = torch.autograd.grad(y[3].sum(), module.delay)
    assert gradient.item() == 1.0  # a little later: more of the spike at step 3


@pytest.mark.parametrize("delay", [0.0, 1.0, 2.0, 3.0])
def test_whole_delays_learn_too(delay: float) -> None:
    module = learnable(delay)
    y = module(torch.arange(6.0).view(6, 1, 1))
    (gradient,) = torch.autograd.grad(y[-1].sum(), module.delay)
    assert gradient.item() == -1.0  # a ramp: later means less


def test_a_delay_outside_counts_as_the_nearest_and_finds_its_way_back() -> None:
    x = torch.arange(8.0).view(8, 1, 1)
    for delay, nearest in ((-0.7, 0.0), (5.2, 3.0)):
        module = learnable(delay)
        y = module(x)
        assert torch.equal(y, learnable(nearest)(x))
        (gradient,) = torch.autograd.grad(y[-1].sum(), module.delay)
        assert gradient.item() == -1.0


def test_the_gaussian_is_normal_and_narrows_to_the_whole_delay() -> None:
    module = learnable(1.0, 1.4, kernel="gauss", sigma=2)
    kernel = module.get_kernel()
    assert kernel.shape == (4, 2)
    torch.testing.assert_close(kernel.sum(0), torch.ones(2))
    k = torch.arange(4.0)
    expected = torch.exp(-((k - 1.4) ** 2) / 8.0)
    torch.testing.assert_close(kernel[:, 1], expected / expected.sum())
    module.sigma = 0.05
    torch.testing.assert_close(module.get_kernel(), torch.eye(4)[:, [1, 1]])


@pytest.mark.parametrize("kernel", ["linear", "gauss"])
def test_a_delay_is_learned(kernel: str) -> None:
    x = (torch.rand(40, 4, 1) < 0.3).float()
    wanted = layer.Delay(3, "m")(x)
    module = learnable(1.4 if kernel == "gauss" else 2.2, max_delay=6, kernel=kernel, sigma=1.0)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.1)
    for step in range(60):
        functional.reset_net(module)
        module.sigma = max(0.3, 1.5 - step / 30)
        loss = torch.nn.functional.mse_loss(module(x), wanted)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert abs(module.delay.item() - 3.0) < 0.2


def test_delays_are_drawn_within_the_range() -> None:
    delay = layer.LearnableDelay(500, 4).delay
    assert 0.0 <= delay.min() < 0.2
    assert 3.8 < delay.max() <= 4.0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"max_delay": 0}, "max_delay must be 1 or more"),
        ({"kernel": "box"}, "kernel must be 'linear' or 'gauss', got 'box'"),
        ({"sigma": 0}, "sigma must be greater than 0"),
        ({"sigma": float("nan")}, "sigma must be finite"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        layer.LearnableDelay(**{"num_channels": 3, "max_delay": 2, **arguments})


@pytest.mark.parametrize("shape", [(4, 2), (4, 2, 5)])
def test_other_channels(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"delays C=3 channels, \[T, B, C, \.\.\.\]"):
        layer.LearnableDelay(3, 2, step_mode="m")(torch.zeros(shape))
