"""The report of a diagnosis: a row for each layer, advice, a table to print, a dict for JSON."""

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class LayerHealth:
    """The figures of a layer of neurons.

    Attributes:
        name: name of the module in the network.
        kind: its class.
        neurons: number of neurons; samples of a batch are not counted apart.
        rate: share of neurons, samples and steps with a spike; None for neurons that never fire
            by design, or that were not called.
        dead: share of neurons without a spike in any sample at any step.
        saturated: share of neurons with a spike in every sample at every step.
        v_min: lowest membrane potential after a step; None where the neuron shows none.
        v_max: highest membrane potential.
        v_threshold: threshold, where there is one.
        gradient: norm of the loss's gradient with respect to the input of each time step, the
            first first; None without a loss or where none arrives.
    """

    name: str
    kind: str
    neurons: int
    rate: float | None = None
    dead: float | None = None
    saturated: float | None = None
    v_min: float | None = None
    v_max: float | None = None
    v_threshold: float | None = None
    gradient: tuple[float, ...] | None = None

    @property
    def label(self) -> str:
        """Class and name of the layer: ``LIFNode '2'``."""
        return f"{self.kind} {self.name!r}" if self.name else self.kind


@dataclass(frozen=True)
class Health:
    """The diagnosis of a network. Print it, or read its parts.

    Attributes:
        rows: the layers of neurons in the order of ``net.named_modules()``.
        advice: suspicions and what to do about each, in one sentence or two.
        steps: number of time steps.
        loss: the loss, if there is one.
    """

    rows: tuple[LayerHealth, ...]
    advice: tuple[str, ...]
    steps: int
    loss: float | None = None

    def __getitem__(self, name: str) -> LayerHealth:
        """Return the layer of that name, or raise KeyError."""
        for row in self.rows:
            if row.name == name:
                return row
        there = ", ".join(repr(row.name) for row in self.rows)
        raise KeyError(f"no layer of neurons is called {name!r}; there are {there}")

    def to_dict(self) -> dict[str, Any]:
        """Return everything in types that JSON has; numbers that are not finite become None."""
        whole: dict[str, Any] = _plain(asdict(self))
        return whole

    def __str__(self) -> str:
        head = ("layer", "neuron", "neurons", "rate", "dead", "saturated", "membrane", "gradient")
        table = [head, *(_cells(row) for row in self.rows)]
        widths = [max(len(line[i]) for line in table) for i in range(len(head))]
        lines = [
            "  ".join(
                cell.ljust(width) if i < 2 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in table
        ]
        loss = "" if self.loss is None else f", loss {self.loss:.4g}"
        advice = [f"- {text}" for text in self.advice] or ["Nothing conspicuous."]
        return "\n".join([*lines, f"{self.steps} time steps{loss}", *advice])


def _cells(row: LayerHealth) -> tuple[str, ...]:
    membrane = "-" if row.v_min is None else f"{row.v_min:.3g} .. {row.v_max:.3g}"
    gradient = "-"
    if row.gradient:
        gradient = " .. ".join(f"{row.gradient[i]:.1e}" for i in sorted({0, len(row.gradient) - 1}))
    shares = ("-" if s is None else f"{s:.1%}" for s in (row.rate, row.dead, row.saturated))
    return (row.name or "(net)", row.kind, str(row.neurons), *shares, membrane, gradient)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
