"""Every bad value: one clear line, exit code 2, nothing created."""

import os
import random
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

if TYPE_CHECKING:
    from tests.examples.conftest import Refused
    from tests.examples.tutorial import Program


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("-T 0", "-T must be at least 1, but is 0"),
        ("-T -3", "-T must be at least 1, but is -3"),
        ("-T 9223372036854775808", "-T must be at most 100000, but is 9223372036854775808"),
        ("-b 9223372036854775808", "-b must be at most 2147483647, but is 9223372036854775808"),
        (
            "-limit " + 4000 * "9",
            "-limit must be at most 2147483647, but is a number of 13288 bits",
        ),
        ("-limit " + 5000 * "9", "argument -limit/--limit: invalid int value: '999"),
        ("-threads 100000", "-threads must be at most 1024, but is 100000"),
        ("-out-dir a\0b", "-out-dir 'a\\x00b' has a NUL in it, which no path may have"),
        ("-resume a\0b", "-resume 'a\\x00b' has a NUL in it, which no path may have"),
        ("-resume " + 300 * "a", "checkpoint aaaa"),
        ("-predict a.pth -image " + 300 * "a", "checkpoint a.pth does not exist"),
        ("-T 2.5", "argument -T/--T: invalid int value: '2.5'"),
        ("-T", "argument -T/--T: expected one argument"),
        ("-b 0", "-b must be at least 1, but is 0"),
        ("-b many", "argument -b/--b: invalid int value: 'many'"),
        ("-batch 3", "unrecognized arguments: -batch 3"),
        ("-epochs -1", "-epochs must be at least 0, but is -1"),
        ("-j -1", "-j must be at least 0, but is -1"),
        ("-limit -1", "-limit must be at least 0, but is -1"),
        ("-lr 0", "-lr must lie in (0, 3e+37], but is 0.0"),
        ("-lr -0.1", "-lr must lie in (0, 3e+37], but is -0.1"),
        ("-lr nan", "-lr must lie in (0, 3e+37], but is nan"),
        ("-lr inf", "-lr must lie in (0, 3e+37], but is inf"),
        ("-lr 1e38", "-lr must lie in (0, 3e+37], but is 1e+38"),
        ("-lr fast", "argument -lr/--lr: invalid float value: 'fast'"),
        ("-tau 1", "-tau is in time steps and must be > 1, but is 1.0"),
        ("-tau -2", "-tau is in time steps and must be > 1, but is -2.0"),
        ("-tau nan", "-tau is in time steps and must be > 1, but is nan"),
        ("-tau inf", "-tau is in time steps and must be > 1, but is inf"),
        ("-momentum -0.1", "-momentum must lie in [0, 1), but is -0.1"),
        ("-momentum 1", "-momentum must lie in [0, 1), but is 1.0"),
        ("-momentum nan", "-momentum must lie in [0, 1), but is nan"),
        ("-seed -1", "-seed must lie in [0, 2**32), but is -1"),
        ("-seed 4294967296", "-seed must lie in [0, 2**32), but is 4294967296"),
        ("-opt lion", "argument -opt/--opt: invalid choice: 'lion' (choose from"),
        ("-dataset cifar", "argument -dataset/--dataset: invalid choice: 'cifar' (choose from"),
        ("-device abacus", "-device 'abacus' is unknown; try cpu, cuda:0 or mps"),
        ("-device cuda:-1", "-device 'cuda:-1' is unknown"),
        ("-device cuda:256", "-device 'cuda:256' is unknown"),
        ("-device meta", "-device 'meta' is not supported; try cpu, cuda:0 or mps"),
        ("-device cuda:99", "-device cuda:99: this machine has "),
        ("-device=", "-device is empty"),
        ("-out-dir=", "-out-dir is empty"),
        ("-data-dir=", "-data-dir is empty"),
        ("-resume=", "-resume is empty"),
        ("-predict a.pth", "-predict CHECKPOINT and -image FILE_OR_INDEX go together"),
        ("-image 3", "-predict CHECKPOINT and -image FILE_OR_INDEX go together"),
        ("-predict a.pth -image 3 -resume a.pth", "-predict and -resume do not go together"),
        ("-predict a.pth -image 3", "checkpoint a.pth does not exist"),
        ("-resume a.pth", "checkpoint a.pth does not exist"),
        ("-resume .", "checkpoint . is not a file"),
        ("-frobnicate", "unrecognized arguments: -frobnicate"),
        ("100", "unrecognized arguments: 100"),
        ("-epoch 3", "unrecognized arguments: -epoch 3"),
        ("--amp=yes", "argument -amp/--amp: ignored explicit argument 'yes'"),
    ],
)
def test_values(refused: "Refused", argv: str, message: str) -> None:
    assert refused(*argv.split()).startswith(message)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("-device cuda", "-device cuda: this machine has 0 usable CUDA devices"),
        ("-device cuda:0", "-device cuda:0: this machine has 0 usable CUDA devices"),
        ("-device mps", "-device mps is not available on this machine"),
    ],
)
def test_absent_devices(
    refused: "Refused", monkeypatch: pytest.MonkeyPatch, argv: str, message: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert refused(*argv.split()) == message


@pytest.mark.parametrize("resumed", [False, True])
def test_mixed_precision_on_a_device_without_it(
    program: "Program",
    small: list[str],
    refused: "Refused",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    resumed: bool,
) -> None:
    """Also if it is the checkpoint that asks for it."""
    argv: list[str | Path] = ["-amp"]
    if resumed:
        program.here(*small, "-amp", "-epochs", "0", "-out-dir", tmp_path / "old")
        capsys.readouterr()
        argv = ["-resume", program.only(tmp_path / "old").latest]
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert refused(*argv, "-device", "mps") == "-amp works on cuda and cpu, not on mps"


@pytest.mark.parametrize("below", ["", "runs", "runs/of/today"])
def test_a_file_in_the_way_of_out_dir(refused: "Refused", tmp_path: Path, below: str) -> None:
    file = tmp_path / "work" / "file"
    file.write_text("mine")
    message = refused("-out-dir", file / below)
    assert message == f"-out-dir {file / below / 'T100_b64_adam_lr0.001'}: {file} is not a folder"
    assert file.read_text() == "mine"


def test_no_permission_to_write_in_out_dir(
    refused: "Refused", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked of the system, which denies root nothing: so the answer is made here."""
    locked, access = tmp_path / "work", os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != locked and access(path, mode))
    message = refused("-out-dir", locked / "runs")
    assert message.endswith(f": no permission to write in {locked}")


@pytest.mark.parametrize("option", ["-resume", "-predict"])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99, 0.99999])
def test_a_truncated_checkpoint(
    refused: "Refused", checkpoint: Path, share: float, option: str
) -> None:
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[: int(share * len(whole))])
    image = ["-image", "0"] if option == "-predict" else []
    assert refused(option, checkpoint, *image).startswith(
        f"checkpoint {checkpoint} cannot be read: it is damaged, cut off, or no checkpoint ("
    )


def test_random_bytes_as_checkpoint(refused: "Refused", checkpoint: Path) -> None:
    checkpoint.write_bytes(random.Random(1).randbytes(5000))  # noqa: S311
    assert "cannot be read" in refused("-resume", checkpoint)


def test_weights_alone_as_checkpoint(refused: "Refused", checkpoint: Path) -> None:
    torch.save({"1.weight": torch.zeros(10, 784)}, checkpoint)
    assert "is not a checkpoint that this version of bitspike wrote" in refused(
        "-resume", checkpoint
    )


def test_a_checkpoint_of_another_program(refused: "Refused", checkpoint: Path) -> None:
    state = torch.load(checkpoint, weights_only=True)
    torch.save({**state, "program": "tempotron"}, checkpoint)
    assert refused("-resume", checkpoint) == (
        f"checkpoint {checkpoint} was written by the program 'tempotron', not 'lif_fc_mnist'"
    )


@pytest.mark.parametrize(
    ("net", "complaint"),
    [
        (
            {"1.weight": torch.zeros(10, 1024)},
            "the network's 1.weight is float32 [10, 1024], not float32 [10, 784]",
        ),
        (
            {"1.weight": torch.zeros(10, 784), "1.bias": torch.zeros(10)},
            "the network has '1.bias', which is unknown",
        ),
        ({"fc.weight": torch.zeros(10, 784)}, "the network lacks '1.weight'"),
        ({}, "the network lacks '1.weight'"),
    ],
    ids=["shape", "more", "name", "nothing"],
)
def test_a_checkpoint_of_another_network(
    refused: "Refused", checkpoint: Path, net: dict[str, torch.Tensor], complaint: str
) -> None:
    torch.save({**torch.load(checkpoint, weights_only=True), "net": net}, checkpoint)
    assert refused("-resume", checkpoint) == (
        f"checkpoint {checkpoint} was not written by this program, or is damaged: {complaint}; "
        "take another checkpoint, or start a new run"
    )


@pytest.mark.parametrize(
    ("argv", "saved"),
    [
        ("-T 5", "4"),
        ("-b 16", "32"),
        ("-amp", "False"),
        ("-opt sgd", "adam"),
        ("-momentum 0.5", "0.9"),
        ("-lr 0.02", "0.01"),
        ("-tau 3", "2.0"),
        ("-seed 1", "0"),
        ("-dataset fashion-mnist", "mnist"),
        ("-limit 100", "320"),
    ],
)
def test_an_option_that_contradicts_the_checkpoint(
    refused: "Refused", checkpoint: Path, argv: str, saved: str
) -> None:
    name = argv.split()[0]
    message = refused("-resume", checkpoint, *argv.split())
    assert message.startswith(f"{name} ")
    assert f"differs from the checkpoint's {saved}; " in message
    assert f"leave {name} out" in message


def write_idx(path: Path, *shape: int, cut: int = 0) -> None:
    size = int(torch.tensor(shape).prod())
    header = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
    path.write_bytes(header + bytes(size - cut))


def test_a_truncated_data_set(refused: "Refused", tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_idx(data / "train-images-idx3-ubyte", 100, 28, 28, cut=1)
    write_idx(data / "train-labels-idx1-ubyte", 100)
    message = refused("-data-dir", data)
    assert message.startswith(str(data / "train-images-idx3-ubyte"))


def test_a_file_as_data_set(refused: "Refused", tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    assert str(tmp_path / "file") in refused("-data-dir", tmp_path / "file")
