"""Read the library's docstrings, and write them as Markdown for the catalogue and the API pages.

Docstrings are in Google style, which griffe parses. Their text marks code by two backticks, names
of the library by one, and literal blocks by ``::``.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from inspect import cleandoc
from typing import Any

import griffe

_LITERAL = re.compile(r"^( *)(.*)::\n\n((?:\1 {4}.*\n|\n)+)", re.MULTILINE)
_PYTHON = re.compile(r"from |import |>>> |\w+(, \w+)* = \w+[.(]|for |class |with ")
_CODE = re.compile(r"``(.+?)``|`([^`]+)`", re.DOTALL)
_PAPER = re.compile(r"Papers?: ")


@dataclass(frozen=True)
class Docstring:
    """The parts of a docstring, in the docstring's own markup.

    Attributes:
        summary: the first paragraph.
        body: the paragraphs between summary and sections.
        arguments: names and descriptions of the section "Args".
        papers: the references, without the word "Paper".
    """

    summary: str
    body: str
    arguments: list[tuple[str, str]]
    papers: list[str]


def parse(text: str) -> Docstring:
    """Take a docstring apart."""
    sections = griffe.Docstring(cleandoc(text)).parse("google", warnings=False)
    paragraphs: list[str] = []
    arguments: list[tuple[str, str]] = []
    for section in sections:
        if section.kind is griffe.DocstringSectionKind.text:
            paragraphs += re.split(r"\n{2,}", section.value)
        elif section.kind is griffe.DocstringSectionKind.parameters:
            arguments += [(item.name, _joined(item.description)) for item in section.value]
    papers = [_joined(_PAPER.sub("", part)) for part in paragraphs if _PAPER.match(part)]
    prose = [part for part in paragraphs if not _PAPER.match(part)]
    summary = _joined(prose[0]) if prose else ""
    return Docstring(summary, "\n\n".join(prose[1:]), arguments, papers)


def _joined(text: str) -> str:
    return " ".join(text.split())


def markdown(text: str, link: Callable[[str], str] = "`{}`".format) -> str:
    """Return a docstring's text as Markdown.

    Args:
        text: the text, at any indentation.
        link: returns the Markdown for a name of the library.
    """
    pieces = _LITERAL.split(text + "\n\n")
    parts = [_code(pieces[0], link)]
    for indent, lead, block, after in zip(*(pieces[k::4] for k in (1, 2, 3, 4)), strict=True):
        code = re.sub(rf"^{indent} {{4}}", indent, block.strip("\n"), flags=re.MULTILINE)
        language = "python" if _PYTHON.match(code.strip()) else "text"
        lead = f"{indent}{_code(lead, link)}:\n\n" if lead else ""
        parts.append(f"{lead}{indent}```{language}\n{code}\n{indent}```\n\n{_code(after, link)}")
    return "".join(parts).strip("\n")


def _code(text: str, link: Callable[[str], str]) -> str:
    return _CODE.sub(lambda match: f"`{match[1]}`" if match[1] else link(match[2]), text)


class LibraryMarkup(griffe.Extension):
    """Write the library's docstrings as Markdown, with links, before mkdocstrings renders them."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Rewrite every docstring of a package that has been loaded."""
        if pkg.name == "bitspike":
            self.homes = public_names(pkg)
            self._rewrite(pkg)

    def _rewrite(self, obj: griffe.Object) -> None:
        if obj.docstring:
            package = obj.module.path.split(".")[1:2]
            obj.docstring.value = markdown(
                obj.docstring.value, lambda name: self._link(name, "".join(package))
            )
        for member in obj.members.values():
            if isinstance(member, griffe.Object):
                self._rewrite(member)

    def _link(self, text: str, package: str) -> str:
        """Return the link to a name: of the same package, ``package.name``, or any class."""
        *path, name = text.removeprefix("bitspike.").removesuffix("()").split(".")
        homes = self.homes.get(name, [])
        wanted = path[0] if path else package
        if wanted not in homes and (path or not name[:1].isupper()):
            homes = []
        if not homes:
            return f"`{text}`"
        return f"[`{text}`][bitspike.{wanted if wanted in homes else homes[0]}.{name}]"


def public_names(library: griffe.Module) -> dict[str, list[str]]:
    """Return the packages that describe each public name."""
    homes: dict[str, list[str]] = {}
    for package in sorted(library.modules.values(), key=lambda module: module.name):
        if not package.name.startswith("_"):
            for name in map(str, package.exports or ()):
                if _described(package, name):
                    homes.setdefault(name, []).append(package.name)
    return homes


def _described(package: griffe.Module, name: str) -> bool:
    try:
        return package[name].has_docstring and not package[name].is_module
    except (KeyError, griffe.AliasResolutionError):
        return False
