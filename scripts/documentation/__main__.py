"""Write the generated pages and pictures, or name those that are out of date.

``python -m scripts.documentation`` writes; ``--check`` only compares.
"""

import sys
from pathlib import Path

from . import _catalogue, _pictures, _traces
from ._compare import alike

DOCS = Path(__file__).parents[2] / "docs"


def files() -> dict[str, str]:
    """Return path below ``docs`` and content of every generated file."""
    made = {"neurons.md": _catalogue.page("en"), "neurons.zh.md": _catalogue.page("zh")}
    for name, kind in _traces.drawn().items():
        made[f"images/neurons/{name}.svg"] = _pictures.neuron(kind)
    for name, svg in _pictures.surrogates().items():
        made[f"images/surrogates/{name}.svg"] = svg
    return made


def stale(docs: Path = DOCS) -> list[str]:
    """Return the generated files that are absent, out of date, or no longer made."""
    made = files()
    there = {p.relative_to(docs).as_posix() for p in docs.glob("images/*/*.svg")}
    wrong = [
        name
        for name, text in made.items()
        if not (docs / name).is_file() or not alike((docs / name).read_text("utf-8"), text)
    ]
    return sorted(wrong) + sorted(there - made.keys())


def main() -> int:
    """Run the program and return its exit code."""
    if "--check" in sys.argv[1:]:
        wrong = stale()
        sys.stdout.write("".join(f"out of date: docs/{name}\n" for name in wrong))
        return bool(wrong)
    for name, text in files().items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or not alike(path.read_text("utf-8"), text):
            path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
