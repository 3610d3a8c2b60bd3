import numpy as np
import pytest

from bitspike.visualizing import plot_runs


def test_curves_and_legend() -> None:
    figure = plot_runs({"a": [0.5, 0.9, 0.7], "b": np.array([0.25])}, title="Runs")
    (axes,) = figure.axes
    first, second = (np.asarray(line.get_ydata()) for line in axes.lines)
    np.testing.assert_allclose(first, [50, 90, 70])
    np.testing.assert_allclose(second, [25])
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "a: 90.00 % (epoch 2)",
        "b: 25.00 % (epoch 1)",
    ]
    assert axes.get_title() == "Runs"
    low, high = axes.get_ylim()
    assert low < 25
    assert high > 90
    assert axes.get_xlim()[1] > 3


@pytest.mark.parametrize(
    ("runs", "complaint"),
    [
        ({}, "must be at least one"),
        ({"a": []}, "plot_runs: a"),
        ({"a": [0.5], "b": [97.0]}, r"plot_runs: b .* must hold fractions"),
        ({"a": [[0.5]]}, "plot_runs: a"),
        ({"a": [float("nan")]}, "plot_runs: a"),
    ],
)
def test_bad_runs(runs: dict[str, list[float]], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        plot_runs(runs)
