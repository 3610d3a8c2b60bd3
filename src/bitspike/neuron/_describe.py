"""A neuron shows the equations by which it works: those of its class's description."""

import html
import re
from collections.abc import Iterator
from inspect import cleandoc
from typing import Any

from torch import nn

Equation = tuple[str, str]
"""What is defined, ``H[t]``, and the lines that define it."""

_INLINE = re.compile(r"``([A-Z]\w*\[t\] = [^`]+)``")
_LEFT = re.compile(r"(\S.*?) = ")
_CONDITION = re.compile(r"\s{3,}(?:soft reset, )?(\w+)=(\w+)$|\s{3,}(hard) reset$")


class Describable:
    """Mixin of the neurons: ``print(node)`` shows the update equations, ``repr`` stays short."""

    def describe(self) -> str:
        """The neuron with its settings, and under it the equations that hold with them."""
        own = self.extra_repr() if isinstance(self, nn.Module) else ""
        lines = [line for _, line in equations(type(self)) for line in _valid(self, line)]
        spike = getattr(self, "surrogate_function", None)
        lines += [] if spike is None else [f"gradient of Theta: {spike!r}"]
        return "\n".join([f"{type(self).__name__}({own})", *(f"    {line}" for line in lines)])

    def __str__(self) -> str:
        return self.describe()

    def _repr_html_(self) -> str:
        head, *lines = self.describe().split("\n    ")
        body = html.escape("\n".join(lines))
        return f"<div><code>{html.escape(head)}</code><pre>{body}</pre></div>"


def equations(kind: type) -> list[Equation]:
    """The equations of a neuron's class: its own, and of its bases what it does not define anew.

    They stand in the classes' docstrings, in literal blocks and in code that begins ``H[t] =``.
    """
    found: list[Equation] = []
    inherited = False
    for one in kind.__mro__:
        if one is Describable:
            break
        known = {left for left, _ in found}
        own = [equation for equation in _own(one.__doc__ or "") if equation[0] not in known]
        inherited = inherited or (bool(found) and any(left == "H[t]" for left, _ in own))
        found += own
    order = {"H[t]": 1, "S[t]": 2, "V[t]": 3, "Y[t]": 4}
    return sorted(found, key=lambda e: order.get(e[0], 0)) if inherited else found


def _own(docstring: str) -> Iterator[Equation]:
    """The equations of one docstring; of those for the same thing, the first block's."""
    text = re.split(r"^(?:Args|Raises|Papers?|Attributes):", cleandoc(docstring), flags=re.M)[0]
    known: set[str] = set()
    for block in _blocks(text):
        own = list(_split(block))
        yield from (equation for equation in own if equation[0] not in known)
        known.update(left for left, _ in own)


def _blocks(text: str) -> Iterator[list[str]]:
    """Literal blocks and inline equations in the order of the text, as lines."""
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
            lines[-1] += f"\n{line}"  # what goes on in the next line
        else:
            lines.append(line)
    for line in lines:
        left = _LEFT.match(line)
        yield (left[1] if left else line), line


def _valid(node: Any, line: str) -> list[str]:
    """The line without its condition, or nothing if that does not hold for ``node``."""
    match = _CONDITION.search(line)
    if match is None:
        return line.split("\n")
    name, value = ("v_reset", "hard") if match[3] else (match[1], match[2])
    now = getattr(node, name, None)
    holds = now is not None if value == "hard" else str(now) == value
    return [line[: match.start()]] if holds else []
