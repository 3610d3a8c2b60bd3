import inspect
import warnings
from typing import Any

import pytest

from bitspike import visualizing

SIZE = "figsize=(12, 8), dpi=200"
EXPECTED = {
    "plot_1d_spikes": "spikes, title, xlabel, ylabel, int_x_ticks=True, int_y_ticks=True, "
    f"plot_firing_rate=True, firing_rate_map_title='firing rate', {SIZE}",
    "plot_2d_bar_in_3d": "array, title, xlabel, ylabel, zlabel, int_x_ticks=True, "
    "int_y_ticks=True, int_z_ticks=False, dpi=200",
    "plot_2d_feature_map": f"x3d, nrows, ncols, space, title, {SIZE}",
    "plot_2d_heatmap": "array, title, xlabel, ylabel, int_x_ticks=True, int_y_ticks=True, "
    f"plot_colorbar=True, colorbar_y_label='magnitude', x_max=None, {SIZE}",
    "plot_accuracy": "train_acc, test_acc, title='Accuracy', figsize=(9, 6), dpi=150",
    "plot_input": "image, spikes, title='Poisson-encoded input', figsize=(12, 3.8), dpi=200",
    "plot_one_neuron_v_s": "v, s, v_threshold=1.0, v_reset=0.0, "
    f"title='$V[t]$ and $S[t]$ of the neuron', {SIZE}",
    "plot_runs": "runs, title='Test accuracy', figsize=(9, 6), dpi=150",
    "save": "fig, path",
}


def parameters(function: Any) -> str:
    found = inspect.signature(function).parameters.values()
    return ", ".join(str(p.replace(annotation=p.empty)) for p in found)


def test_public_names() -> None:
    assert visualizing.__all__ == sorted(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_signature_is_the_documented_one(name: str) -> None:
    assert parameters(getattr(visualizing, name)) == EXPECTED[name]


def test_signatures_are_those_of_spikingjelly() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = pytest.importorskip("spikingjelly.visualizing")
    assert {name: parameters(getattr(peer, name)) for name in peer.__all__} == {
        name: parameters(getattr(visualizing, name)) for name in peer.__all__
    }


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_docstring_tells_what_is_raised(name: str) -> None:
    text = inspect.getdoc(getattr(visualizing, name)) or ""
    assert "Args:" in text
    assert "Raises:" in text
    for parameter in inspect.signature(getattr(visualizing, name)).parameters:
        assert f"    {parameter}: " in text
