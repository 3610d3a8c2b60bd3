"""Read the docstrings of the library, and write them as Markdown."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import cleandoc

_SECTIONS = "Args|Raises|Returns|Yields|Attributes"
_HEAD = re.compile(rf"({_SECTIONS}):$")
_ITEM = re.compile(r"(\*{0,2}[\w., *]+?)(?: \(.*?\))?: (.*)")


@dataclass
class Docstring:
    """A docstring in its parts; text keeps the docstring's own markup.

    Attributes:
        summary: the first paragraph.
        body: what follows, without sections.
        sections: ``"Args"``, ``"Raises"`` and the like: names and what they mean. What has no
            names has the name ``""``.
        papers: references, without the word "Paper".
    """

    summary: str = ""
    body: str = ""
    sections: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    papers: list[str] = field(default_factory=list)


def parse(text: str) -> Docstring:
    """The parts of a docstring in google style."""
    found = Docstring()
    body: list[str] = []
    lines = cleandoc(text).splitlines()
    at = 0
    while at < len(lines):
        head = _HEAD.match(lines[at])
        if head:
            at, block = _indented(lines, at + 1)
            found.sections[head[1]] = _items(block)
        elif re.match(r"Papers?: ", lines[at]):
            at, block = _paragraph(lines, at)
            found.papers.append(" ".join(block).split(": ", 1)[1])
        else:
            body.append(lines[at])
            at += 1
    first, _, rest = "\n".join(body).strip().partition("\n\n")
    found.summary, found.body = " ".join(first.split()), rest.strip("\n")
    if first.endswith("::"):  # the summary leads straight into a literal block
        found.summary, found.body = first[:-2].rstrip() + ":", f"::\n\n{rest}"
    return found


def _indented(lines: list[str], at: int) -> tuple[int, list[str]]:
    start = at
    while at < len(lines) and (not lines[at] or lines[at].startswith(" ")):
        at += 1
    return at, [line[4:] for line in lines[start:at]]


def _paragraph(lines: list[str], at: int) -> tuple[int, list[str]]:
    start = at
    while at < len(lines) and lines[at]:
        at += 1
    return at, lines[start:at]


def _items(block: list[str]) -> list[tuple[str, str]]:
    items: list[tuple[str, str]] = []
    for line in block:
        match = None if line.startswith(" ") else _ITEM.fullmatch(line)
        if match:
            items.append((match[1], match[2]))
        elif items and line:
            items[-1] = (items[-1][0], f"{items[-1][1]} {line.strip()}".strip())
        elif line:
            items.append(("", line.strip()))
    return items


def markdown(text: str, link: Callable[[str], str] = lambda name: f"`{name}`") -> str:
    """Text with the markup of docstrings as Markdown.

    Args:
        text: literal blocks after ``::``, code in two backticks, names in one.
        link: what becomes of a name.
    """
    parts: list[str] = []
    plain: list[str] = []
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.endswith("::"):
            plain.append(line)
            at += 1
            continue
        plain += [line[:-1]] if line != "::" else []
        parts.append(_inline("\n".join(plain), link))
        plain = []
        at, block = _indented(lines, at + 1)
        code = "\n".join(block).strip("\n")
        python = re.match(r"from |import |>>> |\w+(, \w+)* = \w+[.(]|for |class |with ", code)
        parts += ["", f"```{'python' if python else 'text'}", code, "```", ""]
    parts.append(_inline("\n".join(plain), link))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).strip("\n")


def _inline(text: str, link: Callable[[str], str]) -> str:
    pieces = re.split(r"(``.+?``|`[^`]+`)", text, flags=re.DOTALL)
    return "".join(
        f"`{piece[2:-2]}`"
        if piece.startswith("``")
        else link(piece[1:-1])
        if piece.startswith("`") and len(piece) > 1
        else piece.replace("*", r"\*").replace("<", "&lt;")
        for piece in pieces
    )
