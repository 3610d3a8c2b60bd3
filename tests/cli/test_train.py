"""``bitspike train``."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bitspike import training
from bitspike.cli import main
from bitspike.examples import lif_fc_mnist
from bitspike.training import load_checkpoint

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from tests.cli.conftest import Bitspike

PROGRAMS = {"mnist": "lif_fc_mnist", "fashion": "conv_fashion_mnist", "stdp": "stdp_mnist"}


@pytest.fixture
def passed_on(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """What the programs are called with; none runs."""
    calls: list[tuple[str, list[str]]] = []
    for model, program in PROGRAMS.items():

        def called(argv: list[str], model: str = model) -> int:
            calls.append((model, argv))
            return 0

        monkeypatch.setattr(import_module(f"bitspike.examples.{program}"), "main", called)
    return calls


@pytest.fixture
def config(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "run.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_run_of_the_tutorial(trained: Path) -> None:
    state = load_checkpoint(trained / "checkpoint_latest.pth", "lif_fc_mnist")
    assert [row["epoch"] for row in state["history"]] == [1, 2]
    assert state["history"][-1]["test_acc"] > 0.75


def test_a_run_of_the_convolutional_model(
    bitspike: "Bitspike",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    figures: "list[Figure]",
    mnist_root: Path,
    config: Callable[[str], Path],
) -> None:
    program = import_module("bitspike.examples.conv_fashion_mnist")
    whole = program.load_data

    def few(options: Any) -> Any:
        train, test = whole(options)
        return train.head(32), test.head(20)

    monkeypatch.setattr(program, "load_data", few)
    monkeypatch.setattr(training, "save_pictures", lambda *_: None)
    file = config('model = "fashion"\nT = 2\nchannels = 2\ndataset = "mnist"\nepochs = 1\nb = 16')
    done = bitspike(
        "train", "--config", file, "--data-dir", mnist_root, "--out-dir", tmp_path / "logs"
    )
    assert (done.code, done.err) == (0, "")
    (folder,) = (tmp_path / "logs").iterdir()
    shown = bitspike("info", folder, "--json")
    assert '"program": "conv_fashion_mnist"' in shown.out
    assert '"epochs": 1' in shown.out
    assert bitspike("health", folder, "--images", "4", "--data-dir", mnist_root).code == 0
    assert bitspike("plot", "weights", folder).code == 0
    assert "maps of 3 x 3" in figures[-1].axes[0].get_title()


@pytest.mark.parametrize("model", PROGRAMS)
def test_each_model_has_its_program(
    bitspike: "Bitspike", passed_on: list[tuple[str, list[str]]], model: str
) -> None:
    assert bitspike("train", model, "-T", "5").code == 0
    assert passed_on == [(model, ["-T", "5"])]


def test_the_tutorial_is_the_default(
    bitspike: "Bitspike", passed_on: list[tuple[str, list[str]]]
) -> None:
    assert bitspike("train", "-T", "5").code == 0
    assert passed_on[0][0] == "mnist"


def test_options_from_a_file(
    bitspike: "Bitspike", passed_on: list[tuple[str, list[str]]], config: Callable[[str], Path]
) -> None:
    file = config('model = "mnist"\nT = 7\nlr = 1\namp = true\nout-dir = "a b"\n')
    assert bitspike("train", f"--config={file}", "--lr", "0.5").code == 0
    assert passed_on == [("mnist", ["--T=7", "--lr=1", "--amp", "--out-dir=a b", "--lr", "0.5"])]


def test_a_flag_turns_a_switch_of_the_file_off(
    bitspike: "Bitspike", passed_on: list[tuple[str, list[str]]], config: Callable[[str], Path]
) -> None:
    file = config("amp = true\nT = 7\n")
    assert bitspike("train", "--config", file, "--no-amp").code == 0
    assert bitspike("train", "--config", config("amp = false")).code == 0
    assert [argv for _, argv in passed_on] == [["--T=7"], []]


def test_print_config_can_be_read_again(
    bitspike: "Bitspike", passed_on: list[tuple[str, list[str]]], config: Callable[[str], Path]
) -> None:
    shown = bitspike("train", "fashion", "--print-config", "-channels", "3", "-opt", "sgd")
    assert shown.code == 0
    assert passed_on == []
    file = config(shown.out)
    assert bitspike("train", "--config", file, "--print-config").out == shown.out
    assert "channels = 3  # " in shown.out
    assert 'opt = "sgd"' in shown.out
    assert bitspike("train", "--config", file).code == 0
    assert passed_on[0][0] == "fashion"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("T = ", "is no TOML"),
        ("steps = 4", "no option 'steps'; there are T, device"),
        ('T = "4"', "T = '4' must be an integer, as in T = 100"),
        ("T = 4.5", "must be an integer"),
        ("T = true", "must be an integer"),
        ('lr = "high"', "must be a number"),
        ("amp = 1", "must be true or false"),
        ("out_dir = 3", "must be a string"),
        ('opt = "lion"', "must be one of sgd, adam"),
        ('model = "resnet"', "no model 'resnet'; there are mnist, fashion, stdp"),
        ('model = "fashion"', "is for the model fashion, not mnist"),
        ("[train]\nT = 4", "no option 'train'"),
    ],
)
def test_bad_files(
    refused: Callable[..., str],
    passed_on: list[tuple[str, list[str]]],
    config: Callable[[str], Path],
    text: str,
    complaint: str,
) -> None:
    said = refused("train", "mnist", "--config", config(text))
    assert complaint in said
    assert "run.toml" in said
    assert passed_on == []


def test_other_bad_input(bitspike: "Bitspike", refused: Callable[..., str], tmp_path: Path) -> None:
    assert "no model 'resnet'" in refused("train", "resnet")
    assert "--config expects a file" in refused("train", "--config")
    assert "No such file" in refused("train", "--config", tmp_path / "none.toml")
    done = bitspike("train", "mnist", "--T", "many")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("bitspike train mnist: error: argument -T/--T: invalid int")
    done = bitspike("train", "mnist", "-T", "0", "--out-dir", tmp_path)
    assert (done.code, done.err) == (2, "lif_fc_mnist: error: -T must be at least 1, but is 0\n")


def test_help_of_a_model_shows_its_options(bitspike: "Bitspike") -> None:
    done = bitspike("train", "fashion", "--help")
    assert done.code == 0
    assert done.out.startswith("usage: bitspike train fashion")
    assert "-channels" in done.out
    assert "--config" in done.out


@pytest.mark.parametrize("code", [1, 130, 143])
def test_the_exit_code_is_the_programs(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.setattr(lif_fc_mnist, "main", lambda _: code)
    assert main(["train"]) == code


def test_sigterm_saves_and_says_how_to_go_on(tmp_path: Path, mnist_root: Path) -> None:
    argv = ["train", "mnist", "-T", "4", "-limit", "64", "-epochs", "100000", "-j", "0"]
    running = subprocess.Popen(
        [sys.executable, "-m", "bitspike", *argv, "-data-dir", mnist_root, "-out-dir", tmp_path],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "BITSPIKE_BACKEND": "eager", "PYTHONUNBUFFERED": "1"},
    )
    assert running.stdout is not None
    assert running.stdout.readline().startswith("epoch")
    running.send_signal(signal.SIGTERM)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 143
    assert "Stopped by SIGTERM" in said
    assert list(tmp_path.glob("*/checkpoint_latest.pth"))
