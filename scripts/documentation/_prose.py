"""What a neuron's docstring says beside its equations."""

import re

from bitspike.neuron import equations

from ._docstring import parse

_SEE = re.compile(
    r"[^.:]*[Aa]rguments[^.:]*: see [^.]*\.|(?:Equations|Charge|Charge and reset): see [^.]*\."
)


def prose(kind: type) -> list[str]:
    """Paragraphs in the docstring's own markup, without equations and without where to look."""
    text = parse(kind.__doc__ or "").body
    shown = {part.strip() for _, line in equations(kind) for part in line.split("\n")}
    found, keep = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("    ") and line.strip() in shown:
            continue
        if line:
            keep.append(line)
        elif keep:
            found.append(_paragraph(keep))
            keep = []
    return [one for one in found if one]


def _paragraph(lines: list[str]) -> str:
    if all(line.startswith("    ") for line in lines):
        return "::\n\n" + "\n".join(lines)
    text = _SEE.sub("", " ".join(line.strip() for line in lines)).strip()
    text = re.sub(r"::$", ":", text)
    text = re.sub(r"Charge: ``H\[t\] = [^`]*``\.?", "", text).strip()
    return "" if text in (":", "Charge:") else text
