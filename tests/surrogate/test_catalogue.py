"""The table in the documentation: every surrogate stands there, and its formulas are true."""

import inspect
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from bitspike.surrogate import registry

DOCS = Path(__file__).parents[2] / "docs"
ROW = re.compile(r"^\| `(\w+)\((.*?)\)` \| `(.*?)` \| `(.*?)` \|", re.MULTILINE)
ARGUMENTS: dict[str, list[dict[str, Any]]] = {
    "MultiLevelSpikeCount": [{"max_spike_count": 3}],
    "PiecewiseLeakyReLU": [{}, {"w": 0.7, "c": 0.2}],
    "S2NN": [{}, {"alpha": 2.0, "beta": 0.5}],
    "SquarewaveFourierSeries": [{}, {"n": 4, "T_period": 3.0}],
    "LeakyKReLU": [{}, {"leak": 0.2, "k": 2.0}],
}
FUNCTIONS: dict[str, Any] = {
    **{name: getattr(math, name) for name in ("atan", "cos", "erfc", "exp", "log", "pi", "sin")},
    **{function.__name__: function for function in (math.sqrt, abs, max, min, range, sum)},
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "sign": lambda x: 1 if x >= 0 else -1,
    "heaviside": lambda x: int(x >= 0),
}


def rows(page: str) -> list[tuple[str, str, str, str]]:
    return [m.groups() for m in ROW.finditer((DOCS / page).read_text(encoding="utf-8"))]  # type: ignore[misc]


def test_every_surrogate_stands_there() -> None:
    table = rows("surrogates.md")
    assert [name for name, *_ in table] == sorted(registry, key=str.lower)
    assert rows("surrogates.zh.md") == table
    for name, arguments, *_ in table:
        shown = [
            p.name if p.default is p.empty else f"{p.name}={p.default!r}"
            for p in inspect.signature(registry[name]).parameters.values()
            if p.name not in ("spiking", "grad_window")
        ]
        assert arguments == ", ".join(shown)


@pytest.mark.parametrize(
    ("name", "gradient", "primitive"), [(n, g, p) for n, _, g, p in rows("surrogates.md")]
)
def test_formulas(name: str, gradient: str, primitive: str) -> None:
    cls: Any = registry[name]
    others: list[dict[str, Any]] = [{}, {"alpha": 1.7}] if registry[name].names else [{}]
    for arguments in ARGUMENTS.get(name, others):
        function = cls(**arguments)
        shape = function.parameters_of_shape()
        named = dict(zip(function.names, shape, strict=True))
        x = torch.cat([torch.linspace(-3.03, 3.03, 122).double(), torch.zeros(1)])
        for formula, compute in ((gradient, function.derivative), (primitive, function.primitive)):
            expected = [
                eval(formula, {**FUNCTIONS, "__builtins__": {}, **named, "x": one})  # noqa: S307
                for one in x.tolist()
            ]
            torch.testing.assert_close(compute(x, *shape), torch.tensor(expected, dtype=x.dtype))
