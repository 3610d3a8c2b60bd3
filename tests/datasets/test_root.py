from pathlib import Path

import platformdirs
import pytest
from tests.processes import fresh

from bitspike.datasets import MNIST, DatasetNote, default_root


def test_default_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BITSPIKE_DATA", str(tmp_path))
    assert default_root() == tmp_path
    monkeypatch.setenv("BITSPIKE_DATA", "~/data")
    assert default_root() == Path.home() / "data"
    monkeypatch.setenv("BITSPIKE_DATA", "")
    expected = Path(platformdirs.user_cache_dir("bitspike", appauthor=False)) / "datasets"
    assert default_root() == expected


def test_no_root_means_the_default_one(monkeypatch: pytest.MonkeyPatch, own_root: Path) -> None:
    monkeypatch.setenv("BITSPIKE_DATA", str(own_root))
    with pytest.warns(DatasetNote):
        assert len(MNIST()) == 7


def test_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch, own_root: Path) -> None:
    monkeypatch.setenv("HOME", str(own_root.parent))
    with pytest.warns(DatasetNote):
        assert len(MNIST("~/own")) == 7


def test_optional_packages_are_not_imported_early() -> None:
    code = (
        "import sys, bitspike.datasets; "
        "print(sorted({'pooch', 'rich', 'platformdirs', 'requests'} & sys.modules.keys()))"
    )
    assert fresh(code).out.strip() == "[]"
