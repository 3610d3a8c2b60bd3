import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image as images
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from bitspike.visualizing import plot_2d_heatmap, plot_accuracy, save


def test_writes_the_picture_and_nothing_else(tmp_path: Path) -> None:
    save(plot_accuracy([0.5], [0.5], figsize=(4, 3), dpi=50), tmp_path / "new" / "acc.png")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["acc.png"]
    picture = images.imread(tmp_path / "new" / "acc.png")
    assert picture.shape == (150, 200, 4)
    assert len(np.unique(picture)) > 2


@pytest.mark.parametrize(
    ("name", "start"), [("a.pdf", b"%PDF"), ("a.SVG", b"<?xml"), ("a.b.jpg", b"\xff\xd8")]
)
def test_suffix_chooses_the_format(tmp_path: Path, name: str, start: bytes) -> None:
    save(plot_accuracy([0.5], [0.5], dpi=40), str(tmp_path / name))
    assert (tmp_path / name).read_bytes().startswith(start)


def test_figures_are_closed_and_freed(tmp_path: Path) -> None:
    figure = plot_accuracy([0.5], [0.5], dpi=40)
    number, watch = figure.number, weakref.ref(figure)
    assert plt.fignum_exists(number)
    save(figure, tmp_path / "a.png")
    assert not plt.fignum_exists(number)
    del figure
    gc.collect()
    assert watch() is None


def test_other_figures_stay_open(tmp_path: Path) -> None:
    mine = plt.figure()
    save(plot_accuracy([0.5], [0.5], dpi=40), tmp_path / "a.png")
    assert plt.get_fignums() == [mine.number]


def test_takes_figures_that_pyplot_does_not_know(tmp_path: Path) -> None:
    save(Figure(figsize=(1, 1), dpi=30), tmp_path / "a.png")
    assert images.imread(tmp_path / "a.png").shape[:2] == (30, 30)


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.png"
    target.write_bytes(b"old")

    def disk_full(_: Figure, path: Path, **__: object) -> None:
        Path(path).write_bytes(b"half a pic")
        raise OSError("No space left on device")

    figure = plot_accuracy([0.5], [0.5], dpi=40)
    monkeypatch.setattr(Figure, "savefig", disk_full)
    with pytest.raises(OSError, match="No space left"):
        save(figure, target)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
    assert plt.fignum_exists(figure.number)


def test_permissions_are_those_of_an_ordinary_file(tmp_path: Path) -> None:
    (tmp_path / "ordinary").touch()
    save(plot_accuracy([0.5], [0.5], dpi=40), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


@pytest.mark.parametrize("name", ["picture", "picture.docx"])
def test_unknown_suffix(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=rf"save: the name '{name}' must end in one of .*\.png"):
        save(plot_accuracy([0.5], [0.5], dpi=40), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_pair_is_refused_with_advice(tmp_path: Path) -> None:
    pair = plot_2d_heatmap(np.eye(2), "", "", "", dpi=40)
    with pytest.raises(TypeError, match=r"save: fig must be a matplotlib Figure, got tuple"):
        save(pair, tmp_path / "a.png")  # type: ignore[arg-type]
