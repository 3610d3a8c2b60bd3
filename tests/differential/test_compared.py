"""Every public name of SpikingJelly is compared with ours by a test that computes with both."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TABLE = tomllib.loads((ROOT / "scripts/compatibility.toml").read_text(encoding="utf-8"))
NAMES = [f"{module}.{name}" for module, names in TABLE["names"].items() for name in names]
LOOKS_ONLY = re.compile(
    r"test_signatures\.py|signature|constructor|every_(public_)?name|same_names|memory_module"
)
"""Tests that look at names and arguments, and compute nothing."""


def test_every_name_is_compared(request: pytest.FixtureRequest) -> None:
    """Runs last, see conftest.py, and only together with all the others."""
    here = {item.path.name for item in request.session.items if item.path.parent == HERE}
    if here != {path.name for path in HERE.glob("test_*.py")} or selects(request.config):
        pytest.skip("not all tests of this folder were run")
    used: dict[str, set[str]] = conftest(request).used
    compared = {
        name for name, tests in used.items() if any(not LOOKS_ONLY.search(test) for test in tests)
    }
    expected = set(NAMES) - set(TABLE["left_out"])
    absent = " ".join(sorted(expected - compared))
    assert not absent, f"not compared: {absent}"


def selects(config: pytest.Config) -> bool:
    """Whether some tests of the files are left out."""
    asked = any("::" in argument for argument in config.args)
    options = ("keyword", "markexpr", "lf", "deselect")
    return asked or any(getattr(config.option, name, None) for name in options)


def conftest(request: pytest.FixtureRequest) -> Any:
    for plugin in request.config.pluginmanager.get_plugins():
        if getattr(plugin, "__file__", None) == str(HERE / "conftest.py"):
            return plugin
    raise AssertionError("this folder's conftest.py is loaded")
