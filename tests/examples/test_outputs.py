"""A run from start to end, as a user starts it, and every file that it leaves."""

import ast
import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from bitspike.examples.lif_fc_mnist import Options

if TYPE_CHECKING:
    from tests.examples.tutorial import Program, Run
    from tests.processes import Finished

T, LIMIT, EPOCHS = 20, 2000, 2
PICTURES = ["accuracy", "input", "spikes", "voltage"]
COLUMNS = [
    "epoch",
    "train_loss",
    "train_acc",
    "test_loss",
    "test_acc",
    "firing_rate",
    "dead",
    "saturated",
    "train_images_per_s",
    "seconds",
]


@pytest.fixture(scope="module")
def out_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def done(default_program: "Program", mnist_root: Path, out_dir: Path) -> "Finished":
    options = f"-T {T} -limit {LIMIT} -epochs {EPOCHS} -lr 2e-3 -device cpu".split()
    folders = ["-data-dir", str(mnist_root), "-out-dir", str(out_dir)]
    return default_program.fresh(*options, *folders)


@pytest.fixture(scope="module")
def finished(program: "Program", done: "Finished", out_dir: Path) -> "Run":
    return program.only(out_dir)


def test_ends_well_and_silently(done: "Finished") -> None:
    assert (done.code, done.err) == (0, "")


def test_folder_and_files(finished: "Run") -> None:
    assert finished.folder.name == "T20_b64_adam_lr0.002_limit2000"
    names = sorted(path.name for path in finished.folder.iterdir())
    (events,) = (name for name in names if name.startswith("events.out.tfevents."))
    names.remove(events)
    pictures = [f"{name}.png" for name in PICTURES]
    arrays = ["s_t_array.npy", "v_t_array.npy"]
    checkpoints = ["checkpoint_latest.pth", "checkpoint_max.pth"]
    assert names == sorted([".lock", "args.txt", "metrics.csv", *checkpoints, *arrays, *pictures])


def test_args(finished: "Run", mnist_root: Path, out_dir: Path) -> None:
    options = Options(
        T=T,
        limit=LIMIT,
        epochs=EPOCHS,
        lr=2e-3,
        device="cpu",
        data_dir=str(mnist_root),
        out_dir=str(out_dir),
    )
    text = (finished.folder / "args.txt").read_text()
    lines = dict(line.split(": ", 1) for line in text.strip().splitlines())
    assert lines.pop("command").endswith(f"-out-dir {out_dir}")
    assert lines == {field.name: str(getattr(options, field.name)) for field in fields(Options)}


def test_metrics(finished: "Run") -> None:
    header, *lines = (finished.folder / "metrics.csv").read_text().splitlines()
    assert header.split(",") == COLUMNS
    rows = [dict(zip(COLUMNS, map(float, line.split(",")), strict=True)) for line in lines]
    assert [row["epoch"] for row in rows] == [1, 2]
    for row in rows:
        for share, images in (("train_acc", LIMIT), ("test_acc", 10_000)):
            assert row[share] * images == pytest.approx(round(row[share] * images), abs=1e-6)
        for share in ("train_acc", "test_acc", "train_loss", "test_loss", "firing_rate"):
            assert 0 < row[share] < 1
        assert row["dead"] == row["saturated"] == 0
        assert 0 < LIMIT / row["train_images_per_s"] < row["seconds"]
    first, second = rows
    assert second["train_loss"] < first["train_loss"]
    assert second["test_acc"] > 0.7  # chance is 0.1


def test_checkpoints(finished: "Run") -> None:
    state = finished.state()  # loaded with weights_only=True
    assert {name: tuple(value.shape) for name, value in state["net"].items()} == {
        "1.weight": (10, 784)
    }
    assert state["batch"] == 0
    assert state["history"] == finished.metrics()
    best = finished.state(finished.best)
    assert best["history"] == finished.metrics()[: len(best["history"])]
    test_acc = [row["test_acc"] for row in finished.metrics()]
    assert len(best["history"]) == 1 + test_acc.index(max(test_acc))


def test_tensorboard(finished: "Run") -> None:
    scalars, rows = finished.scalars(), finished.metrics()
    assert sorted(scalars) == sorted(rows[0].keys() - {"epoch"})
    for tag, entries in scalars.items():
        assert [step for step, _ in entries] == [row["epoch"] for row in rows]
        values = [row[tag] for row in rows]
        assert [value for _, value in entries] == pytest.approx(values, rel=1e-6)
    events = finished.events()
    assert {"train_images_per_s", "seconds"} <= set(events.Tags()["scalars"])
    assert [e.step for e in events.Scalars("train_images_per_s")] == [1, 2]
    assert sorted(events.Tags()["images"]) == PICTURES
    for name in PICTURES:
        (picture,) = events.Images(name)
        with Image.open(finished.folder / f"{name}.png") as file:
            assert (picture.step, picture.width, picture.height) == (EPOCHS, *file.size)


def test_arrays(finished: "Run", done: "Finished") -> None:
    v = np.load(finished.folder / "v_t_array.npy")
    s = np.load(finished.folder / "s_t_array.npy")
    assert v.shape == s.shape == (T, 10)
    assert v.dtype == s.dtype == np.float32
    assert set(np.unique(s)) == {0, 1}
    assert np.isfinite(v).all()
    assert (v[s == 1] == 0).all()  # the hard reset after a spike
    assert (v[s == 0] < 1).all()  # no spike: below the threshold
    assert len(np.unique(v)) > T
    printed = re.search(r"^Firing rate: (\[\[.*\]\])$", done.out, re.MULTILINE)
    assert printed is not None
    rates = ast.literal_eval(re.sub(r"\s+", ",", printed[1].replace("[ ", "[")))
    assert np.shape(rates) == (1, 10)
    assert rates[0] == pytest.approx(s.mean(0).tolist(), abs=1e-6)


@pytest.mark.parametrize("name", PICTURES)
def test_pictures(finished: "Run", name: str) -> None:
    with Image.open(finished.folder / f"{name}.png") as picture:
        pixels = np.asarray(picture.convert("L"))
    height, width = pixels.shape
    assert min(height, width) >= 400
    assert pixels.std() > 5
    ink = (pixels != pixels[0, 0]).reshape(height, width)
    assert ink.any(1).mean() > 0.5  # more than a title
    assert ink.any(0).mean() > 0.5


def test_screen(finished: "Run", done: "Finished") -> None:
    first, second = re.findall(r"^epoch +\d/2  train .*$", done.out, re.MULTILINE)
    for line, row in zip((first, second), finished.metrics(), strict=True):
        assert f"train loss {row['train_loss']:.4f} acc {row['train_acc']:.2%}" in line
        assert f"test loss {row['test_loss']:.4f} acc {row['test_acc']:.2%}" in line
    best = max(row["test_acc"] for row in finished.metrics())
    assert re.search(rf"best test accuracy .*{best:.2%}", done.out)
    rates = np.load(finished.folder / "s_t_array.npy").mean(0)
    assert f"class {rates.argmax()}, label 7" in done.out
    assert str(finished.latest) in done.out
    assert f"tensorboard --logdir {finished.folder}" in done.out
    assert "\x1b" not in done.out


def test_the_answer_is_the_network_s(finished: "Run") -> None:
    """The stored weights drive the membrane that is stored: silent inputs would not."""
    v = torch.from_numpy(np.load(finished.folder / "v_t_array.npy"))
    s = torch.from_numpy(np.load(finished.folder / "s_t_array.npy"))
    before = torch.cat([torch.zeros(1, 10), v[:-1]])
    silent = s == 0
    current = 2 * v - before  # of V[t] = V[t-1] + (X[t] - V[t-1]) / 2, where it was not reset
    weight = finished.state()["net"]["1.weight"]
    most = weight.clamp(min=0).sum(1)
    least = weight.clamp(max=0).sum(1)
    assert bool((current <= most + 1e-4)[silent].all())
    assert bool((current >= least - 1e-4)[silent].all())
    assert float(current[silent].std()) > 0.1
