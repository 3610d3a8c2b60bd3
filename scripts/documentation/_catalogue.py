"""The catalogue of neurons, in English and in Chinese, from the classes of `bitspike.neuron`."""

import re
from collections.abc import Callable, Iterator

from bitspike import neuron
from bitspike.neuron import equations

from . import _chinese, _traces
from ._docstring import markdown, parse
from ._parameters import SHARED, Parameter, parameters
from ._prose import prose
from ._words import GROUPS, UNITS, WORDS


def page(language: str) -> str:
    """The page, in ``"en"`` or ``"zh"``."""
    words = WORDS[language]
    names = [name for name in neuron.__all__ if _traces.is_neuron(name)]
    grouped = [name for *_, members in GROUPS.values() for name in members.split()]
    lost = sorted(set(_traces.drawn()) ^ set(grouped))
    if lost:
        raise ValueError(
            f"GROUPS of the catalogue does not fit bitspike.neuron: {lost}. Give a new neuron its "
            "place there, its words in _chinese.py and, if the usual run does not show what is "
            "special about it, its input in _traces.py"
        )
    parts = [f"# {words['title']}", "", words["intro"], f"## {words['common']}", ""]
    parts += [words["common_text"], "", *_table(_common(), language), ""]
    for english, chinese, members in GROUPS.values():
        parts += [f"## {english if language == 'en' else chinese}", ""]
        for name in members.split():
            parts += [*_entry(name, language), ""]
    parts += [f"## {words['bases']}", ""]
    for name in names:
        if _traces.is_base(name):
            parts += [*_entry(name, language), ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip() + "\n"


def _entry(name: str, language: str) -> Iterator[str]:
    words, kind = WORDS[language], getattr(neuron, name)
    say = _speaker(language)
    yield f"### {name}"
    yield ""
    summary = parse(kind.__doc__).summary
    yield markdown(summary if language == "en" else _chinese.SUMMARIES[name])
    yield ""
    before, after = _around(prose(kind))
    for text in before:
        yield from (say(_chinese.PROSE, text), "")
    lines = [line for _, line in equations(kind)]
    if lines:
        yield from ("```text", *(part for line in lines for part in line.split("\n")), "```", "")
    for text in after:
        yield from (markdown(text) if text.startswith("::") else say(_chinese.PROSE, text), "")
    yield from _arguments(kind, language)
    if not _traces.is_base(name):
        what = words["curve" if name in _traces.CURVES else "picture"].format(name)
        yield f"![{what}](images/neurons/{name}.svg)"
        yield ""
        note = _settings(name, words)
        if note:
            yield from (f"*{words['with']} {note}*", "")
    for paper in parse(kind.__doc__).papers:
        yield from (f"{words['paper']} {markdown(paper)}", "")


def _speaker(language: str) -> Callable[[dict[str, str], str], str]:
    return lambda table, text: markdown(text if language == "en" else table[text])


def _around(paragraphs: list[str]) -> tuple[list[str], list[str]]:
    """What introduces the equations, and what comes after them."""
    leads = [
        text.endswith(":") and not (k + 1 < len(paragraphs) and paragraphs[k + 1].startswith("::"))
        for k, text in enumerate(paragraphs)
    ]
    return (
        [text for text, lead in zip(paragraphs, leads, strict=True) if lead],
        [text for text, lead in zip(paragraphs, leads, strict=True) if not lead],
    )


def _common() -> list[Parameter]:
    return [one for one in parameters(neuron.BaseNode) if one.name in SHARED]


def _arguments(kind: type, language: str) -> Iterator[str]:
    words = WORDS[language]
    usual = {one.name: one.text for one in _common()}
    own: list[Parameter] = []
    shared: list[Parameter] = []
    for one in parameters(kind):
        known = (
            one.name in usual
            and re.split(r"[;.]", one.text)[0] == re.split(r"[;.]", usual[one.name])[0]
        )
        (shared if known or one.name in ("store_v_seq", "step_mode") else own).append(one)
    if own:
        yield from (*_table(own, language), "")
    defaults = {one.name: one.default for one in shared}
    if defaults == {one.name: one.default for one in _common()}:
        yield from (words["usual"], "")
    elif shared:
        listed = ", ".join(f"`{one.name}={one.default}`" for one in shared)
        yield from (f"{words['also']} {listed}.", "")


def _table(rows: list[Parameter], language: str) -> Iterator[str]:
    words, say = WORDS[language], _speaker(language)
    yield words["head"]
    yield "| --- | --- | --- | --- |"
    for one in rows:
        unit = one.unit if language == "en" else UNITS.get(one.unit, one.unit)
        default = f"`{one.default}`" if one.default else ""
        cells = [
            f"`{one.name}`",
            default,
            unit,
            say(_chinese.PARAMETERS, one.text).replace("|", "\\|"),
        ]
        yield f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def _settings(name: str, words: dict[str, str]) -> str:
    """The parameters of the picture that are not the defaults."""
    shown = [
        f"`{key}={value}`"
        for key, value in _traces.ARGUMENTS.get(name, {}).items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    if name in ("PSN", "MaskedPSN"):
        shown.append(words["unused"])
    if "ILC" in name or "Recurrent" in name:
        shown.append(words["conn"])
    return ", ".join(shown)


def words_used() -> tuple[set[str], set[str], set[str]]:
    """Names, descriptions and paragraphs that the Chinese page needs a translation of."""
    names = {name for name in neuron.__all__ if _traces.is_neuron(name)}
    kinds = [getattr(neuron, name) for name in names]
    texts = {one.text for kind in kinds for one in parameters(kind)}
    return (
        names,
        texts,
        {text for kind in kinds for text in prose(kind) if not text.startswith("::")},
    )
