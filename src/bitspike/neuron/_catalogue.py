"""Equations, group, units and example of a neuron, from which documentation and tests are made."""

import html
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from inspect import cleandoc
from typing import Annotated, Any, ClassVar, get_args, get_origin

from torch import Tensor

from bitspike.base import ShowsSettings
from bitspike.neuron._arguments import Older, Unit

Equation = tuple[str, str]
"""The defined variable, such as ``H[t]``, and the lines that define it."""

T_DEMO = 60
"""Number of time steps of a picture."""


def pulse(low: float, high: float) -> tuple[float, ...]:
    """Return the input of a picture: a long weak pulse, then a short strong one."""
    return tuple(low if 5 <= t < 30 else high if 38 <= t < 50 else 0.0 for t in range(T_DEMO))


def beats(height: float) -> tuple[float, ...]:
    """Return pairs of short pulses, the second of them early, in time, and late."""
    return tuple(height if t in (4, 7, 22, 28, 42, 52) else 0.0 for t in range(T_DEMO))


def waves(height: float) -> tuple[float, ...]:
    """Return an input of both signs."""
    return tuple((height if t % 30 < 15 else -height) if t >= 3 else 0.0 for t in range(T_DEMO))


@dataclass(frozen=True)
class Demo:
    """An example of a neuron, from which its picture is drawn and its tests are made.

    Attributes:
        x: input of the picture, one number for each time step.
        shown: arguments of the constructor for the picture; None draws the defaults.
        tested: arguments for `testing.check_neuron`, on 6 steps ``[3, 6]``; None tests ``shown``
            without its numbers' values, that is, the defaults.
        without: promises of `testing.check_neuron` that the neuron does not make.
        loop: why its steps have no kernel; empty if they have one.
        prepare: changes the neuron of the picture; ``note`` names the change in the caption.
        threshold: potential at which the neuron of the picture fires next.
        potential: potential before the spike ``s`` of a step, where the neuron's last call of its
            surrogate does not tell it.
        replay: potentials after and before the spikes, and the threshold, from inputs and outputs,
            for a neuron that keeps no potential.
        curve: ends of the input of a neuron without time steps, drawn as output over input.
    """

    x: tuple[float, ...] = pulse(1.2, 1.8)
    shown: Mapping[str, Any] = field(default_factory=dict)
    tested: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    loop: str = ""
    prepare: Callable[[Any], None] | None = None
    note: str = ""
    threshold: Callable[[Any], float] | None = None
    potential: Callable[[Any, float], float] | None = None
    replay: Callable[..., tuple[list[float], list[float], float]] | None = None
    curve: tuple[float, float] | None = None

    def required(self, kind: type) -> dict[str, Any]:
        """Return those of the tested arguments that have no default in the constructor."""
        parameters = inspect.signature(kind).parameters
        empty = inspect.Parameter.empty
        return {k: v for k, v in self.tested.items() if parameters[k].default is empty}


_NOT_SHOWN = ("surrogate_function", "step_mode", "store_v_seq", "store_state_seqs")
"""Arguments that ``repr`` shows elsewhere or leaves out."""


class Describable(ShowsSettings):
    """Mixin of all neurons: ``print(node)`` shows the update equations, ``repr`` stays short."""

    group: ClassVar[str]
    """Chapter of the catalogue. A class without a group of its own is a base to derive from."""
    demo: ClassVar[Demo] = Demo()
    step_function: ClassVar[Callable[..., Any] | None] = None
    """One step as a function of input, states and parameters; `bitspike.functional` exports it."""

    def _accept(self, older: Older) -> None:
        """Take the arguments of older releases."""
        unknown = sorted(older.keys() - Older.__annotations__.keys())
        if unknown:
            raise TypeError(f"{type(self).__name__} got an unexpected argument {unknown[0]!r}")
        if "backend" in older:
            module: Any = self
            module.backend = older["backend"]

    def describe(self) -> str:
        """Return the neuron with its settings, and the equations that hold with them."""
        lines = [line for _, line in equations(type(self)) for line in _valid(self, line)]
        spike = getattr(self, "surrogate_function", None)
        lines += [] if spike is None else [f"gradient of Theta: {spike!r}"]
        head = f"{type(self).__name__}({self.extra_repr()})"
        return "\n".join([head, *(f"    {line}" for line in lines)])

    def _settings(self) -> dict[str, str]:
        shown = {k: v for k, v in super()._settings().items() if k not in _NOT_SHOWN}
        return {**shown, "step_mode": repr(getattr(self, "step_mode", None))}

    def _setting(self, value: Any) -> str:
        if isinstance(value, Tensor) and value.ndim == 0:
            value = value.item()
        long = isinstance(value, float) and len(repr(value)) > 8
        return f"{value:.4g}" if long else super()._setting(value)

    def __str__(self) -> str:
        return self.describe()

    def _repr_html_(self) -> str:
        head, *lines = self.describe().split("\n    ")
        body = html.escape("\n".join(lines))
        return f"<div><code>{html.escape(head)}</code><pre>{body}</pre></div>"


def catalogue() -> dict[str, type[Any]]:
    """Return the neurons of `bitspike.neuron` by name, and the bases to derive from.

    A class that `bitspike.neuron` imports is found without any list.
    """
    package = sorted(vars(sys.modules["bitspike.neuron"]).items())
    return {
        name: kind
        for name, kind in package
        if isinstance(kind, type) and issubclass(kind, Describable) and kind is not Describable
    }


def is_base(kind: type) -> bool:
    """Return whether a class of the catalogue is there to be derived from."""
    return "group" not in vars(kind)


def step_functions() -> dict[str, Callable[..., Any]]:
    """Return the step functions of all neurons by name, as `bitspike.functional` exports them."""
    functions = (kind.step_function for kind in catalogue().values())
    return {function.__name__: function for function in functions if function is not None}


def unit(annotation: Any) -> str:
    """Return the unit in the annotation of an argument; empty if there is none."""
    if get_origin(annotation) is Annotated:
        return next((str(part) for part in get_args(annotation) if isinstance(part, Unit)), "")
    return next(filter(None, map(unit, get_args(annotation))), "")


# -- equations ------------------------------------------------------------------------------

_INLINE = re.compile(r"``([A-Z]\w*\[t\] = [^`]+)``")
_LEFT = re.compile(r"(\S.*?) = ")
_CONDITION = re.compile(r"\s{3,}(?:soft reset, )?(\w+)=(\w+)$|\s{3,}(hard) reset$")


def equations(kind: type) -> list[Equation]:
    """Return the equations of a neuron's class, and those of its bases that it does not replace.

    They stand in the docstrings, in literal blocks and in code that begins with ``H[t] =``.
    """
    known: list[Equation] = []
    inherited = False
    for base in kind.__mro__:
        if base is Describable:
            break
        names = {left for left, _ in known}
        own = [equation for equation in _own(base.__doc__ or "") if equation[0] not in names]
        inherited = inherited or (bool(known) and any(left == "H[t]" for left, _ in own))
        known += own
    order = {"H[t]": 1, "S[t]": 2, "V[t]": 3, "Y[t]": 4}
    return sorted(known, key=lambda e: order.get(e[0], 0)) if inherited else known


def _own(docstring: str) -> Iterator[Equation]:
    """Yield the equations of one docstring; of those for the same thing, the first block's."""
    text = re.split(r"^(?:Args|Raises|Papers?|Attributes):", cleandoc(docstring), flags=re.M)[0]
    known: set[str] = set()
    for block in _blocks(text):
        own = list(_split(block))
        yield from (equation for equation in own if equation[0] not in known)
        known.update(left for left, _ in own)


def _blocks(text: str) -> Iterator[list[str]]:
    """Yield literal blocks and inline equations in the order of the text, as lines."""
    block: list[str] = []
    literal = False
    for line in [*text.splitlines(), "end"]:
        if literal and (line.startswith("    ") or not line):
            block += [line[4:]] if line else []
            continue
        if block:
            yield block
            block = []
        literal = line.endswith("::")
        yield from ([match[1]] for match in _INLINE.finditer(line))


def _split(block: list[str]) -> Iterator[Equation]:
    lines: list[str] = []
    for line in block:
        if line.startswith(" ") and lines:
            lines[-1] += f"\n{line}"  # continues the line before
        else:
            lines.append(line)
    for line in lines:
        left = _LEFT.match(line)
        yield (left[1] if left else line), line


def _valid(node: Any, line: str) -> list[str]:
    """Return the line without its condition, or nothing if that does not hold for ``node``."""
    match = _CONDITION.search(line)
    if match is None:
        return line.split("\n")
    name, value = ("v_reset", "hard") if match[3] else (match[1], match[2])
    now = getattr(node, name, None)
    holds = now is not None if value == "hard" else str(now) == value
    return [line[: match.start()]] if holds else []
