from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from numpy.testing import assert_array_equal

from bitspike.visualizing import (
    plot_1d_spikes,
    plot_2d_bar_in_3d,
    plot_2d_feature_map,
    plot_2d_heatmap,
    plot_accuracy,
    plot_input,
    plot_one_neuron_v_s,
)

CALLS: dict[str, tuple[tuple[int, ...], Callable[[Any], Any]]] = {
    "plot_2d_heatmap": ((2, 3), lambda x: plot_2d_heatmap(x, "", "", "", dpi=40)),
    "plot_1d_spikes": ((2, 3), lambda x: plot_1d_spikes(x, "", "", "", dpi=40)),
    "plot_2d_bar_in_3d": ((2, 3), lambda x: plot_2d_bar_in_3d(x, "", "", "", "", dpi=40)),
    "plot_2d_feature_map": ((2, 3, 4), lambda x: plot_2d_feature_map(x, 1, 2, 1, "", dpi=40)),
    "plot_one_neuron_v_s": ((3,), lambda x: plot_one_neuron_v_s(x, x, dpi=40)),
    "plot_accuracy": ((3,), lambda x: plot_accuracy(x, x, dpi=40)),
    "plot_input": ((2, 3), lambda x: plot_input(x, np.zeros((5, 6)), dpi=40)),
}


class Packed(torch.Tensor):
    """Stands for spikes without dense storage."""

    bits: torch.Tensor

    @staticmethod
    def of(bits: torch.Tensor) -> "Packed":
        tensor: Packed = torch.Tensor._make_wrapper_subclass(
            Packed, bits.shape, dtype=torch.float32
        )
        tensor.bits = bits
        return tensor

    @classmethod
    def __torch_dispatch__(cls, func: Any, *rest: Any) -> Any:
        raise AssertionError(f"{func} would unpack")

    def dense(self) -> torch.Tensor:
        return self.bits.float()


@pytest.fixture(params=sorted(CALLS))
def call(request: pytest.FixtureRequest) -> tuple[str, tuple[int, ...], Callable[[Any], Any]]:
    return (request.param, *CALLS[request.param])


Call = tuple[str, tuple[int, ...], Callable[[Any], Any]]


@pytest.mark.parametrize("change", [(), (1, 1, 1, 1)])
def test_wrong_number_of_dimensions(call: Call, change: tuple[int, ...]) -> None:
    name, shape, plot = call
    wrong = (*shape, *change) if change else ()
    text = "[" + ", ".join(map(str, wrong)) + "]"
    with pytest.raises(ValueError, match=f"^{name}: ") as caught:
        plot(np.zeros(wrong))
    assert text in str(caught.value)
    assert not plt.get_fignums()


def test_empty(call: Call) -> None:
    name, shape, plot = call
    with pytest.raises(ValueError, match=f"^{name}: ") as caught:
        plot(np.zeros((*shape[:-1], 0)))
    assert "0]" in str(caught.value)
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        (name, bad)
        for name in sorted(CALLS)
        for bad in (np.nan, np.inf, -np.inf)
        if not (name == "plot_2d_heatmap" and np.isnan(bad))
    ],
)
def test_not_finite(name: str, bad: float) -> None:
    shape, plot = CALLS[name]
    array = np.zeros(shape)
    array[(-1,) * len(shape)] = bad
    where = "[" + ", ".join(str(size - 1) for size in shape) + "]"
    with pytest.raises(ValueError, match=f"^{name}: .* infinite or NaN") as caught:
        plot(array)
    assert f"the first at {where}" in str(caught.value)
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    "make",
    [
        lambda shape: np.full(shape, "a"),
        lambda shape: np.zeros(shape, dtype=complex),
        lambda shape: torch.zeros(shape, dtype=torch.complex64),
        lambda _: [[1, 2], [3]],
        lambda _: None,
    ],
    ids=["text", "complex", "complex tensor", "ragged", "None"],
)
def test_not_real_numbers(call: Call, make: Callable[[Any], Any]) -> None:
    name, shape, plot = call
    with pytest.raises(ValueError, match=f"^{name}: .* rectangular array of real numbers"):
        plot(make(shape))


def heatmap_of(x: Any) -> np.ndarray:
    _, axes = plot_2d_heatmap(x, "", "", "", dpi=40)
    return np.asarray(axes.images[0].get_array())


BITS = np.array([[1, 0, 1], [0, 0, 1]])


@pytest.mark.parametrize(
    "x",
    [
        BITS.tolist(),
        BITS.astype(bool),
        BITS.astype(np.float16),
        torch.tensor(BITS),
        torch.tensor(BITS, dtype=torch.bool),
        torch.tensor(BITS, dtype=torch.bfloat16),
        torch.tensor(BITS, dtype=torch.float32, requires_grad=True),
        torch.tensor(BITS, dtype=torch.float32, requires_grad=True) * 1,
        [torch.tensor(row, dtype=torch.float32, requires_grad=True) for row in BITS],
        torch.tensor(BITS.T.copy()).T,
        torch.tensor(BITS[:, :1]).expand(2, 3) * 0 + torch.tensor(BITS),
        torch.nn.Parameter(torch.tensor(BITS, dtype=torch.float64)),
        Packed.of(torch.tensor(BITS, dtype=torch.bool)),
    ],
    ids=lambda x: f"{type(x).__name__}-{getattr(x, 'dtype', 'list')}",
)
def test_every_kind_of_array(x: Any) -> None:
    assert_array_equal(heatmap_of(x), BITS.T)
    figure, axes = plot_1d_spikes(x, "", "", "", dpi=40)
    (column,) = (other for other in figure.axes if other is not axes)
    assert_array_equal(column.images[0].get_array(), BITS.mean(axis=0)[:, None])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_tensor_on_a_gpu() -> None:
    assert_array_equal(heatmap_of(torch.tensor(BITS, device="cuda")), BITS.T)


def test_the_input_is_not_written_to() -> None:
    x = torch.tensor(BITS, dtype=torch.float64)
    heatmap_of(x)[:] = 7
    assert_array_equal(x.numpy(), BITS)
