import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt

from bitspike.visualizing import plot_1d_spikes, plot_2d_bar_in_3d, plot_2d_heatmap, plot_accuracy

HEADLESS = """
import sys
import bitspike.visualizing as v
assert "matplotlib" not in sys.modules, "matplotlib must be imported lazily"
import numpy as np
s = np.eye(20, 10)
for name, figure in {
    "heat": v.plot_2d_heatmap(s, "a", "b", "c", dpi=40)[0],
    "spikes": v.plot_1d_spikes(s, "a", "b", "c", dpi=40)[0],
    "neuron": v.plot_one_neuron_v_s(s[:, 0], s[:, 0], dpi=40)[0],
    "bars": v.plot_2d_bar_in_3d(s, "a", "b", "c", "d", dpi=40)[0],
    "maps": v.plot_2d_feature_map(s[None], 1, 1, 1, "a", dpi=40)[0],
    "accuracy": v.plot_accuracy([0.5], [0.5], dpi=40),
    "input": v.plot_input(s[0].reshape(2, 5), s, dpi=40),
}.items():
    v.save(figure, f"{name}.png")
from matplotlib import pyplot as plt
assert not plt.get_fignums()
"""


def test_draws_without_a_screen_and_without_warnings(tmp_path: Path) -> None:
    hidden = {"DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", HEADLESS],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k not in hidden},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("*.png"))) == 7


def test_a_missing_matplotlib_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "bitspike\[plot\]"'):
        plot_accuracy([0.5], [0.5])


def test_global_settings_stay_as_they_are() -> None:
    before = dict(mpl.rcParams)
    plot_2d_bar_in_3d(np.eye(3), "", "", "", "", dpi=40)
    plot_1d_spikes(np.eye(3), "", "", "", dpi=40)
    assert dict(mpl.rcParams) == before


def test_the_figure_is_the_current_one_of_pyplot() -> None:
    figure, axes = plot_1d_spikes(np.eye(3), "", "", "", dpi=40)
    assert plt.gcf() is figure
    assert plt.gca() is axes


def test_tight_layout_may_still_be_called() -> None:
    figure, axes = plot_2d_heatmap(np.eye(3), "", "", "", dpi=40)
    plt.tight_layout()
    figure.canvas.draw()
    assert axes.get_window_extent().x1 < figure.bbox.x1


@pytest.mark.parametrize("size", [(3.0, 2.0), (12.0, 8.0), (30.0, 20.0)])
def test_text_grows_with_the_figure(size: tuple[float, float]) -> None:
    _, axes = plot_2d_heatmap(np.eye(3), "title", "x", "y", figsize=size, dpi=20)
    points_per_800_pixels = float(axes.xaxis.label.get_fontsize()) * 800 / (72 * size[0])
    assert 11 < points_per_800_pixels < 40
