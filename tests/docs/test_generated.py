"""Generated pages are fresh, complete in both languages, and say what the library says."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from bitspike import neuron, surrogate

ROOT = Path(__file__).parents[2]


@pytest.fixture
def documentation(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    import scripts.documentation as package
    from scripts.documentation import __main__, _api, _catalogue, _chinese  # noqa: F401

    return package


def test_pages_and_pictures_are_fresh(documentation: ModuleType) -> None:
    assert documentation.__main__.stale() == [], "run `make pages`"


def test_what_is_out_of_date_is_found(documentation: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "images/neurons").mkdir(parents=True)
    (tmp_path / "images/neurons/GoneNode.svg").write_text("<svg/>")
    (tmp_path / "neurons.md").write_text("old")
    wrong = documentation.__main__.stale(tmp_path)
    assert {"neurons.md", "images/neurons/LIFNode.svg", "images/neurons/GoneNode.svg"} <= set(wrong)


def test_a_pixel_may_differ_and_no_more() -> None:
    import importlib
    import sys

    sys.path.insert(0, str(ROOT))
    try:
        alike = importlib.import_module("scripts.documentation._compare").alike
    finally:
        sys.path.remove(str(ROOT))
    assert alike("<svg 1.0 20.5/>", "<svg 1.1 20.5/>")
    assert not alike("<svg 1.0 20.5/>", "<svg 2.0 20.5/>")
    assert not alike("<svg 1.0/>", "<svg 1.0 1.0/>")
    assert not alike("text 1.0", "text 1.1")


def test_every_neuron_is_in_the_catalogue() -> None:
    names = {n for n in neuron.__all__ if hasattr(getattr(neuron, n), "describe")}
    assert len(names) > 50
    for page in ("neurons.md", "neurons.zh.md"):
        text = (ROOT / "docs" / page).read_text("utf-8")
        assert set(re.findall(r"^### (\w+)$", text, re.MULTILINE)) == names
        assert "::" not in text
        assert "``" not in text.replace("```", "")


def test_nothing_is_left_untranslated(documentation: ModuleType) -> None:
    names, texts, prose = documentation._catalogue.words_used()
    chinese = documentation._chinese
    assert set(chinese.SUMMARIES) == names
    assert set(chinese.PARAMETERS) == texts
    assert set(chinese.PROSE) == prose
    for table in (chinese.SUMMARIES, chinese.PARAMETERS, chinese.PROSE):
        for english, text in table.items():
            assert text.count("``") % 2 == 0, english


@pytest.mark.parametrize(
    "picture", sorted((ROOT / "docs/images").rglob("*.svg")), ids=lambda p: p.stem
)
def test_pictures_are_drawings(picture: Path) -> None:
    root = ET.fromstring(picture.read_text("utf-8"))  # noqa: S314
    _, _, width, height = (float(part) for part in root.attrib["viewBox"].split())
    lines = root.findall("{*}polyline")
    assert len(lines) >= 2
    for line in lines:
        for point in line.attrib["points"].split():
            x, y = (float(part) for part in point.split(","))
            assert -1 <= x <= width + 1
            assert -1 <= y <= height + 1


def test_every_surrogate_is_shown() -> None:
    text = (ROOT / "docs/concepts/surrogate-gradients.md").read_text("utf-8")
    shown = set(re.findall(r"images/surrogates/(\w+)\.svg", text))
    assert shown == {name for name in surrogate.registry if name != "PoissonPass"}


def test_the_reference_has_every_public_name(documentation: ModuleType) -> None:
    from importlib import import_module

    pages = documentation._api.pages()
    for name in documentation._api.modules():
        text = pages[f"api/{name}.md"]
        headings = set(re.findall(r"^## (\w+)$", text, re.MULTILINE))
        assert headings == set(documentation._api.public(import_module(f"bitspike.{name}")))
        plain = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        assert "``" not in plain, name
        assert "::" not in plain, name
        assert "0x" not in text, f"{name}: an address"
        for target, anchor in re.findall(r"\]\((\w*\.?m?d?)#([\w.]+)\)", text):
            there = pages[f"api/{target}"] if target else text
            assert re.search(rf"^## {anchor}$", there, re.MULTILINE | re.IGNORECASE), (name, anchor)


def test_the_reference_is_in_the_navigation(documentation: ModuleType) -> None:
    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        pass

    Loader.add_multi_constructor("tag:yaml.org,2002:python/name", lambda *_: None)
    nav = yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), Loader)["nav"]  # noqa: S506
    (entries,) = (value for one in nav for key, value in one.items() if key == "API")
    listed = [page for entry in entries for page in entry.values()]
    assert listed == ["api/index.md", *(f"api/{name}.md" for name in documentation._api.modules())]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("``a * b`` and `c`", "`a * b` and `c`"),
        ("a * b < c", r"a \* b &lt; c"),
        ("So::\n\n    x = 1\n\nand on", "So:\n\n```text\nx = 1\n```\n\nand on"),
        ("``over two\nlines``", "`over two\nlines`"),
    ],
)
def test_docstrings_become_markdown(documentation: ModuleType, text: str, expected: str) -> None:
    from scripts.documentation._docstring import markdown

    assert markdown(text) == expected


def test_docstrings_are_taken_apart(documentation: ModuleType) -> None:
    from scripts.documentation._docstring import parse

    found = parse(
        """What it
        is.

        More.

        Args:
            a, b: two
                of them.
            *c: rest.

        Returns:
            Something.

        Paper: Somebody,
        2020.
        """
    )
    assert (found.summary, found.body) == ("What it is.", "More.")
    assert found.sections["Args"] == [("a, b", "two of them."), ("*c", "rest.")]
    assert found.sections["Returns"] == [("", "Something.")]
    assert found.papers == ["Somebody, 2020."]
