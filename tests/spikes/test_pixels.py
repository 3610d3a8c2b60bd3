"""Steps cut out of constant-rate input."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from bitspike import encoding
from bitspike.spikes import ActivePixels, SpikeTensor

pytestmark = pytest.mark.backend("numba")

IMAGE = torch.rand(4, 23, generator=torch.Generator().manual_seed(0))
IMAGE = IMAGE * (IMAGE > 0.3)
IMAGE[2] = 0


@settings(max_examples=60)
@given(st.data())
def test_slices_of_time_stay_on_bits(data: st.DataObject) -> None:
    T = data.draw(st.sampled_from([2, 3, 4, 5, 63, 64, 65, 100, 130]))
    start = data.draw(st.integers(0, T - 1))
    stop = data.draw(st.integers(start + 1, T))
    spikes = encoding.PoissonEncoder(step_mode="m")(IMAGE.expand(T, *IMAGE.shape))
    part = spikes[start:stop]
    assert isinstance(part, SpikeTensor)
    assert isinstance(part.bits, ActivePixels)
    assert torch.equal(part.dense(), spikes.dense()[start:stop])
    weight = torch.linspace(-1, 1, 5 * 23).view(5, 23)
    assert torch.equal(F.linear(part, weight), F.linear(spikes, weight)[start:stop])


def test_bounds_as_those_of_dense_tensors() -> None:
    spikes = encoding.PoissonEncoder(step_mode="m")(IMAGE.expand(10, *IMAGE.shape))
    dense = spikes.dense()
    for bounds in (slice(None), slice(-3, None), slice(2, 99), slice(-99, 4), slice(7, 3)):
        assert torch.equal(spikes[bounds].dense(), dense[bounds])


def test_the_gradient_of_a_weight_sees_the_slice_only() -> None:
    spikes = encoding.PoissonEncoder(step_mode="m")(IMAGE.expand(70, *IMAGE.shape))
    grads = []
    for x in (spikes[3:66], spikes.dense()[3:66]):
        weight = torch.linspace(-1, 1, 5 * 23).view(5, 23).requires_grad_()
        F.linear(x, weight).square().sum().backward()  # type: ignore[no-untyped-call]
        grads.append(weight.grad)
    torch.testing.assert_close(grads[0], grads[1])


@settings(max_examples=60)
@given(st.data())
def test_samples_cut_out_stay_on_bits(data: st.DataObject) -> None:
    T = data.draw(st.sampled_from([2, 5, 65]))
    x = IMAGE.view(4, 1, 23)
    spikes = encoding.PoissonEncoder(step_mode="m")(x.expand(T, *x.shape))
    bounds = slice(*(data.draw(st.none() | st.integers(-6, 6)) for _ in range(2)))
    part, wanted = spikes[:, bounds], spikes.dense()[:, bounds]
    assert isinstance(part.bits, ActivePixels) or not part.numel()
    assert torch.equal(part.dense(), wanted)
    assert part.shape == wanted.shape
    weight = torch.linspace(-1, 1, 5 * 23).view(5, 23)
    ours, theirs = (F.linear(s.flatten(2), weight) for s in (part, wanted))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("dim", [1, -2, 0])
def test_split(size: int, dim: int) -> None:
    spikes = encoding.PoissonEncoder(step_mode="m")(IMAGE.expand(10, *IMAGE.shape))
    for split in (torch.split, torch.Tensor.split):
        parts: Any = split(spikes, size, dim)
        wanted = torch.split(spikes.dense(), size, dim)
        assert len(parts) == len(wanted)
        for part, one in zip(parts, wanted, strict=True):
            assert torch.equal(part.dense(), one)
        if dim:
            assert all(isinstance(part.bits, ActivePixels) for part in parts)
    with pytest.raises(RuntimeError):
        torch.split(spikes, -1, dim)
