"""Files and names that want more than to be read."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from PIL import Image

from bitspike.training import load_checkpoint, save_checkpoint

if TYPE_CHECKING:
    from tests.cli.conftest import Bitspike

RED = "\x1b[31m"


def forged(trained: Path, path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """A checkpoint in which something was changed."""
    state = load_checkpoint(trained / "checkpoint_max.pth")
    change(state)
    torch.save(state, path)
    return path


FORGED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "-T must be at least 1": lambda s: s["options"].update(T=0),
    "must be > 1, but is nan": lambda s: s["options"].update(tau=float("nan")),
    "-dataset must be one of": lambda s: s["options"].update(dataset="/../../x"),
    "the option 'depth' is unknown": lambda s: s["options"].update(depth=3),
    "the option -lr is missing": lambda s: s["options"].pop("lr"),
    "the options are no dict": lambda s: s.pop("options"),
    "float32 [3], not float32 [10, 784]": lambda s: s["net"].update({"1.weight": torch.zeros(3)}),
    "a view of a tensor": lambda s: s["net"].update(
        {"1.weight": torch.zeros(1, 1).expand(10, 784)}
    ),
    "tensor without data": lambda s: s["net"].update(
        {"1.weight": torch.zeros(10, 784, device="meta")}
    ),
    "exp_avg of parameter 0": lambda s: s["optimizer"]["state"][0].update(
        exp_avg=torch.zeros(5000)
    ),
    "row 1 of the history": lambda s: s.update(history=[3]),
    "does not say which program": lambda s: s.update(program=3),
}


@pytest.mark.parametrize("complaint", FORGED)
@pytest.mark.parametrize("command", ["info", "predict", "health", "weights", "raster"])
def test_every_reader_of_a_checkpoint_checks_it(
    refused: Callable[..., str], trained: Path, tmp_path: Path, command: str, complaint: str
) -> None:
    path = forged(trained, tmp_path / "a.pth", FORGED[complaint])
    Image.new("L", (28, 28)).save(tmp_path / "a.png")
    argv: tuple[str | Path, ...] = (command, path)
    if command == "predict":
        argv = (*argv, tmp_path / "a.png")
    elif command in ("weights", "raster"):
        argv = ("plot", *argv, "-o", tmp_path / "out.png")
    assert complaint in refused(*argv)
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"history": [3]}, "a row of the history is no dict"),
        ({"history": [{"epoch": 1}]}, "test_acc in the history is None"),
        ({"history": 3}, "history is of the type int"),
        ({"net": [1]}, "net is of the type list"),
        ({"options": "x"}, "options is of the type str"),
        ({"batch": 1.5}, "the number of batches is 1.5"),
    ],
)
def test_checkpoints_of_programs_that_are_not_ours(
    refused: Callable[..., str], tmp_path: Path, content: dict[str, Any], complaint: str
) -> None:
    save_checkpoint(tmp_path / "a.pth", "mine", content)
    assert complaint in refused("info", tmp_path / "a.pth")


# -- what is shown ------------------------------------------------------------------------------


def test_control_codes_of_file_names_do_not_reach_the_terminal(
    bitspike: "Bitspike", refused: Callable[..., str], trained: Path, tmp_path: Path
) -> None:
    folder = tmp_path / f"run{RED}\u202e"
    folder.mkdir()
    Image.new("L", (28, 28), 9).save(folder / f"a{RED}.png")
    (folder / "b\n.png").write_bytes(b"none")
    done = bitspike("predict", trained, folder)
    assert done.code == 2
    assert "\\x1b[31m" in done.out
    assert "\\x1b[31m" in done.err
    assert done.err.count("\n") == 1
    outputs = [done, bitspike("predict", trained, folder, "--json")]
    outputs.append(bitspike("plot", "weights", trained, "-o", folder / f"a{RED}.png"))
    assert RED not in "".join(text for one in outputs for text in (one.out, one.err))
    assert "\u202e" not in "".join(text for one in outputs for text in (one.out, one.err))
    for argv in (
        ("info", folder / "none.pth"),
        ("info", folder),
        ("predict", trained, folder / "none"),
        ("plot", "accuracy", folder),
        ("plot", "raster", trained, "--image", folder / "none"),
        ("data", "get", RED),
        ("train", RED),
        ("train", "--config", folder / "none.toml"),
        ("plot", "weights", trained, RED),
    ):
        assert RED not in refused(*argv)
    for words in ([RED], ["info", "a", RED]):
        done = bitspike(*words)
        assert done.code == 2
        assert RED not in done.err


def test_control_codes_in_checkpoints(bitspike: "Bitspike", tmp_path: Path) -> None:
    content = {"options": {"name": RED, RED: 1}, "net": {f"w{RED}\n": torch.zeros(3, 784)}}
    path = tmp_path / "a.pth"
    save_checkpoint(path, f"mine{RED}", content)
    for argv in (("info", path), ("info", path, "--json"), ("predict", path, path)):
        done = bitspike(*argv)
        assert RED not in done.out + done.err
    assert bitspike("plot", "weights", path, "-o", tmp_path / "a.png").code == 0


def test_a_nul(refused: Callable[..., str], bitspike: "Bitspike", tmp_path: Path) -> None:
    for argv in (("info", "a\0b"), ("predict", "x", "a\0"), ("train", "mnist", "-out-dir", "a\0")):
        done = bitspike(*argv)
        assert (done.code, done.out) == (2, "")
        assert (
            done.err
            == "bitspike: error: an argument has a NUL in it, which no name of a file may have\n"
        )
    (tmp_path / "a.toml").write_text('out_dir = "a\\u0000b"\n')
    done = bitspike("train", "--config", tmp_path / "a.toml")
    assert done.code == 2
    assert (
        done.err
        == "lif_fc_mnist: error: -out-dir 'a\\x00b' has a NUL in it, which no path may have\n"
    )


@pytest.mark.parametrize(
    "text", ["T = " + 5000 * "9", "a = " + 5000 * "[", "T = 9223372036854775808"], ids=len
)
def test_numbers_and_brackets_without_end(bitspike: "Bitspike", tmp_path: Path, text: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    done = bitspike("train", "--config", tmp_path / "a.toml")
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1


# -- pictures -----------------------------------------------------------------------------------


def png(width: int, height: int) -> bytes:
    """A picture that says that it is so large, and has nothing in it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("width", "height"), [(10_000, 9_000), (100_000, 100_000)])
def test_pictures_that_are_absurdly_large(
    refused: Callable[..., str], trained: Path, tmp_path: Path, width: int, height: int
) -> None:
    (tmp_path / "a.png").write_bytes(png(width, height))
    said = refused("predict", trained, tmp_path / "a.png")
    assert "a.png cannot be read as a picture: Image size" in said
    assert "exceeds limit" in said


def test_a_number_without_end_is_no_number_of_an_image(
    refused: Callable[..., str], trained: Path
) -> None:
    said = refused("plot", "raster", trained, "--image", 5000 * "9")
    assert "name too long" in said


def test_forms_that_start_other_programs_are_no_pictures(
    refused: Callable[..., str], trained: Path, tmp_path: Path, stdin: Callable[[bytes], None]
) -> None:
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n%%EndComments\nshowpage\n"
    (tmp_path / "a.png").write_bytes(eps)
    assert "cannot be read as a picture" in refused("predict", trained, tmp_path / "a.png")
    stdin(eps)
    assert "standard input cannot be read as a picture" in refused("predict", trained, "-")
