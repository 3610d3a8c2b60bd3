# ruff: noqa: ARG005 -- the functions are only looked at
"""The tables of compatibility.md are what the code says now."""

import importlib.util
import inspect
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def load() -> Any:
    spec = importlib.util.spec_from_file_location(
        "compatibility_script", ROOT / "scripts/compatibility.py"
    )
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


@pytest.fixture(scope="module")
def script() -> Any:
    return load()


@pytest.fixture(scope="module")
def rows(script: Any) -> Any:
    return script.rows()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_is_up_to_date(script: Any, rows: Any, language: str) -> None:
    page = script.PAGES[language].read_text(encoding="utf-8")
    written = script.with_tables(page, script.rendered(language, rows))
    assert page == written, "run: python scripts/compatibility.py"


def test_all_names_are_there_and_most_are_the_same(rows: Any) -> None:
    assert len(rows) == len({(row.module, row.name) for row in rows}) == 281
    same = sum(row.status == "same" for row in rows)
    assert same / len(rows) >= 0.9


def test_what_is_not_the_same_says_why_in_both_languages(rows: Any) -> None:
    for row in rows:
        wanted = set() if row.status == "same" else {"en", "zh"}
        assert set(row.why) == wanted, row.name
        assert all(why.isascii() == (language == "en") for language, why in row.why.items())


def test_the_names_are_those_of_the_package(script: Any, rows: Any) -> None:
    """The list was made once; a name that the package does not have would be a slip."""
    for row in rows:
        assert hasattr(script.peer_module(row.module), row.name)


def f(a: int, b: float = 1.0, *, c: str = "x") -> None: ...


@pytest.mark.parametrize(
    ("ours", "problem"),
    [
        (lambda a, b=1.0, *, c="x": None, None),
        (lambda a=0, b=1.0, c="x", d=None: None, None),
        (lambda a, b=1.0: None, "no argument c"),
        (lambda b=1.0, a=0, c="x": None, "a is not at place 0"),
        (lambda a, *, b=1.0, c="x": None, "b is not at place 1"),
        (lambda a, b=2.0, c="x": None, "b is 2.0 and not 1.0"),
        (lambda a, b, c="x": None, "b is "),
        (lambda a, b=1.0, *, c="x", d: None, "needs ['d']"),
    ],
)
def test_a_difference_of_arguments_is_seen(script: Any, ours: Any, problem: str | None) -> None:
    found = script.difference(ours, f)
    assert (found is None) == (problem is None)
    assert problem is None or problem in found


def test_an_absent_method_is_seen(script: Any) -> None:
    class Theirs:
        size: int

        def close(self) -> None: ...

    class Ours:
        pass

    assert script.difference(Ours, Theirs) == "it lacks close, size"
    assert script.difference(Theirs, Theirs) is None
    assert inspect.ismodule(script.peer_module("learning"))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("base = [", 'base = ["nothing", '), "base.nothing does not exist here"),
        (("[left_out]", '[left_out."neuron.IFNode"]'),
         "neuron.IFNode is said to be left out, but exists"),
        (("[left_out]", '[left_out]\n[different."neuron.No"]'),
         "neuron.No is no name"),
        (('[different."functional.if_multi_step"]', '[different."neuron.IFNode"]'), None),
    ],
)  # fmt: skip
def test_a_stale_list_is_seen(
    script: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: tuple[str, str],
    complaint: str | None,
) -> None:
    text = (ROOT / "scripts/compatibility.toml").read_text(encoding="utf-8")
    assert change[0] in text
    (tmp_path / "compatibility.toml").write_text(text.replace(*change, 1), encoding="utf-8")
    monkeypatch.setattr(script, "HERE", tmp_path)
    if complaint is None:
        moved = {row.name: row.status for row in script.rows()}
        assert (moved["IFNode"], moved["if_multi_step"]) == ("different", "same")
    else:
        with pytest.raises(ValueError, match=complaint):
            script.rows()
