"""Write the tables of docs/compatibility.md: every public name of SpikingJelly 2.0, and ours.

``python scripts/compatibility.py`` rewrites the part of both pages between the two marks. A name
is *same* if it exists here and can be called as it is called there, unless compatibility.toml says
what is different; what does not exist here needs a reason there.
"""

import importlib
import inspect
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from bitspike import neuron

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
PAGES = {"en": DOCS / "compatibility.md", "zh": DOCS / "compatibility.zh.md"}
INTERNAL = {"super_forward", "bn_type"}
"""Attributes that serve SpikingJelly's own code."""
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"

WORDS = {
    "en": {
        "head": "| name | |",
        "same": "same",
        "different": "different: ",
        "left out": "left out: ",
        "sum": "{same} of {all} names are the same ({share:.1f} %), {different} are different, "
        "{left_out} left out.",
        "module": "{same} of {all} the same",
        "more": "Neurons that SpikingJelly does not have: {names}.",
    },
    "zh": {
        "head": "| 名称 | |",
        "same": "相同",
        "different": "不同：",
        "left out": "未提供：",
        "sum": "{all} 个名称中有 {same} 个相同（{share:.1f} %），"
        "{different} 个不同，{left_out} 个未提供。",
        "module": "{all} 个中有 {same} 个相同",
        "more": "SpikingJelly 没有的神经元：{names}。",
    },
}


@dataclass(frozen=True)
class Row:
    """A name, whether it is the same here, and why not, in each language."""

    module: str
    name: str
    status: str
    why: dict[str, str]


def peer_module(module: str) -> Any:
    """Return the module of SpikingJelly."""
    below = "" if module == "visualizing" else "activation_based."
    return importlib.import_module(f"spikingjelly.{below}{module}")


def rows() -> list[Row]:
    """Return every name of compatibility.toml, in its order.

    Raises:
        ValueError: if a name has no reason where it needs one, or one that it does not need.
    """
    table = tomllib.loads((HERE / "compatibility.toml").read_text(encoding="utf-8"))
    found, faults = [], []
    for module, names in table["names"].items():
        ours, theirs = importlib.import_module(f"bitspike.{module}"), peer_module(module)
        for name in names:
            full = f"{module}.{name}"
            different = table["different"].pop(full, None)
            left_out = table["left_out"].pop(full, None)
            if not hasattr(ours, name):
                if left_out is None:
                    faults.append(f"{full} does not exist here: say in left_out why")
                found.append(Row(module, name, "left out", left_out or {}))
                continue
            if left_out is not None:
                faults.append(f"{full} is said to be left out, but exists")
            problem = difference(getattr(ours, name), getattr(theirs, name))
            if problem and not different:
                faults.append(f"{full}: {problem}; mend it, or say in different why")
            found.append(Row(module, name, "different" if different else "same", different or {}))
    faults += [f"{full} is no name of SpikingJelly's" for full in table["different"]]
    faults += [f"{full} is no name of SpikingJelly's" for full in table["left_out"]]
    if faults:
        raise ValueError("\n".join(faults))
    return found


def difference(ours: Any, theirs: Any) -> str | None:
    """Return a call that works there and not here; None if there is none."""
    if inspect.ismodule(theirs):
        absent = [name for name in vars(theirs) if not name.startswith("_")
                  and getattr(vars(theirs)[name], "__module__", None) == theirs.__name__
                  and not hasattr(ours, name)]  # fmt: skip
        return f"it lacks {absent}" if absent else None
    if hasattr(theirs, "apply") and not issubclass(theirs, nn.Module):  # an autograd.Function
        return None if callable(getattr(ours, "apply", None)) else "it has no apply"
    lacking = attributes(theirs) - attributes(ours) - INTERNAL if inspect.isclass(theirs) else set()
    if lacking:
        return f"it lacks {', '.join(sorted(lacking))}"
    problem = difference_of_signatures(named(ours), named(theirs))
    # Theirs hand arguments on by *args and **kwargs, where ours have names.
    return None if problem and "needs" in problem and hands_on(theirs) else problem


def attributes(kind: type) -> set[str]:
    """Return the public attributes of a class, of its instances where they are declared."""
    declared = {n for base in kind.__mro__ for n in vars(base).get("__annotations__", ())}
    known = {*dir(kind), *declared} - set(dir(nn.Module))
    return {name for name in known if not name.startswith("_")}


def named(function: Any) -> list[inspect.Parameter]:
    """Return the parameters that have a name."""
    parameters = inspect.signature(function).parameters.values()
    return [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def hands_on(function: Any) -> bool:
    """Return whether a function takes any arguments by position and by name."""
    kinds = {p.kind for p in inspect.signature(function).parameters.values()}
    return {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} <= kinds


def difference_of_signatures(
    ours: list[inspect.Parameter], theirs: list[inspect.Parameter]
) -> str | None:
    """Return how the arguments differ; ours may take more, and need less."""
    by_name = {p.name: p for p in ours}
    positional = [p.name for p in ours if p.kind is not p.KEYWORD_ONLY]
    for place, wanted in enumerate(theirs):
        if wanted.name not in by_name:
            return f"it has no argument {wanted.name}"
        # Layers take the step mode by position as well, see layer.Stepwise and its test.
        by_position = wanted.kind is not wanted.KEYWORD_ONLY and wanted.name != "step_mode"
        if by_position and positional[place : place + 1] != [wanted.name]:
            return f"its argument {wanted.name} is not at place {place}"
        mine = by_name[wanted.name].default
        if wanted.default is not wanted.empty and not same_default(mine, wanted.default):
            return f"{wanted.name} is {mine!r} and not {wanted.default!r}"
    more = by_name.keys() - {p.name for p in theirs}
    needed = [name for name in more if by_name[name].default is inspect.Parameter.empty]
    return f"it needs {needed}" if needed else None


def same_default(ours: Any, theirs: Any) -> bool:
    """Return whether defaults are equal; tests compare what modules and functions compute."""
    if isinstance(theirs, nn.Module):  # there one for all, here a new one for each
        return ours is None or repr(ours) == repr(theirs)
    if callable(theirs):
        return callable(ours)
    return bool(ours == theirs)


def rendered(language: str, found: list[Row]) -> str:
    """Return the tables of one page."""
    words = WORDS[language]

    def count(status: str, module: str | None = None) -> int:
        return sum(row.status == status and module in (None, row.module) for row in found)

    parts = [
        words["sum"].format(
            all=len(found), same=count("same"), share=100 * count("same") / len(found),
            different=count("different"), left_out=count("left out"),
        )
    ]  # fmt: skip
    for module in dict.fromkeys(row.module for row in found):
        own = [row for row in found if row.module == module]
        total = words["module"].format(same=count("same", module), all=len(own))
        lines = [f"| `{r.name}` | {words[r.status]}{r.why.get(language, '')} |" for r in own]
        parts += [f"### {module}", total, "\n".join([words["head"], "| --- | --- |", *lines])]
        if module == "neuron":
            more = neuron.catalogue().keys() - {row.name for row in own}
            parts.append(words["more"].format(names=", ".join(f"`{n}`" for n in sorted(more))))
    return "\n\n".join(parts)


def with_tables(page: str, tables: str) -> str:
    """Return ``page`` with these tables between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"the page must hold the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"


def main() -> None:
    """Rewrite both pages."""
    found = rows()
    for language, page in PAGES.items():
        text = page.read_text(encoding="utf-8")
        page.write_text(with_tables(text, rendered(language, found)), encoding="utf-8")


if __name__ == "__main__":
    main()
