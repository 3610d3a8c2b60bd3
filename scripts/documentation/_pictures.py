"""The pictures of the neurons' traces and of the surrogates."""

from typing import Any

import torch

from bitspike import surrogate

from . import _svg
from ._svg import BLUE, GREEN, GREY, ORANGE, RED, Panel
from ._traces import Trace, curve, trace

WIDTH, LEFT, RIGHT = 640, 44, 12
COLOURS = (BLUE, ORANGE, GREEN, "#9a6fc0")


def neuron(kind: type[Any]) -> str:
    """Return the trace of a neuron, or its response, as SVG."""
    return _curve(kind) if kind.demo.curve else _trace(kind.__name__, trace(kind))


def _trace(name: str, run: Trace) -> str:
    time = (-0.5, len(run.x) - 0.5)
    width = WIDTH - LEFT - RIGHT
    parts: list[str] = []

    low, high = min(0.0, *run.x), max(0.0, *run.x)
    top = Panel(LEFT, 8, width, 34, time, _wider(low, high))
    parts += [top.level(0.0), _stairs(top, run.x, GREY), _svg.words(LEFT - 38, 29, "X", GREY)]
    parts += [top.label(_svg.short(end), end) for end in top.y if end]

    values = [v for line in run.lines.values() for v in line] + (run.before or [])
    values += run.threshold or []
    ends = _wider(min(0.0, *values), max(0.0, *values)) if values else (0.0, 1.0)
    middle = Panel(LEFT, 54, width, 110, time, ends)
    if run.threshold:
        parts.append(middle.line(range(len(run.x)), run.threshold, RED, 0.8, "4 3"))
    parts.append(middle.level(0.0))
    for (state, line), colour in zip(run.lines.items(), COLOURS, strict=False):
        xs, ys = _with_peaks(line, run.before if state == "V" else None)
        parts.append(middle.line(xs, ys, colour))
    for k, (state, colour) in enumerate(zip(run.lines, COLOURS, strict=False)):
        parts.append(_svg.words(LEFT - 38 + 12 * (k % 3), 80 + 14 * (k // 3), state, colour))
    for value in sorted({ends[1], ends[0]}):
        parts.append(
            _svg.words(LEFT - 6, middle.at(0, value)[1] + 4, _svg.short(value), GREY, "end")
        )

    if run.y:
        low, high = min(0.0, *run.y), max(0.0, *run.y)
        bottom = Panel(LEFT, 176, width, 34, time, (low, high) if high > low else (0.0, 1.0))
        smooth = len({round(y, 6) for y in run.y}) > 8
        parts += [bottom.level(0.0), bottom.stems(range(len(run.y)), run.y, RED)]
        parts.append(_svg.words(LEFT - 38, 197, "Y" if smooth else "S", RED))
        parts += [bottom.label(_svg.short(end), end) for end in bottom.y if end]
    floor = Panel(LEFT, 176, width, 34, time, (0.0, 1.0))
    parts += [
        floor.tick(t, str(t) if t else "t = 0")
        for t in range(0, len(run.x) + 1, 20)
        if t < len(run.x)
    ]
    return _svg.picture(WIDTH, 230, name, parts)


def _wider(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low, low + 1.0)


def _stairs(panel: Panel, values: list[float], colour: str) -> str:
    xs = [x for t in range(len(values)) for x in (t - 0.5, t + 0.5)]
    return panel.line(xs, [v for v in values for _ in range(2)], colour)


def _with_peaks(after: list[float], before: list[float] | None) -> tuple[list[float], list[float]]:
    """Return the line of the potential: up to its value before the spike, and down again."""
    if before is None:
        return [float(t) for t in range(len(after))], after
    xs, ys = [], []
    for t, (h, v) in enumerate(zip(before, after, strict=True)):
        xs += [float(t)] if h == v else [float(t), float(t)]
        ys += [v] if h == v else [h, v]
    return xs, ys


def _curve(kind: type[Any]) -> str:
    xs, ys = curve(kind)
    ends = _wider(min(xs[0], *ys), max(xs[-1], *ys))
    panel = Panel(LEFT, 12, WIDTH - LEFT - RIGHT, 180, (xs[0], xs[-1]), ends)
    return _svg.picture(WIDTH, 230, kind.__name__, [
        panel.level(0.0), panel.line(xs, xs, GREY, 0.8, "4 3"), panel.line(xs, ys, BLUE),
        panel.label("Y", (ends[0] + ends[1]) / 2),
        *(panel.tick(x, f"X = {_svg.short(x)}") for x in (xs[0], 0.0, xs[-1])),
    ])  # fmt: skip


def surrogates() -> dict[str, str]:
    """Return primitive and gradient of each surrogate of the registry, as SVG."""
    made = {}
    for name, kind in surrogate.registry.items():
        if name == "PoissonPass":
            continue  # fires at random; its curves are those of DeterministicPass
        spike = kind(max_spike_count=3) if name == "MultiLevelSpikeCount" else kind()
        spike.set_spiking_mode(False)
        x = torch.linspace(-2.5, 4.5 if name == "MultiLevelSpikeCount" else 2.5, 201)
        x = x.double().requires_grad_()
        p = spike(x)
        (g,) = torch.autograd.grad(p.sum(), x)
        made[name] = _two(name, x.tolist(), p.tolist(), g.tolist())
    return made


def _two(name: str, xs: list[float], p: list[float], g: list[float]) -> str:
    parts = []
    for k, (values, colour, title) in enumerate([(p, BLUE, "p(x)"), (g, ORANGE, "g(x)")]):
        ends = _wider(min(0.0, *values), max(1.0, *values))
        panel = Panel(38 + 160 * k, 20, 114, 90, (xs[0], xs[-1]), ends)
        step = [float(x >= 0) for x in xs]
        parts += [panel.level(0.0), panel.line(xs, step, GREY, 0.8, "3 3") if k == 0 else ""]
        parts += [panel.line((0.0, 0.0), ends, GREY, 0.5)]
        parts += [panel.line(xs, values, colour, 1.8), panel.tick(0.0, "0")]
        parts += [panel.label(_svg.short(end), end) for end in ends if end]
        parts.append(_svg.words(panel.left, 14, title, colour))
    return _svg.picture(320, 130, name, parts)
