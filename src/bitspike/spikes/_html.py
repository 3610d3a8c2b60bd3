"""How a `SpikeTensor` shows itself in a notebook."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from bitspike.spikes._tensor import SpikeTensor

STEPS, NEURONS = 100, 48
"""The most columns and rows of the raster."""


def html(spikes: "SpikeTensor") -> str:
    """Return shape, number, rate and memory of spikes, and a raster of the first sample.

    ``[T, B, ...]``; with two axes ``[T, N]``, with one ``[T]``.
    """
    per_bit = spikes.numel() * spikes.itemsize / max(spikes.spike_bytes(), 1)
    facts = (
        f"<b>SpikeTensor</b> {list(spikes.shape)} &middot; {spikes.count():,} spikes &middot; "
        f"rate {spikes.rate():.3g} &middot; {spikes.spike_bytes():,} bytes, "
        f"1/{per_bit:.0f} of dense"
    )
    if not spikes.ndim or not spikes.numel():
        return f"<div>{facts}</div>"
    part, caption = _first_sample(spikes)
    return f"<div>{facts}{_svg(part)}<small>{caption}</small></div>"


def _first_sample(spikes: "SpikeTensor") -> tuple[Tensor, str]:
    """Return the picture ``[N, T]`` of bool, and its caption."""
    part = spikes.detach()[:STEPS]
    steps, where = len(part), ""
    if part.ndim > 2:
        part, where = part[:, 0], "sample 0, "
    dense = torch.as_tensor(part.dense() if hasattr(part, "dense") else part)
    rows = dense.reshape(steps, -1).t().cpu() > 0
    shown = min(len(rows), NEURONS)
    if len(rows) > shown:
        rows = rows[torch.linspace(0, len(rows) - 1, shown, device="cpu").long()]
    elements = spikes[0, 0].numel() if spikes.ndim > 2 else spikes[0].numel()
    return rows, (
        f"{where}{shown} of {elements} neurons from top to bottom, "
        f"{steps} of {len(spikes)} time steps from left to right"
    )


def _svg(rows: Tensor) -> str:
    height, width = rows.shape
    # Bars of a readable width, however few steps there are.
    scale = 12 if width <= 30 else 6 if width <= 60 else 4
    marks = "".join(f"M{t + 0.5} {n + 0.1:.1f}v.8" for n, t in rows.nonzero().tolist())
    return (
        f'<svg viewBox="0 0 {width} {height}" '
        f'width="{width * scale}" height="{height * min(scale, 6)}" '
        'preserveAspectRatio="none" style="display:block;margin:4px 0;color:inherit">'
        f'<rect width="{width}" height="{height}" fill="currentColor" opacity=".07"/>'
        f'<path d="{marks}" stroke="currentColor" stroke-width=".6" fill="none"/></svg>'
    )
