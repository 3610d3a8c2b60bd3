"""``bitspike info``, ``health``, ``data``, ``doctor`` and ``bench``."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

import bitspike as package
from bitspike import functional, kernels
from bitspike.training import load_checkpoint, save_checkpoint

if TYPE_CHECKING:
    from tests.cli.conftest import Bitspike


# -- info ---------------------------------------------------------------------------------------


def test_info(bitspike: "Bitspike", trained: Path) -> None:
    path = trained / "checkpoint_latest.pth"
    found = json.loads(bitspike("info", path, "--json").out)
    history = load_checkpoint(path)["history"]
    assert found["program"] == "lif_fc_mnist"
    assert found["epochs"] == 2
    assert found["options"]["T"] == 8
    assert found["last"] == history[-1]
    assert found["best"]["test_acc"] == max(row["test_acc"] for row in history)
    assert found["parameters"] == 7840
    assert found["weights"] == {"1.weight": {"shape": [10, 784], "dtype": "float32"}}
    assert found["bytes"] == path.stat().st_size
    text = bitspike("info", path).out
    assert "10 x 784  float32" in text
    assert f"test accuracy {history[-1]['test_acc']:.2%}, epoch 2" in text


def test_info_of_any_program(bitspike: "Bitspike", tmp_path: Path) -> None:
    row = {"epoch": 1, "test_acc": 0.5, "train_loss": float("nan")}
    state = {"net": {"w": torch.zeros(())}, "history": [row], "batch": 4}
    save_checkpoint(tmp_path / "a.pth", "mine", state)
    assert "1, and 4 batches of the next" in bitspike("info", tmp_path / "a.pth").out
    found = json.loads(bitspike("info", tmp_path / "a.pth", "--json").out)
    assert found["last"]["train_loss"] is None
    save_checkpoint(tmp_path / "b.pth", "mine", {})
    assert bitspike("info", tmp_path / "b.pth").code == 0


def test_info_of_what_is_none(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"PK")
    torch.save({"a": 1}, tmp_path / "b.pth")
    assert "required: CHECKPOINT" in refused("info")
    assert "does not exist" in refused("info", tmp_path / "none")
    assert "cannot be read" in refused("info", tmp_path / "a.pth")
    assert "not a checkpoint that this version" in refused("info", tmp_path / "b.pth")


# -- health -------------------------------------------------------------------------------------


def test_health(bitspike: "Bitspike", trained: Path, mnist_root: Path) -> None:
    argv = ("health", trained, "--images", "16", "--data-dir", mnist_root)
    found = json.loads(bitspike(*argv, "--json").out)
    (row,) = found["rows"]
    assert (row["kind"], row["neurons"], found["images"], found["steps"]) == ("LIFNode", 10, 16, 8)
    assert 0.02 < row["rate"] < 0.5
    assert len(row["gradient"]) == 8
    text = bitspike(*argv).out
    assert "LIFNode" in text
    assert "8 time steps, loss" in text


def test_health_of_bad_input(refused: Callable[..., str], trained: Path, tmp_path: Path) -> None:
    assert "must be at least 1" in refused("health", trained, "--images", "0")
    assert "'x' is no integer" in refused("health", trained, "--images", "x")
    assert "does not exist" in refused("health", tmp_path / "none.pth")
    assert "-device" in refused("health", trained, "--device", "abacus")


# -- data ---------------------------------------------------------------------------------------


def test_data_that_is_there(bitspike: "Bitspike", mnist_root: Path) -> None:
    for action in ("verify", "get"):
        done = bitspike("data", action, "mnist", "--root", mnist_root, "--json")
        assert (done.code, done.err) == (0, "")
        train, test = json.loads(done.out)["splits"]
        assert (train["images"], test["images"]) == (60_000, 10_000)
        assert train["official"]
        assert test["official"]
    assert bitspike("data", "verify", "mnist", "--root", mnist_root).out.count("verified") == 2


def test_data_that_is_not(bitspike: "Bitspike", tmp_path: Path) -> None:
    done = bitspike("data", "verify", "--root", tmp_path)
    assert done.code == 1
    assert done.out.count("missing or damaged") == 4
    assert "t10k-images-idx3-ubyte" in done.err
    assert not list(tmp_path.iterdir()), "verify fetches nothing"
    rows = json.loads(bitspike("data", "verify", "mnist", "--root", tmp_path, "--json").out)[
        "splits"
    ]
    assert [row["official"] for row in rows] == [False, False]
    assert "not found" in rows[0]["error"]


def test_damaged_data(bitspike: "Bitspike", mnist_root: Path, tmp_path: Path) -> None:
    source = mnist_root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    content = bytearray(source.read_bytes())
    content[-1] ^= 1
    (tmp_path / source.name).write_bytes(content)
    shutil.copy(source.with_name("t10k-images-idx3-ubyte"), tmp_path)
    done = bitspike("data", "verify", "mnist", "--root", tmp_path)
    assert done.code == 1
    assert done.out.splitlines()[2].split() == ["mnist", "test", "10,000", "your", "own", "files"]
    got = bitspike("data", "get", "mnist", "--root", tmp_path)
    assert got.code == 1
    assert "not official MNIST" in got.err


def test_data_of_bad_input(refused: Callable[..., str]) -> None:
    assert "no data set 'cifar'; there are mnist, fashion-mnist" in refused("data", "get", "cifar")
    assert "invalid choice: 'eat'" in refused("data", "eat")


# -- doctor -------------------------------------------------------------------------------------


def test_doctor(bitspike: "Bitspike") -> None:
    done = bitspike("doctor", "--json")
    found = json.loads(done.out)
    assert (done.code, done.err, found["healthy"]) == (0, "", True)
    assert found["versions"]["torch"] == torch.__version__
    assert found["backends"]["eager"] == found["backends"]["numba"] == "yes"
    assert Path(found["places"]["kernel cache"]).is_dir()
    assert found["threads"]["kernels"] >= 1
    assert [check["name"] for check in found["self-test"]] == ["kernels run", "spikes", "gradients"]
    assert found["extras"]["train"].keys() >= {"pillow", "tensorboard"}
    assert not found["extras"].keys() & {"dev", "docs", "peer"}


def sick(bitspike: "Bitspike") -> tuple[str, dict[str, Any]]:
    """What a doctor who finds something says."""
    text, found = bitspike("doctor"), bitspike("doctor", "--json")
    assert text.code == found.code == 1
    assert "Not well" in text.out
    return text.out, json.loads(found.out)


def test_a_kernel_that_computes_something_else(
    bitspike: "Bitspike", monkeypatch: pytest.MonkeyPatch
) -> None:
    set_backend = functional.set_backend

    def wrong(net: Any, backend: str) -> None:
        set_backend(net, "eager")
        with torch.no_grad():
            net[1].weight *= 1.25 if backend == "numba" else 0.8

    monkeypatch.setattr(functional, "set_backend", wrong)
    text, found = sick(bitspike)
    assert re.search(r"self-test: spikes       FAILED, [1-9]\d* of 1280 differ", text)
    assert [check["holds"] for check in found["self-test"]] == [True, False, False]


def test_a_kernel_that_raises(bitspike: "Bitspike", monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise kernels.BackendError("the compiler is gone")

    monkeypatch.setattr(functional, "set_backend", fail)
    text, _ = sick(bitspike)
    assert "FAILED, BackendError: the compiler is gone" in text


def test_no_compiler_and_no_extras(bitspike: "Bitspike", monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec, version = util.find_spec, metadata.version

    def absent(name: str) -> str:
        if name == "pooch":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    compilers = ("numba", "triton")
    monkeypatch.setattr(
        util, "find_spec", lambda name, *rest: None if name in compilers else find_spec(name, *rest)
    )
    monkeypatch.setattr(metadata, "version", absent)
    text, found = sick(bitspike)
    assert found["backends"]["numba"] == "not installed: pip install numba"
    assert found["self-test"] == []
    assert 'pooch missing: pip install "bitspike[data]"' in text


# -- bench --------------------------------------------------------------------------------------


def test_bench(bitspike: "Bitspike") -> None:
    found = json.loads(bitspike("bench", "--quick", "--json").out)
    assert found["rounds"] == 1
    assert found["milliseconds"].keys() == {"training", "inference"}
    for times in found["milliseconds"].values():
        assert times["numba"] > 0
        assert times["eager"] > 0
    text = bitspike("bench", "--quick", "--rounds", "2").out
    assert "median of 2 rounds" in text
    assert "kernels ms" in text


def test_suites_are_the_repositorys(
    bitspike: "Bitspike", monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[tuple[list[str], Path]] = []

    def run(command: list[str], cwd: Path, check: bool) -> Any:
        calls.append((command[1:], cwd))
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(subprocess, "run", run)
    root = Path(__file__).parents[2]
    assert bitspike("bench", "lif", "memory", "--rounds", "2", "--quick").code == 3
    assert bitspike("bench", "all").code == 3
    assert calls == [
        (["-m", "benchmarks", "lif", "memory", "--rounds", "2", "--quick"], root),
        (["-m", "benchmarks"], root),
    ]


def test_bench_of_bad_input(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "--json does not go with suites" in refused("bench", "lif", "--json")
    assert "must be at least 1" in refused("bench", "--rounds", "0")
    monkeypatch.setattr(package, "__file__", str(tmp_path / "bitspike" / "__init__.py"))
    monkeypatch.chdir(tmp_path)
    assert "this is no checkout" in refused("bench", "lif")


# -- tables -------------------------------------------------------------------------------------


def test_columns_of_numbers_are_right_aligned(
    bitspike: "Bitspike", mnist_root: Path, tmp_path: Path
) -> None:
    raw = mnist_root / "MNIST" / "raw"
    for kind in ("images-idx3", "labels-idx1"):
        shutil.copy(raw / f"t10k-{kind}-ubyte", tmp_path)
    lines = bitspike("data", "verify", "mnist", "--root", tmp_path).out.splitlines()
    assert lines == [
        "data set  split  images",
        "mnist     train       -  missing or damaged",
        "mnist     test   10,000  official, verified",
    ]
