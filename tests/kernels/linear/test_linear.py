"""Linear layers on spikes against torch's on the dense tensor: outputs and every gradient."""

import re
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bitspike import layer
from bitspike.kernels.linear import numba as fast
from bitspike.kernels.poisson.numba import encode_constant
from bitspike.spikes import SpikeTensor, pack, trace_unpacking

pytestmark = pytest.mark.backend("numba")


def assert_parity(s: SpikeTensor, outputs: int, bias: bool, of_spikes: bool) -> None:
    inputs = s.shape[-1]
    weight = torch.randn(outputs, inputs, requires_grad=True)
    b = torch.randn(outputs, requires_grad=True) if bias else None
    results: list[list[Tensor]] = []
    for x in (s.detach(), s.dense()):
        x.requires_grad_(of_spikes)
        y = F.linear(x, weight, b)
        leaves = [weight, *([b] if b is not None else []), *([x] if of_spikes else [])]
        g = torch.sin(torch.arange(float(y.numel()))).view(y.shape)
        results.append([y, *torch.autograd.grad(y, leaves, g)])
    for got, want in zip(*results, strict=True):
        assert type(got) is Tensor
        assert got.shape == want.shape
        torch.testing.assert_close(
            got, want, rtol=1e-4, atol=1e-4 * float(want.detach().abs().max() + 1)
        )


@pytest.mark.parametrize("T", [1, 3, 4, 63, 64, 65, 100])
@pytest.mark.parametrize("outputs", [1, 10, 16, 33])
@pytest.mark.parametrize("bias", [False, True])
def test_constant_rate_input(T: int, outputs: int, bias: bool) -> None:
    x = torch.rand(5, 35) * (torch.rand(5, 35) < 0.4)
    x[0] = 0
    s = SpikeTensor(encode_constant(x, T, seed=3))
    with trace_unpacking() as unpacked:
        F.linear(s, torch.ones(outputs, 35))
    assert not unpacked
    assert_parity(s, outputs, bias, of_spikes=False)


@pytest.mark.parametrize("B", [1, 2, 7, 20])
@pytest.mark.parametrize("outputs", [10, 150])
def test_constant_rate_input_of_any_batch_and_many_groups(B: int, outputs: int) -> None:
    s = SpikeTensor(encode_constant(torch.rand(B, 300), 20, seed=4))
    assert_parity(s, outputs, bias=True, of_spikes=False)


@pytest.mark.parametrize("density", [0.0, 0.02, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("outputs", [1, 16, 70, 150])
@pytest.mark.parametrize("inputs", [1, 64, 77])
@pytest.mark.parametrize("T", [9, 47])
def test_spikes_of_neurons(density: float, outputs: int, inputs: int, T: int) -> None:
    s = pack((torch.rand(T, 4, inputs) < density).float())
    assert_parity(s, outputs, bias=True, of_spikes=True)
    assert_parity(s, outputs, bias=False, of_spikes=False)


def test_two_axes() -> None:
    assert_parity(pack((torch.rand(6, 40) < 0.2).float(), lead=1), 3, bias=True, of_spikes=True)


@pytest.mark.parametrize("lead", [0, 1])
def test_packed_along_other_axes(lead: int) -> None:
    s = pack((torch.rand(5, 3, 10) < 0.3).float(), lead)
    assert_parity(s, 4, bias=True, of_spikes=True)
    assert_parity(s, 4, bias=True, of_spikes=False)


def of_pixels() -> SpikeTensor:
    return SpikeTensor(encode_constant(torch.rand(20, 100), 50, seed=4))


def of_neurons(density: float) -> SpikeTensor:
    return pack((torch.rand(100, 64, 784) < density).float())


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize(
    "spikes",
    [of_pixels, lambda: of_neurons(0.1), lambda: of_neurons(0.6)],
    ids=["pixels", "events", "dense"],
)
@pytest.mark.parametrize("outputs", [10, 70])
def test_threads_change_no_bit(spikes: Callable[[], SpikeTensor], outputs: int) -> None:
    x = spikes().requires_grad_(spikes is not of_pixels)
    weight = torch.randn(outputs, x.shape[-1], requires_grad=True)
    bias = torch.randn(outputs, requires_grad=True)
    leaves = [weight, bias, *([x] if x.requires_grad else [])]
    results = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        y = F.linear(x, weight, bias)
        results.append((y, *torch.autograd.grad((y * y).sum(), leaves)))
    for got, want in zip(results[1] + results[2], results[0] * 2, strict=True):
        assert torch.equal(got, want)


def test_wrong_size_says_so() -> None:
    with pytest.raises(ValueError, match=r"input \(4, 2, 9\) does not fit the weight \(3, 8\)"):
        F.linear(pack(torch.ones(4, 2, 9)), torch.ones(3, 8))


@pytest.mark.parametrize("step_mode", ["s", "m"])
def test_layer_uses_it(step_mode: str) -> None:
    linear = layer.Linear(20, 3, step_mode=step_mode)
    x = (torch.rand(5, 4, 20) < 0.2).float()
    with trace_unpacking() as unpacked:
        y = linear(pack(x))
    assert not unpacked
    torch.testing.assert_close(y, linear(x))


@pytest.mark.parametrize("way", [fast.forward_way, fast.weight_way])
def test_events_tables_or_product_is_a_matter_of_density_and_size(
    way: Callable[..., str],
) -> None:
    assert way(0.02, outputs=10, rows=1000) == "events"
    assert way(0.1, outputs=10, rows=1000) == "tables"
    assert way(0.1, outputs=500, rows=1000) == "events"
    assert way(0.2, outputs=500, rows=1000) == "tables"
    assert way(0.1, outputs=10, rows=5) == "events"
    assert way(0.5, outputs=10, rows=5) == "product"


@settings(max_examples=60)
@given(
    rows=st.integers(fast.FEW_ROWS, 300),
    inputs=st.integers(1, 200),
    outputs=st.integers(1, 80),
    density=st.sampled_from([0.0, 0.2, 0.6, 1.0]),
    strided=st.booleans(),
)
def test_tables_for_any_size(
    rows: int, inputs: int, outputs: int, density: float, strided: bool
) -> None:
    s = pack((torch.rand(rows, inputs) < density).float(), lead=1)
    weight = torch.randn(outputs, inputs, requires_grad=True)
    g = torch.randn(rows, outputs, 2)[..., 0] if strided else torch.randn(rows, outputs)
    results = []
    for x in (s, s.dense()):
        y = F.linear(x, weight)
        results.append((y, *torch.autograd.grad(y, weight, g)))
    for got, want in zip(*results, strict=True):
        most = float(want.detach().abs().max() + 1)
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4 * most)


def test_autocast_rounds_operands_and_result_to_the_low_precision() -> None:
    weight = torch.randn(3, 20, requires_grad=True)
    x = (torch.rand(6, 4, 20) < 0.2).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = F.linear(pack(x), weight)
    assert y.dtype == torch.bfloat16
    exact = x @ weight.detach().bfloat16().float().t()
    assert torch.equal(y.detach(), exact.bfloat16())
    (gradient,) = torch.autograd.grad(y.float().sum(), weight)
    torch.testing.assert_close(gradient, x.sum((0, 1)).expand(3, 20), rtol=1e-2, atol=0)


def test_a_single_sample() -> None:
    assert_parity(pack((torch.rand(20) < 0.3).float(), lead=0), 3, bias=True, of_spikes=True)


@pytest.mark.parametrize("cut", [lambda s: s[:, 1:3], lambda s: s[1:5:2], lambda s: s[:, 2]])
def test_part_of_the_spikes(cut: Callable[[Tensor], Tensor]) -> None:
    s = pack((torch.rand(6, 4, 90) < 0.1).float())
    weight = torch.randn(5, 90)
    part = cut(s)
    assert isinstance(part, SpikeTensor)
    torch.testing.assert_close(F.linear(part, weight), F.linear(part.dense(), weight))
    assert torch.equal(part.mean(0), part.dense().mean(0))


@pytest.mark.parametrize("rows", [2, 300])
def test_a_weight_of_one_axis_and_a_bias_that_is_broadcast(rows: int) -> None:
    x = pack((torch.rand(rows, 70) < 0.4).float())
    weight, bias = torch.randn(4, 70), torch.randn(1)
    several = (weight[0],), (weight, bias[0]), (weight, bias), (weight, bias.expand(rows, 4))
    for arguments in several:
        try:
            expected = F.linear(x.dense(), *arguments)
        except RuntimeError as error:
            with pytest.raises(RuntimeError, match=re.escape(str(error))):
                F.linear(x, *arguments)
            continue
        torch.testing.assert_close(F.linear(x, *arguments), expected)
