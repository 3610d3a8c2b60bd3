"""The words of a neuron's docstrings: summary, paragraphs and arguments, each with a key.

The key of a summary is the class's name, of a paragraph ``LIFNode.1``, of an argument
``LIFNode.tau``, with the class that describes it. ``chinese.toml`` translates by these keys.
"""

import inspect
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bitspike import neuron
from bitspike.neuron import equations

from ._docstring import parse

CHINESE = Path(__file__).with_name("chinese.toml")
_SEE = re.compile(
    r"[^.:]*[Aa]rguments[^.:]*: see [^.]*\.|(?:Equations|Charge|Charge and reset): see [^.]*\."
)
_SHARED_BASES = (
    neuron.NonSpikingBaseNode,
    neuron.NoisyBaseNode,
    neuron.LIFNode,
    neuron.BaseNode,
)
"""Classes whose docstrings describe arguments of neurons that do not derive from them."""


@dataclass(frozen=True)
class Text:
    """A piece of a docstring, in the docstring's own markup, with its key."""

    key: str
    english: str

    def say(self, language: str) -> str:
        """Return the text in ``"en"`` or ``"zh"``; the English one if it is not translated."""
        return self.english if language == "en" else chinese().get(self.key, self.english)


@dataclass(frozen=True)
class Parameter:
    """An argument of a neuron's constructor.

    Attributes:
        name: its name.
        default: as it stands in the signature; empty if there is none.
        unit: of a number; empty if it has none.
        text: its description.
    """

    name: str
    default: str
    unit: str
    text: Text


def chinese() -> dict[str, str]:
    """Return the translations by key."""
    return tomllib.loads(CHINESE.read_text("utf-8"))


def summary(kind: type) -> Text:
    """Return the first sentence of a class."""
    return Text(kind.__name__, parse(kind.__doc__ or "").summary)


def paragraphs(kind: type) -> list[Text]:
    """Return the paragraphs of a class, without equations and references to other classes."""
    shown = {part.strip() for _, line in equations(kind) for part in line.split("\n")}
    parts: list[str] = []
    lines: list[str] = []
    for line in [*parse(kind.__doc__ or "").body.splitlines(), ""]:
        if line.startswith("    ") and line.strip() in shown:
            continue
        if line:
            lines.append(line)
        elif lines:
            parts.append(_paragraph(lines))
            lines = []
    return [Text(f"{kind.__name__}.{k}", part) for k, part in enumerate(filter(None, parts), 1)]


def _paragraph(lines: list[str]) -> str:
    if all(line.startswith("    ") for line in lines):
        return "::\n\n" + "\n".join(lines)
    text = _SEE.sub("", " ".join(line.strip() for line in lines)).strip()
    text = re.sub(r"::$", ":", text)
    text = re.sub(r"Charge: ``H\[t\] = [^`]*``\.?", "", text).strip()
    return "" if text in (":", "Charge:") else text


def parameters(kind: type) -> list[Parameter]:
    """Return the arguments of the constructor in their order, those of older releases left out."""
    rows = []
    for name, parameter in inspect.signature(kind).parameters.items():
        if name == "older":
            continue
        given = parameter.default is not inspect.Parameter.empty
        default = _default(parameter.default) if given else ""
        unit = neuron.unit(parameter.annotation)
        variadic = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
        stars = next((mark for which, mark in variadic.items() if which is parameter.kind), "")
        rows.append(Parameter(stars + name, default, unit, _meaning(kind, stars + name)))
    return rows


def _default(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) and len(repr(value)) > 8 else repr(value)


def _meaning(kind: type, name: str) -> Text:
    """Return the first description that does not send the reader to another class."""
    for base in (*kind.__mro__, *_SHARED_BASES):
        for described, text in parse(base.__dict__.get("__doc__") or "").arguments:
            if described == name and not text.startswith("see "):
                return Text(f"{base.__name__}.{name.lstrip('*')}", text)
    return Text(f"{kind.__name__}.{name.lstrip('*')}", "")


def texts() -> Iterator[Text]:
    """Yield every text of the catalogue that needs a translation."""
    for kind in neuron.catalogue().values():
        yield summary(kind)
        yield from (text for text in paragraphs(kind) if not text.english.startswith("::"))
        yield from (row.text for row in parameters(kind))


def untranslated() -> list[str]:
    """Return the keys of the texts without a translation."""
    return sorted({text.key for text in texts()} - chinese().keys())
