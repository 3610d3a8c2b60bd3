from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection
from numpy.testing import assert_array_equal

from bitspike.visualizing import plot_one_neuron_v_s

V = np.array([0.2, 0.7, 1.1, 0.1, 0.6, 1.3, 0.0])
S = np.array([0, 0, 1, 0, 0, 1, 0])


def test_draws_potential_levels_and_spikes() -> None:
    figure, top, bottom = plot_one_neuron_v_s(V, S, v_threshold=1.0, v_reset=-0.25, dpi=40)
    figure.canvas.draw()
    lines = {str(line.get_label()): line for line in top.lines}
    assert_array_equal(lines[r"$V_\mathrm{threshold}$"].get_ydata(), [1, 1])
    assert_array_equal(lines[r"$V_\mathrm{reset}$"].get_ydata(), [-0.25, -0.25])
    potential = top.lines[-1]
    assert_array_equal(potential.get_xdata(), np.arange(7))
    assert_array_equal(potential.get_ydata(), V)
    (ticks,) = bottom.collections
    assert isinstance(ticks, LineCollection)
    assert [segment[0][0] for segment in ticks.get_segments()] == [2, 5]
    assert top.get_title() == "$V[t]$ and $S[t]$ of the neuron"
    assert (top.get_ylabel(), bottom.get_ylabel()) == ("voltage", "spike")
    assert bottom.get_xlabel() == "simulating step"


def test_soft_reset_has_no_reset_line() -> None:
    _, top, _ = plot_one_neuron_v_s(V, S, v_reset=None, dpi=40)
    assert len(top.lines) == 2
    assert [text.get_text() for text in top.texts] == [r"$V_\mathrm{threshold}$"]


def test_both_axes_show_the_same_steps_at_integer_ticks() -> None:
    figure, top, bottom = plot_one_neuron_v_s(V, S, dpi=40)
    figure.canvas.draw()
    assert top.get_xlim() == bottom.get_xlim() == (-0.5, 6.5)
    positions = bottom.get_xticks()
    assert_array_equal(positions, np.round(positions))


@pytest.mark.parametrize(("threshold", "reset"), [(1.0, 0.99), (-1.0, 1.0)])
def test_labels_of_the_levels_do_not_overlap(threshold: float, reset: float) -> None:
    figure, top, _ = plot_one_neuron_v_s(V, S, threshold, reset, dpi=40)
    figure.canvas.draw()
    first, second = (text.get_window_extent() for text in top.texts)
    assert not first.overlaps(second)
    assert max(first.x1, second.x1) <= figure.bbox.x1


def test_takes_the_lists_that_a_simulation_collects() -> None:
    v = [torch.tensor([x], requires_grad=True) for x in V]
    s = [torch.tensor([float(x)]) for x in S]
    _, top, bottom = plot_one_neuron_v_s(v, s, dpi=40)
    assert np.asarray(top.lines[-1].get_ydata()) == pytest.approx(V)
    assert len(bottom.collections[0].get_paths()) == 2


def test_a_single_step_is_visible() -> None:
    figure, top, _ = plot_one_neuron_v_s(np.array([0.5]), np.array([1]), dpi=40)
    figure.canvas.draw()
    assert top.lines[-1].get_marker() == "o"


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match=r"plot_one_neuron_v_s: .*\[7\] and \[6\]"):
        plot_one_neuron_v_s(V, S[:-1])


def test_a_layer_is_refused_with_a_hint() -> None:
    with pytest.raises(ValueError, match=r"v must have shape \[T\], got \[7, 1\].*v\[:, 0\]"):
        plot_one_neuron_v_s(V[:, None], S)


def test_spikes_must_be_zero_or_one() -> None:
    with pytest.raises(ValueError, match=r"plot_one_neuron_v_s: s of shape \[7\] .* holds 2"):
        plot_one_neuron_v_s(V, 2 * S)


@pytest.mark.parametrize("level", ["v_threshold", "v_reset"])
def test_levels_must_be_finite(level: str) -> None:
    levels: dict[str, Any] = {"v_threshold": 1.0, "v_reset": 0.0, level: float("inf")}
    with pytest.raises(ValueError, match=f"plot_one_neuron_v_s: {level} must be finite, got inf"):
        plot_one_neuron_v_s(V, S, **levels)
