"""Membrane potential and spikes of one neuron."""

from typing import TYPE_CHECKING

import numpy as np

from bitspike.visualizing import _style as style
from bitspike.visualizing._arrays import Array, ArrayLike, check_array, check_spikes, shape_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_one_neuron_v_s(
    v: ArrayLike,
    s: ArrayLike,
    v_threshold: float = 1.0,
    v_reset: float | None = 0.0,
    title: str = "$V[t]$ and $S[t]$ of the neuron",
    figsize: tuple[float, float] = (12, 8),
    dpi: int = 200,
) -> "tuple[Figure, Axes, Axes]":
    """Draw the membrane potential of one neuron above its spikes.

    Args:
        v: ``[T]`` membrane potentials, or a list of T one-element tensors.
        s: ``[T]`` spikes, 0 or 1 (or bool), or a list of T one-element tensors.
        v_threshold: Threshold, drawn as a line.
        v_reset: Reset potential, drawn as a line; ``None`` (soft reset) draws none.
        title: Title.
        figsize: Width and height in inches.
        dpi: Dots per inch.

    Returns:
        Figure, axes of the potential, axes of the spikes.

    Raises:
        ValueError: ``v`` or ``s`` is not ``[T]``, empty or not finite, their lengths differ,
            ``s`` holds another value than 0 and 1, or a level is not finite.
        ImportError: Matplotlib is not installed.
    """
    potential = _check_steps(v, "v")
    spikes = _check_steps(s, "s")
    check_spikes(spikes, "plot_one_neuron_v_s: s")
    if potential.size != spikes.size:
        raise ValueError(
            f"plot_one_neuron_v_s: v and s must have the same number of steps, "
            f"got {shape_text(potential.shape)} and {shape_text(spikes.shape)}"
        )
    for name, level in (("v_threshold", v_threshold), ("v_reset", v_reset)):
        if level is not None and not np.isfinite(level):
            raise ValueError(f"plot_one_neuron_v_s: {name} must be finite, got {level}")
    levels = [(v_threshold, r"$V_\mathrm{threshold}$", style.ACCENT)]
    if v_reset is not None:
        levels.append((v_reset, r"$V_\mathrm{reset}$", style.CALM))

    figure = style.new_figure(figsize, dpi)
    grid = figure.add_gridspec(2, 1, height_ratios=[5, 1])
    top = figure.add_subplot(grid[0])
    bottom = figure.add_subplot(grid[1], sharex=top)
    _draw_potential(top, potential, levels)
    style.label(top, title, ylabel="voltage")
    steps = np.flatnonzero(spikes)
    bottom.vlines(steps, 0, 1, colors=style.ACCENT, linewidths=0.1 * style.font_size(bottom))
    style.label(bottom, xlabel="simulating step", ylabel="spike")
    for axes in (top, bottom):
        style.open_spines(axes)
        style.set_ticks(axes, int_x=True, int_y=False)
    top.tick_params(labelbottom=False)
    bottom.set_xlim(-0.5, potential.size - 0.5)
    bottom.set_ylim(0, 1.05)
    bottom.set_yticks([])
    figure.align_ylabels([top, bottom])
    return figure, top, bottom


def _check_steps(x: ArrayLike, name: str) -> Array:
    argument = f"plot_one_neuron_v_s: {name}"
    array = check_array(x, argument)
    if isinstance(x, (list, tuple)) and array.size == len(x):
        array = array.reshape(-1)
    if array.ndim != 1:
        raise ValueError(
            f"{argument} must have shape [T], got {shape_text(array.shape)}; "
            f"pick one neuron, for example {name}[:, 0]"
        )
    return array


def _draw_potential(axes: "Axes", potential: Array, levels: list[tuple[float, str, str]]) -> None:
    size = style.font_size(axes)
    highest = max(value for value, _, _ in levels)
    for value, text, color in levels:
        axes.axhline(value, label=text, color=color, linestyle="--", linewidth=0.07 * size)
        axes.annotate(
            text,
            (1, value),
            xycoords=axes.get_yaxis_transform(),
            xytext=(0.4 * size, 0),
            textcoords="offset points",
            va="bottom" if value == highest else "top",
            color=color,
            fontsize=1.05 * size,
            annotation_clip=False,
        )
    marker = "o" if potential.size == 1 else ""
    axes.plot(
        np.arange(potential.size), potential, color=style.INK, linewidth=0.1 * size, marker=marker
    )
    axes.margins(y=0.08)
