"""Spikes eight to a byte, and linear layers on them."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from bitspike import functional, spikes


def test_the_first_value_is_the_lowest_bit() -> None:
    packed = functional.bit_spike_compress(torch.tensor([[1, 0, 0, 1, 0], [0, 0, 1, 1, 0]]))
    assert packed.tolist() == [0b10001001, 0b01]
    rows = functional.bit_pack_spike_dense(torch.tensor([[1.0, 0, 0.4, 0.6], [0, 0, 0, 1]]))
    assert rows.tolist() == [[0b1001], [0b1000]]


@given(st.lists(st.integers(0, 5), max_size=3))
def test_unpacking_undoes_packing(shape: list[int]) -> None:
    s = torch.rand(shape) < 0.5
    packed = functional.bit_spike_compress(s)
    assert packed.shape == (-(-s.numel() // 8),)
    for dtype in (torch.uint8, torch.float32, torch.bool):
        back = functional.bit_spike_decompress(packed, tuple(shape), dtype)
        assert back.dtype is dtype
        assert torch.equal(back, s.to(dtype))


def test_spike_tensors_are_taken() -> None:
    dense = (torch.rand(3, 70) < 0.5).float()
    bits = spikes.pack(dense)
    assert torch.equal(functional.bit_spike_compress(bits), functional.bit_spike_compress(dense))
    assert torch.equal(
        functional.bit_pack_spike_dense(bits), functional.bit_pack_spike_dense(dense)
    )


@pytest.mark.parametrize(
    ("packed", "shape", "message"),
    [
        (torch.zeros(2, dtype=torch.uint8), (2, 4), "takes 1 bytes, but 2"),
        (torch.zeros(1), (4,), "float32"),
        (torch.zeros(1, 1, dtype=torch.uint8), (4,), "one dimension"),
        (torch.zeros(0, dtype=torch.uint8), (-1, 0), "one dimension"),
    ],
)
def test_decompress_refuses(packed: torch.Tensor, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        functional.bit_spike_decompress(packed, shape)


@pytest.mark.parametrize("features", [3, 8, 64, 70])
def test_linear_layers_agree_with_dense_ones(features: int) -> None:
    s = (torch.rand(5, features) < 0.5).float()
    weight = torch.randint(-8, 9, (4, features)).float().requires_grad_()
    bias = torch.randn(4, requires_grad=True)
    packed = functional.bit_pack_spike_dense(s)
    expected = F.linear(s, weight, bias)
    wanted = torch.autograd.grad(expected.square().sum(), (weight, bias))
    outputs = [
        functional.packed_spike_linear(packed, weight, bias),
        functional.packed_spike_linear(
            packed | ~functional.bit_pack_spike_dense(s + 1), weight, bias
        ),
        functional.sparse_linear(s, weight, bias),
        functional.sparse_linear(s, weight, bias, "sparse"),
    ]
    for y in outputs:
        torch.testing.assert_close(y, expected)
        grads = torch.autograd.grad(y.square().sum(), (weight, bias))
        torch.testing.assert_close(grads, wanted)


@pytest.mark.parametrize("strategy", ["torch", "sparse"])
def test_sparse_linear_lets_the_gradient_through(strategy: str) -> None:
    s = (torch.rand(5, 9) < 0.5).float().requires_grad_()
    weight = torch.randn(4, 9)
    functional.sparse_linear(s, weight, None, strategy).sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(s.grad, weight.sum(0).expand(5, 9))


def test_linear_layers_refuse() -> None:
    weight = torch.ones(2, 9)
    with pytest.raises(ValueError, match=r"\[M, 2\] in uint8"):
        functional.packed_spike_linear(torch.zeros(3, 1, dtype=torch.uint8), weight)
    with pytest.raises(ValueError, match="must be a matrix"):
        functional.bit_pack_spike_dense(torch.ones(3))
    with pytest.raises(ValueError, match="must be a matrix"):
        functional.sparse_linear(torch.ones(2, 3, 9), weight, strategy="sparse")
    with pytest.raises(ValueError, match="'torch' or 'sparse'"):
        functional.sparse_linear(torch.ones(3, 9), weight, strategy="dense")
