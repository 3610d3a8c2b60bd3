"""The catalogue of neurons, in English and in Chinese, from the classes of `bitspike.neuron`."""

import re
from collections.abc import Iterator
from typing import Any

from bitspike import neuron
from bitspike.neuron import equations, is_base

from ._docstring import markdown, parse
from ._text import Parameter, Text, paragraphs, parameters, summary
from ._words import GROUPS, UNITS, WORDS

COMMON = (
    "v_threshold",
    "v_reset",
    "surrogate_function",
    "detach_reset",
    "step_mode",
    "store_v_seq",
)
"""The arguments of nearly every neuron, in the words of `BaseNode`."""


def page(language: str) -> str:
    """Return the page, in ``"en"`` or ``"zh"``."""
    words = WORDS[language]
    kinds = neuron.catalogue().values()
    parts = [f"# {words['title']}", "", words["intro"], f"## {words['common']}", ""]
    parts += [words["common_text"], "", *_table(_common(), language), ""]
    for group, titles in GROUPS.items():
        parts += [f"## {titles[language]}", ""]
        for kind in kinds:
            if not is_base(kind) and kind.group == group:
                parts += [*_entry(kind, language), ""]
    parts += [f"## {words['bases']}", ""]
    for kind in filter(is_base, kinds):
        parts += [*_entry(kind, language), ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip() + "\n"


def _entry(kind: type[Any], language: str) -> Iterator[str]:
    words, name = WORDS[language], kind.__name__
    yield from (f"### {name}", "", markdown(summary(kind).say(language)), "")
    before, after = _around(paragraphs(kind))
    for text in before:
        yield from (markdown(text.say(language)), "")
    lines = [line for _, line in equations(kind)]
    if lines:
        yield from ("```text", *(part for line in lines for part in line.split("\n")), "```", "")
    for text in after:
        yield from (markdown(text.say(language)), "")
    yield from _arguments(kind, language)
    if not is_base(kind):
        alt = words["curve" if kind.demo.curve else "picture"].format(name)
        yield from (f"![{alt}](images/neurons/{name}.svg)", "")
        note = _settings(kind, words)
        if note:
            yield from (f"*{words['with']} {note}*", "")
    for paper in parse(kind.__doc__ or "").papers:
        yield from (f"{words['paper']} {markdown(paper)}", "")


def _around(texts: list[Text]) -> tuple[list[Text], list[Text]]:
    """Return the paragraphs that introduce the equations, and those that come after them."""
    following = [*(text.english for text in texts), ""][1:]
    leads = [
        text.english.endswith(":") and not after.startswith("::")
        for text, after in zip(texts, following, strict=True)
    ]
    return (
        [text for text, lead in zip(texts, leads, strict=True) if lead],
        [text for text, lead in zip(texts, leads, strict=True) if not lead],
    )


def _common() -> list[Parameter]:
    return [row for row in parameters(neuron.BaseNode) if row.name in COMMON]


def _arguments(kind: type, language: str) -> Iterator[str]:
    words = WORDS[language]
    common = {row.name: _clause(row) for row in _common()}
    own: list[Parameter] = []
    shared: list[Parameter] = []
    for row in parameters(kind):
        usual = common.get(row.name) == _clause(row)
        (shared if usual or row.name in ("store_v_seq", "step_mode") else own).append(row)
    if own:
        yield from (*_table(own, language), "")
    if [(row.name, row.default) for row in shared] == [(r.name, r.default) for r in _common()]:
        yield from (words["usual"], "")
    elif shared:
        listed = ", ".join(f"`{row.name}={row.default}`" for row in shared)
        yield from (f"{words['also']} {listed}.", "")


def _clause(row: Parameter) -> str:
    return re.split(r"[;.]", row.text.english)[0]


def _table(rows: list[Parameter], language: str) -> Iterator[str]:
    yield WORDS[language]["head"]
    yield "| --- | --- | --- | --- |"
    for row in rows:
        unit = row.unit if language == "en" else UNITS.get(row.unit, row.unit)
        default = f"`{row.default}`" if row.default else ""
        meaning = markdown(row.text.say(language)).replace("|", "\\|")
        cells = [f"`{row.name}`", default, unit, meaning]
        yield f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def _settings(kind: type[Any], words: dict[str, str]) -> str:
    """Return the parameters of the picture that are not the defaults."""
    shown = [
        f"`{key}={value}`"
        for key, value in kind.demo.shown.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    return ", ".join([*shown, *([words[kind.demo.note]] if kind.demo.note else [])])
