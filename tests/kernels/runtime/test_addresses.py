"""What kernels take by its address is refused where it does not fit."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from numba import prange
from torch import Tensor
from torch._subclasses import FakeTensorMode

from bitspike import kernels
from bitspike.kernels.linear import numba as linear
from bitspike.kernels.runtime.numba_kernel import Kernel
from bitspike.spikes import ActivePixels, Rows, SpikeTensor, pack, reorder_bits, unpack_bits

pytestmark = pytest.mark.backend("numba")

FLOAT = torch.float32


def add_rows(x: Any, y: Any, total: Any) -> None:
    for i in prange(len(x)):
        for j in range(x.shape[1]):
            y[i] += x[i, j]
    total[0] += len(y)


KERNEL = Kernel(add_rows, "x f32[N, M], y f32[N], total f32[]")


def test_tensors_that_fit_are_taken() -> None:
    x, y, total = torch.ones(4, 5), torch.zeros(4), torch.zeros(3)
    KERNEL(x, y, total, work=1)
    KERNEL(torch.empty(0, 3), torch.empty(0), total.expand(1, 3), work=1)
    assert y.tolist() == [5.0] * 4
    assert total.tolist() == [4.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.rand(3, 6),
        lambda: torch.rand(20),
        lambda: torch.rand(5, 4).t(),
        lambda: torch.rand(1, 5).expand(4, 5),
        lambda: torch.rand(4, 5, dtype=torch.float64),
        lambda: torch.empty(4, 5, device="meta"),
        lambda: pack(torch.ones(4, 5), 1),
    ],
    ids=["shape", "axes", "transposed", "expanded", "float64", "meta", "spikes"],
)
def test_other_arrays_are_refused(make: Callable[[], Tensor]) -> None:
    with pytest.raises(
        ValueError, match=r"takes a contiguous tensor \[N, M?\]? ?of torch.float32|CPU"
    ):
        KERNEL(make(), torch.zeros(4), None, work=1)


def test_memory_that_is_not_there_is_refused() -> None:
    x, y = torch.ones(4, 5), torch.zeros(4)
    with pytest.raises(ValueError, match="on meta"):
        KERNEL(x, y, torch.empty(3, device="meta"), work=1)
    with FakeTensorMode() as mode, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns, or raises, by itself
        fake = mode.from_tensor(torch.rand(4, 5))
        with pytest.raises((ValueError, RuntimeError)):
            KERNEL(fake, y, None, work=1)


@pytest.mark.parametrize(
    "words", [torch.zeros(3, 1, dtype=torch.int64), torch.zeros(3, 2, dtype=torch.int32)]
)
def test_words_of_other_features_are_refused(words: Tensor) -> None:
    for run in (
        lambda: unpack_bits(words, 65, FLOAT),
        lambda: reorder_bits(words, 65, torch.arange(65, dtype=torch.int32)),
        lambda: Rows(words, (13, 5, 1)),
    ):
        with pytest.raises(ValueError, match=r"do not hold"):
            run()


@pytest.mark.parametrize("shape", [(4, 3, 7), (5, 2, 7), (70, 7)])
@pytest.mark.parametrize("samples", [3, 60])
def test_a_gradient_of_other_samples_is_refused(shape: tuple[int, ...], samples: int) -> None:
    x = pack((torch.rand(5, samples, 9) < 0.5).float(), 2)
    with pytest.raises(ValueError, match="do not fit each other"):
        kernels.weight_gradient(x, torch.rand(shape))
    held = kernels.encode_held(torch.rand(samples, 9), 5, 0, 0)
    with pytest.raises(ValueError, match="do not fit each other"):
        kernels.weight_gradient(held, torch.rand(shape))


def forged(R: int, features: int) -> Tensor:
    """Words whose bits beyond the last feature are set too."""
    words = torch.full((R, -(-features // 64)), -1, dtype=torch.int64)
    assert features % 64
    return words


@pytest.mark.parametrize("rows", [3, 200])
@pytest.mark.parametrize("outputs", [5, 70])
def test_bits_beyond_the_features_name_no_memory(rows: int, outputs: int) -> None:
    weight = torch.rand(outputs, 5, requires_grad=True)
    x, ones = SpikeTensor(Rows(forged(rows, 5), (5,))), torch.ones(rows, 5)
    y = linear.linear(x, weight, None)
    torch.testing.assert_close(y, ones @ weight.t())
    rows_of = x.bits.rows()
    for density in (0.01, 0.3, 1.0):
        dw = linear.rows_gradient(rows_of, torch.ones(rows, outputs), density)
        torch.testing.assert_close(dw, torch.full((outputs, 5), float(rows)))


def test_bits_beyond_the_pixels_name_no_memory() -> None:
    x = SpikeTensor(Rows(forged(4, 18), (2, 3, 3)))
    weight = torch.rand(16, 2, 3, 3)
    got = torch.nn.functional.conv2d(x, weight, padding=1)
    want = torch.nn.functional.conv2d(torch.ones(4, 2, 3, 3), weight, padding=1)
    torch.testing.assert_close(got, want)


def test_lists_of_pixels_that_do_not_fit_are_refused() -> None:
    spikes = kernels.encode_held(torch.rand(4, 9), 5, 0, 0)
    assert isinstance(spikes, SpikeTensor)
    good = spikes.bits
    assert isinstance(good, ActivePixels)
    parts = {"index": good.index, "count": good.count, "units": good.units}
    for name, part in parts.items():
        for wrong in (part[..., :-1], part.double(), part[:2]):
            if name == "count" and wrong.shape[0] != 4:
                continue  # the number of samples is what count says
            with pytest.raises(ValueError, match="do not lie in index"):
                ActivePixels(**{**parts, name: wrong}, steps=5, features=(9,))
    for steps, features in ((65, (9,)), (5, (13,))):
        with pytest.raises(ValueError, match="do not lie in index"):
            ActivePixels(**parts, steps=steps, features=features)


@pytest.mark.parametrize("bias", [torch.rand(1), torch.rand(4, dtype=torch.float64)])
def test_a_bias_that_does_not_fit_is_refused_as_torchs_is(bias: Tensor) -> None:
    s, weight = pack((torch.rand(2, 3, 6, 5) < 0.1).float(), 1), torch.rand(4, 3, 3, 3)
    for x in (s.dense(), s):
        with pytest.raises(RuntimeError, match="bias"):
            torch.nn.functional.conv2d(x, weight, bias)
