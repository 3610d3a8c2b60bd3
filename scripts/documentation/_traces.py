"""Run every neuron on the input of its demo, for its picture."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from bitspike import kernels, neuron

RECORDS = ("s", "v_seq", "m_seq", "queue", "time_step", "spike", "cur_output", "last_spike")
"""Memories that are not drawn."""


@dataclass
class Trace:
    """The lines of a picture, one number for each time step.

    Attributes:
        x: the input.
        lines: potentials and other states by name, each with its values after the step.
        before: the potential before the spike, if there is one.
        threshold: the level at which the neuron fires.
        y: the output.
    """

    x: list[float]
    lines: dict[str, list[float]] = field(default_factory=dict)
    before: list[float] | None = None
    threshold: list[float] | None = None
    y: list[float] = field(default_factory=list)


def drawn() -> dict[str, type[Any]]:
    """Return the neurons that have a picture, by name."""
    kinds = neuron.catalogue().items()
    return {name: kind for name, kind in kinds if not neuron.is_base(kind)}


def make(kind: type[Any]) -> Any:
    """Return the neuron of the picture."""
    torch.manual_seed(6)
    node = kind(**kind.demo.shown)
    if kind.demo.prepare is not None:
        kind.demo.prepare(node)
    return node


def trace(kind: type[Any]) -> Trace:
    """Run the neuron of the picture."""
    node = make(kind)
    xs = list(kind.demo.x)
    whole = "s" not in node.supported_step_mode() or node.step_mode == "m"
    with torch.no_grad(), kernels.use_backend("eager"):  # kernels do not call the surrogate
        return _sequence(node, xs) if whole else _steps(node, xs)


def curve(kind: type[Any]) -> tuple[list[float], list[float]]:
    """Return the output over the input, for a neuron without time steps."""
    low, high = kind.demo.curve
    x = torch.linspace(low, high, 241)
    with torch.no_grad():
        return x.tolist(), make(kind)(x).tolist()


def _numbers(values: Sequence[Any] | Tensor) -> list[float]:
    return [float(torch.as_tensor(value).flatten()[0]) for value in values]


def _listen(node: Any) -> list[Tensor]:
    """Return a list that fills with the arguments of the surrogate: distances to the threshold."""
    distances: list[Tensor] = []
    spike = getattr(node, "surrogate_function", None)
    if spike is not None:
        spike.register_forward_pre_hook(
            lambda _, inputs: distances.append(inputs[0].detach().clone())
        )
    return distances


def _threshold(node: Any) -> float | None:
    if node.demo.threshold is not None:
        return float(node.demo.threshold(node))
    value = getattr(node, "v_threshold", getattr(node, "q_threshold", None))
    if isinstance(value, Tensor) and value.numel() == 1:
        value = float(value)
    return float(value) if isinstance(value, int | float) else None


def _steps(node: Any, xs: list[float]) -> Trace:
    distances = _listen(node)
    run = Trace(xs)
    before: list[float] = []
    levels: list[float] = []
    for x in xs:
        level = _threshold(node)
        y = node(torch.full((1, 1), x))
        run.y += _numbers([y[0] if isinstance(y, list) else y])
        for state, value in node.named_memories():
            if state not in RECORDS and isinstance(value, Tensor):
                run.lines.setdefault(_name(state), []).extend(_numbers([value]))
        if level is not None:
            levels.append(level)
            if node.demo.potential is not None:
                before.append(node.demo.potential(node, run.y[-1]))
            elif distances:
                before.append(_numbers(distances)[0] + level)
        distances.clear()
    run.threshold = levels or None
    run.before = before if len(before) == len(xs) else None
    return run


def _sequence(node: Any, xs: list[float]) -> Trace:
    distances = _listen(node)
    if hasattr(node, "reset_noise"):
        node.reset_noise(1)
    ys = _numbers(node(torch.tensor(xs).view(-1, 1, 1)))
    if node.demo.replay is not None:
        after, before, level = node.demo.replay(node, xs, ys)
        return Trace(xs, {"V": after}, before, [level] * len(xs), ys)
    if not distances:
        return Trace(xs, {"V": ys})
    level = _threshold(node) or 0.0
    asked = torch.cat([distance.reshape(-1) for distance in distances])[: len(xs)]
    return Trace(xs, {"H": [float(u) + level for u in asked]}, None, [level] * len(xs), ys)


def _name(state: str) -> str:
    names = {"acc_q": "A", "trace": "A", "rising": "R", "falling": "F"}
    names |= {"_state_0": "V", "_state_1": "W"}
    return names.get(state, state.upper())
