"""Pictures of spikes, membrane potentials, feature maps and accuracies.

The five functions that SpikingJelly also has keep its names, parameters, defaults and return
values: ``(figure, axes)``, and ``(figure, voltage axes, spike axes)`` for
`plot_one_neuron_v_s`. `plot_accuracy`, `plot_runs` and `plot_input` return the figure.

Every picture is an ordinary pyplot figure: ``plt.show()`` and ``plt.savefig()`` work after the
call, and a notebook displays it. Without a screen pyplot draws into memory. Pyplot keeps a figure
alive until it is closed; `save` writes it and closes it. No global setting of matplotlib
(``rcParams``, backend) changes.

Matplotlib is imported by the first call, not by the import of this package:
``pip install "bitspike[plot]"``.
"""

from bitspike.visualizing._accuracy import plot_accuracy, plot_runs
from bitspike.visualizing._matrix import plot_2d_bar_in_3d, plot_2d_feature_map, plot_2d_heatmap
from bitspike.visualizing._neuron import plot_one_neuron_v_s
from bitspike.visualizing._save import save
from bitspike.visualizing._spikes import plot_1d_spikes, plot_input

__all__ = [
    "plot_1d_spikes",
    "plot_2d_bar_in_3d",
    "plot_2d_feature_map",
    "plot_2d_heatmap",
    "plot_accuracy",
    "plot_input",
    "plot_one_neuron_v_s",
    "plot_runs",
    "save",
]
