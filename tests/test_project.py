"""What stands around the code agrees with it."""

import re
import shlex
import tomllib
from importlib import resources
from pathlib import Path

import pytest
import yaml

import bitspike

ROOT = Path(__file__).parents[1]
TEMPLATES = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))


def test_versions_agree() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == bitspike.__version__
    assert citation["cff-version"] == "1.2.0"
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert newest
    assert newest[1] == bitspike.__version__


def test_types_are_shipped() -> None:
    assert resources.files(bitspike).joinpath("py.typed").is_file()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda p: p.stem)
def test_issue_forms_are_forms(template: Path) -> None:
    form = yaml.safe_load(template.read_text("utf-8"))
    if template.stem == "config":
        assert isinstance(form["blank_issues_enabled"], bool)
        return
    assert {"name", "description", "body"} <= set(form)
    asked = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in asked}) == len(asked) > 0
    for field in asked:
        assert field["attributes"]["label"]
        for option in field["attributes"].get("options", []):
            assert isinstance(option, str), "YAML reads a bare Yes as true"


def test_there_are_issue_forms() -> None:
    assert {p.stem for p in TEMPLATES} == {"bug", "config", "numbers", "wish"}


def test_every_package_that_is_pinned_is_locked_by_hashes() -> None:
    """But for torch and triton, whose files come from several places; see `make lock`."""

    def pins(lines: list[str]) -> dict[str, str]:
        found = (re.match(r"([\w.-]+)==(\S+)", line) for line in lines)
        return {re.sub(r"[-_.]+", "-", pin[1]).lower(): pin[2] for pin in found if pin}

    locks = [(ROOT / f"requirements{which}.lock").read_text("utf-8") for which in ("", "-peer")]
    entries = [entry for lock in locks for entry in re.split(r"\n(?=\S)", lock)[1:]]
    constraints = pins((ROOT / "constraints.txt").read_text("utf-8").splitlines())
    assert {"torch", "triton"} < constraints.keys()
    wanted = {name: pin for name, pin in constraints.items() if name not in ("torch", "triton")}
    assert pins(entries) == wanted
    for entry in entries:
        assert re.fullmatch(r"\S+( \\\n    --hash=sha256:[0-9a-f]{64})+\n?", entry), entry[:80]
    assert "://" not in "".join(locks)


def test_hooks_run_what_lint_runs() -> None:
    """Tools of .venv, which the development extra installs."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    hooks = {hook["id"]: shlex.split(hook["entry"]) for hook in config["repos"][0]["hooks"]}
    assert set(hooks) == {"ruff", "ruff-format", "mypy", "pages"}
    dev = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extra = " ".join(dev["project"]["optional-dependencies"]["dev"])
    for command in hooks.values():
        tool = command[0].removeprefix(".venv/bin/")
        assert tool == "python" or tool in extra
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert "$(BIN)/ruff check ." in makefile
    assert "$(BIN)/ruff format --check ." in makefile
    assert "$(BIN)/mypy" in makefile


def test_contributing_stays_short() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text("utf-8").splitlines()) <= 40


def test_the_checklist_names_what_exists() -> None:
    text = (ROOT / "RELEASING.md").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make (\w+)", text))
    assert named <= targets
    assert "smoke" in named
    for path in re.findall(r"`((?:src|docs|tests|scripts|\.ci)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path
