"""A checkpoint that an earlier version wrote is read, gone on with, and used.

The file was written by the program before its rewrite, stopped by Ctrl-C in its second epoch:
``-T 4 -b 32 -limit 320 -lr 0.01 -epochs 3``.
"""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bitspike.cli import main

if TYPE_CHECKING:
    from tests.examples.tutorial import Program

OLD = Path(__file__).parent / "checkpoints" / "lif_fc_mnist_format_1.pth"
TRAIN_LOSS = [0.071660, 0.027637, 0.017363]
TRAIN_ACC = [0.496875, 0.84375, 0.896875]


@pytest.mark.backend("auto")
def test_it_is_resumed(default_program: "Program", tmp_path: Path) -> None:
    """The run ends as it did with the version that began it."""
    assert len(default_program.load(OLD)["history"]) == 1
    latest = Path(shutil.copy(OLD, tmp_path / "checkpoint_latest.pth"))
    assert default_program.here("-resume", latest, "-epochs", "3") == 0
    rows = default_program.load(latest)["history"]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    # As the earlier version has them; other processors may round otherwise.
    assert [row["train_loss"] for row in rows] == pytest.approx(TRAIN_LOSS, rel=1e-3)
    assert [row["train_acc"] for row in rows] == pytest.approx(TRAIN_ACC, abs=1 / 320)


@pytest.mark.parametrize("command", ["info", "health", "plot", "predict"])
def test_it_is_used(
    command: str, mnist_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--data-dir", str(mnist_root)]
    rest = {
        "info": [str(OLD), "--json"],
        "health": [str(OLD), "--images", "8", "--json", *data],
        "plot": ["membrane", str(OLD), "--image", "0", "-o", str(tmp_path / "a.png"), *data],
        "predict": [str(OLD), str(tmp_path), "--json"],
    }
    if command == "predict":
        assert main(["plot", "weights", str(OLD), "-o", str(tmp_path / "a.png")]) == 0
        capsys.readouterr()
    assert main([command, *rest[command]]) == 0
    out = capsys.readouterr().out
    if command == "plot":
        assert (tmp_path / "a.png").exists()
    else:
        assert json.loads(out)["checkpoint"] == str(OLD)
