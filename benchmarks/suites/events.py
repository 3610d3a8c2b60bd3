"""Events, tables and a matrix product: the basis of the rule in ``kernels/linear/numba.py``."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from benchmarks._measure import Row, Settings, time_all
from benchmarks._memory import spikes_of
from benchmarks._results import save
from bitspike import spikes
from bitspike.kernels.linear import numba as linear

ROWS, INPUTS = 6400, 784
WIDTHS = (16, 64, 256, 1024)
DENSITIES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
RULES = {"forward": linear.forward_way, "dW": linear.weight_way}
WAYS = ("events", "tables", "product")
NOTE = (
    "Weight rows added spike by spike, tables of subset sums, and one matrix product (unpacking "
    "included), 6400 rows of 784 inputs. The last column is what the library does."
)


def work(what: str, way: str, x: Tensor, weight: Tensor, g: Tensor) -> Callable[[], Tensor]:
    """Compute the layer's output or its weight's gradient by one of the methods."""
    rule = RULES[what].__name__
    with patch.object(linear, rule, return_value=way):
        y = F.linear(x, weight)

    def run() -> Tensor:
        with patch.object(linear, rule, return_value=way):
            if what == "forward":
                with torch.no_grad():
                    return F.linear(x, weight)
            return torch.autograd.grad(y, weight, g, retain_graph=True)[0]

    return run


def run(settings: Settings) -> None:
    """Measure all densities and widths, forward and for the weight's gradient."""
    settings = replace(settings, seconds=settings.seconds / 4)
    rows: list[Row] = []
    cases = itertools.product(RULES, settings.pick(WIDTHS, (64,)), settings.pick(DENSITIES, (0.1,)))
    for what, outputs, density in cases:
        torch.manual_seed(0)
        weight = (0.01 * torch.randn(outputs, INPUTS)).requires_grad_()
        g = torch.randn(ROWS, outputs)
        x = spikes.pack(spikes_of(density, ROWS, INPUTS), lead=1)
        ways = {name: work(what, name, x, weight, g) for name in WAYS}
        for name in WAYS[:2]:
            torch.testing.assert_close(ways[name](), ways["product"](), rtol=1e-3, atol=1e-3)
        times = time_all(ways, settings)
        row: Row = {"what": what, "outputs": outputs, "spikes, %": 100 * density}
        row |= {f"{name}, ms": times[name].ms for name in ways}
        rows.append({**row, "rule": RULES[what](density, outputs, ROWS)})
    save(settings, "events", "Linear on spikes: events, tables, a matrix product", rows, NOTE)
