"""The API reference: every public name of every package, from its docstring."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import bitspike

from ._docstring import Docstring, markdown, parse

PROGRAMS = {"cli", "examples", "playground"}
PLUMBING = {"extra_repr", "supported_step_mode", "forward"}


def modules() -> list[str]:
    """The packages with a page, by name."""
    found = (one.name for one in pkgutil.iter_modules(bitspike.__path__))
    return sorted(name for name in found if not name.startswith("_") and name not in PROGRAMS)


def public(module: ModuleType) -> list[str]:
    """The names that a package offers."""
    names = getattr(module, "__all__", None)
    if names is not None:
        return sorted(names, key=str.lower)
    return sorted(
        (
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
        ),
        key=str.lower,
    )


def pages() -> dict[str, str]:
    """File below ``docs`` and Markdown of each page, the list of all first."""
    homes = _homes()
    made = {"api/index.md": _index()}
    for name in modules():
        made[f"api/{name}.md"] = _page(name, homes)
    return made


def _homes() -> dict[str, str]:
    """Where each public name is described, for links."""
    homes: dict[str, str] = {}
    for name in modules():
        for one in public(importlib.import_module(f"bitspike.{name}")):
            homes.setdefault(one, name)
    return homes


def _index() -> str:
    lines = ["# API", "", "Every public name, from the docstrings of the installed version.", ""]
    lines += ["| package | holds |", "| --- | --- |"]
    for name in modules():
        summary = parse(importlib.import_module(f"bitspike.{name}").__doc__ or "").summary
        lines.append(f"| [`bitspike.{name}`]({name}.md) | {markdown(summary)} |")
    return "\n".join(lines) + "\n"


def _page(name: str, homes: dict[str, str]) -> str:
    module = importlib.import_module(f"bitspike.{name}")

    def link(target: str) -> str:
        last = target.removeprefix("bitspike.").split(".")[-1].removesuffix("()")
        home = name if last in public(module) else homes.get(last) if last[:1].isupper() else None
        if home is None or not re.fullmatch(r"[\w.]+(\(\))?", target):
            return f"`{target}`"
        return f"[`{target}`]({'' if home == name else home + '.md'}#{last.lower()})"

    parts = [f"# bitspike.{name}", "", *_text(parse(module.__doc__ or ""), link)]
    for one in public(module):
        parts += [f"## {one}", "", *_described(one, getattr(module, one), link), ""]
    return "\n".join(parts).rstrip() + "\n"


def _described(name: str, value: Any, link: Callable[[str], str]) -> Iterator[str]:
    if inspect.ismodule(value):
        yield markdown(parse(value.__doc__ or "").summary, link)
        return
    if not callable(value):
        yield from ("```python", f"{name}: {type(value).__name__}", "```")
        return
    yield from ("```python", _signature(name, value), "```", "")
    yield from _text(parse(value.__doc__ or ""), link)
    if inspect.isclass(value):
        for key, member in vars(value).items():
            text = inspect.getdoc(member)
            if key.startswith("_") or key in PLUMBING or not text or not _is_method(member):
                continue
            target = member.fget if isinstance(member, property) else getattr(value, key)
            yield from (f"### {name}.{key}", "")
            if not isinstance(member, property):
                yield from ("```python", _signature(key, target), "```", "")
            yield from (*_text(parse(text), link), "")


def _is_method(member: Any) -> bool:
    return isinstance(member, property | staticmethod | classmethod) or inspect.isfunction(member)


def _signature(name: str, value: Any) -> str:
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return f"{name}(...)"
    plain = [
        one.replace(annotation=inspect.Parameter.empty)
        for key, one in signature.parameters.items()
        if key != "self"
    ]
    text = str(signature.replace(parameters=plain, return_annotation=inspect.Signature.empty))
    text = re.sub(r"<(?:function|class|built-in function) '?([\w.]+).*?>", r"\1", text)
    if len(name + text) <= 88:
        return name + text
    arguments = ",\n    ".join(str(one) for one in plain)
    return re.sub(r"<.*? '?([\w.]+).*?>", r"\1", f"{name}(\n    {arguments},\n)")


def _text(found: Docstring, link: Callable[[str], str]) -> Iterator[str]:
    yield from (markdown(found.summary, link), "")
    if found.body:
        yield from (markdown(found.body, link), "")
    for section, items in found.sections.items():
        yield from (f"**{section.replace('Args', 'Arguments')}**", "")
        for key, text in items:
            yield f"- `{key}`: {markdown(text, link)}" if key else f"- {markdown(text, link)}"
        yield ""
    for paper in found.papers:
        yield from (f"*Paper:* {markdown(paper, link)}", "")
