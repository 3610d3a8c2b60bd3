"""Generated pages are fresh, complete in both languages, and say what the library says."""

import importlib
import inspect
import pkgutil
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import griffe
import pytest
import yaml

import bitspike
from bitspike import neuron, surrogate

ROOT = Path(__file__).parents[2]


@pytest.fixture
def documentation(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    import scripts.documentation as package
    from scripts.documentation import __main__, _catalogue, _text  # noqa: F401

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
    names = set(neuron.catalogue())
    assert len(names) > 50
    for page in ("neurons.md", "neurons.zh.md"):
        text = (ROOT / "docs" / page).read_text("utf-8")
        assert set(re.findall(r"^### (\w+)$", text, re.MULTILINE)) == names
        assert "::" not in text
        assert "``" not in text.replace("```", "")


def test_nothing_is_left_untranslated(documentation: ModuleType) -> None:
    texts = documentation._text
    assert texts.untranslated() == []
    words = texts.chinese()
    assert set(words) == {text.key for text in texts.texts()}, "translations of nothing"
    for key, text in words.items():
        assert text.count("``") % 2 == 0, key
        assert not text.isascii(), key


def test_each_group_has_a_title(documentation: ModuleType) -> None:
    groups = {k.group for k in neuron.catalogue().values() if not neuron.is_base(k)}
    assert groups == set(documentation._catalogue.GROUPS)


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


def packages() -> list[str]:
    """Return the names of the packages that an API page describes: all but the programs."""
    names = (module.name for module in pkgutil.iter_modules(bitspike.__path__))
    return sorted(n for n in names if n[0] != "_" and n not in ("cli", "examples", "playground"))


def load() -> griffe.Module:
    """Read the library as mkdocstrings does: the sources, without importing them."""
    loaded = griffe.load("bitspike", search_paths=[ROOT / "src"], resolve_aliases=True)
    assert isinstance(loaded, griffe.Module)
    return loaded


@pytest.fixture(scope="module")
def library() -> griffe.Module:
    return load()


@pytest.mark.parametrize("package", packages())
def test_the_reference_describes_every_public_name(package: str, library: griffe.Module) -> None:
    page = (ROOT / f"docs/api/{package}.md").read_text("utf-8")
    assert f"\n::: bitspike.{package}\n" in page
    module = importlib.import_module(f"bitspike.{package}")
    own = (name for name, value in vars(module).items() if inspect.getmodule(value) is module)
    for name in getattr(module, "__all__", [name for name in own if name[0] != "_"]):
        described = library[package][name]
        if described.is_class or described.is_function:
            assert described.has_docstring, f"{package}.{name}"


def test_the_reference_lists_every_package() -> None:
    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        pass

    Loader.add_multi_constructor("tag:yaml.org,2002:python/name", lambda *_: None)
    nav = yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), Loader)["nav"]  # noqa: S506
    (entries,) = (entry["API"] for entry in nav if "API" in entry)
    listed = [page for entry in entries for page in entry.values()]
    assert listed == ["api/index.md", *(f"api/{name}.md" for name in packages())]
    index = (ROOT / "docs/api/index.md").read_text("utf-8")
    assert re.findall(r"^\| \[`bitspike\.(\w+)`\]\(\1\.md\) \|", index, re.MULTILINE) == packages()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("``a * b`` and `c`", "`a * b` and [c]"),
        ("So::\n\n    x = 1\n\nand on", "So:\n\n```text\nx = 1\n```\n\nand on"),
        ("A.\n\n::\n\n    from a import b\n", "A.\n\n```python\nfrom a import b\n```"),
        ("Args:\n    a: so::\n\n        x\n", "Args:\n    a: so:\n\n    ```text\n    x\n    ```"),
        ("``over two\nlines``", "`over two\nlines`"),
    ],
)
@pytest.mark.usefixtures("documentation")
def test_docstrings_become_markdown(text: str, expected: str) -> None:
    from scripts.documentation._docstring import markdown

    assert markdown(text, link="[{}]".format) == expected


@pytest.mark.usefixtures("documentation")
def test_names_become_links() -> None:
    from scripts.documentation._docstring import LibraryMarkup

    library = load()
    docstring = library["neuron.IFNode"].final_target.docstring
    docstring.value = "`LIFNode`, `functional.reset_net`, `reset_net`, `SpikeTensor`, `v_reset`."
    LibraryMarkup().on_package(pkg=library)
    assert docstring.value == (
        "[`LIFNode`][bitspike.neuron.LIFNode], "
        "[`functional.reset_net`][bitspike.functional.reset_net], `reset_net`, "
        "[`SpikeTensor`][bitspike.spikes.SpikeTensor], `v_reset`."
    )


@pytest.mark.usefixtures("documentation")
def test_no_markup_is_left_over() -> None:
    from scripts.documentation._docstring import LibraryMarkup

    library = load()
    LibraryMarkup().on_package(pkg=library)
    todo: list[griffe.Object | griffe.Alias] = [library]
    while todo:
        described = todo.pop()
        todo += [member for member in described.members.values() if not member.is_alias]
        if described.docstring:
            text = re.sub(r"^ *```.*?^ *```", "", described.docstring.value, flags=re.M | re.S)
            plain = re.sub(r"`[^`]+`", "", text)
            assert "`" not in plain, described.path
            assert "::" not in plain, described.path


@pytest.mark.usefixtures("documentation")
def test_docstrings_are_taken_apart() -> None:
    from scripts.documentation._docstring import parse

    parts = parse(
        """Return the
        sum.

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
    assert (parts.summary, parts.body) == ("Return the sum.", "More.")
    assert parts.arguments == [("a, b", "two of them."), ("*c", "rest.")]
    assert parts.papers == ["Somebody, 2020."]
