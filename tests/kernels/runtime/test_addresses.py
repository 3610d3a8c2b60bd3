"""What kernels take by its address is refused where it does not fit."""

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode

from bitspike import kernels
from bitspike.kernels.bits import numba as bits
from bitspike.kernels.conv import numba as conv
from bitspike.kernels.linear import numba as linear
from bitspike.kernels.runtime.addresses import address_of, at, check_words
from bitspike.kernels.runtime.buffers import located
from bitspike.spikes import ActivePixels, Rows, SpikeTensor, pack

pytestmark = pytest.mark.backend("numba")

FLOAT = torch.float32


def test_what_fits_is_an_address_and_lengths() -> None:
    x = torch.rand(4, 5)
    assert at(x, FLOAT, 4, 5) == (x.data_ptr(), 4, 5)
    assert address_of(torch.empty(0, 3)) == at(torch.empty(0, 3), FLOAT, 0, 3)[0]
    words = torch.zeros(3, 2, dtype=torch.int64)
    assert check_words(words, 65) is words


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.rand(4, 6),
        lambda: torch.rand(20),
        lambda: torch.rand(5, 4).t(),
        lambda: torch.rand(1, 5).expand(4, 5),
        lambda: torch.rand(4, 5, dtype=torch.float64),
        lambda: torch.empty(4, 5, device="meta"),
    ],
    ids=["shape", "axes", "transposed", "expanded", "float64", "meta"],
)
def test_other_arrays_are_refused(make: Callable[[], Tensor]) -> None:
    with pytest.raises(
        ValueError, match=r"takes a contiguous tensor of torch.float32 \(4, 5\)|CPU"
    ):
        at(make(), FLOAT, 4, 5)


def test_memory_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="on meta"):
        located(torch.empty(3, device="meta"))
    with FakeTensorMode() as mode, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns, or raises, by itself
        fake = mode.from_tensor(torch.rand(3))
        with pytest.raises((ValueError, RuntimeError)):
            address_of(fake)
    with pytest.raises(ValueError, match="memory of the CPU"):
        address_of(pack(torch.ones(2, 3), 1))


@pytest.mark.parametrize(
    "words", [torch.zeros(3, 1, dtype=torch.int64), torch.zeros(3, 2, dtype=torch.int32)]
)
def test_words_of_other_features_are_refused(words: Tensor) -> None:
    for run in (
        lambda: check_words(words, 65),
        lambda: bits.unpack(words, 65, FLOAT),
        lambda: bits.reorder(words, torch.arange(65, dtype=torch.int32)),
        lambda: bits.count_over_time(words, 65, 3),
        lambda: conv._matrix(Rows(words, (13, 5, 1))),
    ):
        with pytest.raises(ValueError, match=r"65 features as words|do not hold the features"):
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
    rows_of = x._layout.rows()
    for density in (0.01, 0.3, 1.0):
        dw = linear._rows_gradient(rows_of, torch.ones(rows, outputs), density)
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
    good = spikes._layout
    assert isinstance(good, ActivePixels)
    parts = {"index": good.index, "count": good.count, "units": good.units}
    for name, part in parts.items():
        for wrong in (part[..., :-1], part.double(), part[:2]):
            if name == "count" and wrong.shape[0] != 4:
                continue  # the number of samples is what count says
            with pytest.raises(ValueError, match=r"a compiled kernel takes|do not lie in index"):
                linear.arrays_of(ActivePixels(**{**parts, name: wrong}, steps=5, features=(9,)))
    for steps, features in ((65, (9,)), (5, (13,))):
        with pytest.raises(ValueError, match=r"a compiled kernel takes|do not lie in index"):
            linear.arrays_of(ActivePixels(**parts, steps=steps, features=features))


@pytest.mark.parametrize("bias", [torch.rand(1), torch.rand(4, dtype=torch.float64)])
def test_a_bias_that_does_not_fit_is_refused_as_torchs_is(bias: Tensor) -> None:
    s, weight = pack((torch.rand(2, 3, 6, 5) < 0.1).float(), 1), torch.rand(4, 3, 3, 3)
    for x in (s.dense(), s):
        with pytest.raises(RuntimeError, match="bias"):
            torch.nn.functional.conv2d(x, weight, bias)
