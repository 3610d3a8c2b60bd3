"""What a notebook shows of spikes."""

import re
import xml.etree.ElementTree as ET

import pytest
import torch

from bitspike import spikes
from bitspike.spikes._html import NEURONS, STEPS


def shown(*shape: int, lead: int = 2) -> tuple[torch.Tensor, str]:
    dense = (torch.rand(shape) < 0.3).float()
    return dense, spikes.pack(dense, lead)._repr_html_()


def marks(html: str) -> list[tuple[int, int]]:
    """Time step and row of each mark in the raster."""
    found = re.findall(r"M([\d.]+) ([\d.]+)v", html)
    return [(int(float(t) - 0.5), round(float(n) - 0.1)) for t, n in found]


def test_facts_and_raster_by_hand() -> None:
    dense = torch.zeros(3, 2, 4)
    dense[0, 0, 1] = dense[2, 0, 3] = dense[1, 1, 0] = 1.0
    html = spikes.pack(dense)._repr_html_()
    assert "[3, 2, 4] &middot; 3 spikes &middot; rate 0.125" in html
    assert marks(html) == [(0, 1), (2, 3)]  # sample 0 only
    assert "sample 0, 4 of 4 neurons" in html
    assert "3 of 3 time steps" in html


@pytest.mark.parametrize("shape", [(7, 5), (7, 2, 5), (7, 2, 3, 4, 4), (200, 2, 700)])
def test_the_raster_is_the_first_sample(shape: tuple[int, ...]) -> None:
    dense, html = shown(*shape)
    first = dense[:STEPS].flatten(1) if len(shape) == 2 else dense[:STEPS, 0].flatten(1)
    if first.shape[1] > NEURONS:
        first = first[:, torch.linspace(0, first.shape[1] - 1, NEURONS).long()]
    assert sorted(marks(html)) == [tuple(one) for one in first.nonzero().tolist()]
    assert f"of {dense[0].numel() if len(shape) == 2 else dense[0, 0].numel()} neurons" in html


@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (4, 0, 3)])
def test_odd_shapes_are_shown_too(shape: tuple[int, ...]) -> None:
    html = spikes.pack(torch.zeros(shape), min(2, len(shape)))._repr_html_()
    ET.fromstring(html.replace("&middot;", "·"))  # noqa: S314 -- well-formed
    assert ("<svg" in html) == (shape == (5,))


def test_leaves_keep_their_gradient() -> None:
    packed = spikes.pack((torch.rand(6, 2, 3) < 0.5).float())
    packed.requires_grad_()
    assert "<svg" in packed._repr_html_()
    assert packed.requires_grad
    assert packed.grad is None


def test_the_text_is_small() -> None:
    _, html = shown(300, 4, 4000)
    assert len(html) < 60_000
