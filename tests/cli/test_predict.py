"""``bitspike predict``."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from bitspike.examples import lif_fc_mnist
from bitspike.training import load_checkpoint, read_image, save_checkpoint

if TYPE_CHECKING:
    from tests.cli.conftest import Bitspike


@pytest.fixture
def ask(bitspike: "Bitspike", trained: Path) -> Callable[..., list[dict[str, Any]]]:
    """The answers to pictures."""

    def run(*argv: str | Path) -> list[dict[str, Any]]:
        done = bitspike("predict", trained, *argv, "--json")
        assert (done.code, done.err) == (0, "")
        answers: list[dict[str, Any]] = json.loads(done.out)["answers"]
        return answers

    return run


def save(image: Any, path: Path) -> Path:
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path)
    return path


def drawing(path: Path) -> torch.Tensor:
    """What is drawn in a picture, centred."""
    return read_image(str(path), path.name, centred=True)


def test_the_programs_own_answer(
    ask: Callable[..., list[dict[str, Any]]],
    trained: Path,
    digits: list[tuple[Any, int]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever comes before it, a picture of 28 x 28 is answered as ``-predict`` does."""
    files = [save(digits[i][0], tmp_path / f"{i}.png") for i in range(3)]
    answers = ask(*files)
    for file, answer in zip(files, answers, strict=True):
        argv = ["-predict", trained / "checkpoint_max.pth", "-image", file, "-out-dir", tmp_path]
        capsys.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("bitspike.visualizing.save", lambda *_: None)
            assert lif_fc_mnist.main([str(arg) for arg in argv]) == 0
        out = capsys.readouterr().out
        numbers = [float(one) for one in re.findall(r"\d+\.\d*", out.split("Class")[0])]
        assert numbers == pytest.approx(answer["rates"], abs=1e-5)
        assert f"Class: {answer['class']} " in out
    assert ask(*reversed(files)) == answers[::-1]


def test_digits_anywhere_on_paper(
    ask: Callable[..., list[dict[str, Any]]],
    digits: list[tuple[Any, int]],
    page: Callable[[int], Image.Image],
    tmp_path: Path,
) -> None:
    for i in range(len(digits)):
        save(page(i), tmp_path / f"{i:02}.{'jpg' if i % 2 else 'PNG'}")
    (tmp_path / "notes.txt").write_text("not a picture")
    answers = ask(tmp_path)
    assert [Path(one["image"]).stem for one in answers] == [f"{i:02}" for i in range(len(digits))]
    right = sum(one["class"] == label for one, (_, label) in zip(answers, digits, strict=True))
    assert right >= 9
    whole = ask(tmp_path, "--fit", "whole")
    assert sum(a["class"] == d[1] for a, d in zip(whole, digits, strict=True)) < right


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "RGBA", "I;16"])
@pytest.mark.parametrize("inverted", [False, True])
def test_colour_depth_and_ground_do_not_matter(
    digits: list[tuple[Any, int]], tmp_path: Path, mode: str, inverted: bool
) -> None:
    large = digits[0][0].repeat(6, 0).repeat(6, 1)
    expected = drawing(save(large, tmp_path / "plain.png"))
    pixels = 255 - large if inverted else large
    picture = Image.fromarray(pixels.astype(np.uint16) * 257 if mode == "I;16" else pixels)
    picture = picture if mode == "I;16" else picture.convert(mode)
    found = drawing(save(picture, tmp_path / "other.png"))
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0)
    assert found.max() > 0.9


def test_turned_as_the_camera_says(digits: list[tuple[Any, int]], tmp_path: Path) -> None:
    picture = Image.fromarray(digits[0][0].repeat(3, 0).repeat(3, 1))
    expected = drawing(save(picture, tmp_path / "a.png"))
    turned = picture.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned.save(tmp_path / "b.png", exif=exif)
    torch.testing.assert_close(drawing(tmp_path / "b.png"), expected)


def test_from_standard_input(
    ask: Callable[..., list[dict[str, Any]]],
    digits: list[tuple[Any, int]],
    stdin: Callable[[bytes], None],
    tmp_path: Path,
) -> None:
    buffer = io.BytesIO()
    Image.fromarray(digits[0][0]).save(buffer, "png")
    stdin(buffer.getvalue())
    (answer,) = ask("-")
    (same,) = ask(save(digits[0][0], tmp_path / "0.png"))
    assert answer == {**same, "image": "-"}
    assert answer["class"] == digits[0][1]


def test_the_table(
    bitspike: "Bitspike", trained: Path, digits: list[tuple[Any, int]], tmp_path: Path
) -> None:
    save(digits[0][0], tmp_path / "a.png")
    save(np.zeros((28, 28), np.uint8), tmp_path / "blank.png")
    done = bitspike("predict", trained / "checkpoint_max.pth", tmp_path)
    head, first, blank = done.out.splitlines()
    assert head.split() == ["image", "class", "rate", "next", "rate"]
    assert first.split()[1] == str(digits[0][1])
    assert "(no neuron fired)" in blank
    assert done.code == 0


def test_a_picture_that_cannot_be_read_does_not_stop_the_others(
    bitspike: "Bitspike", trained: Path, digits: list[tuple[Any, int]], tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    save(digits[0][0], tmp_path / "b.png")
    done = bitspike("predict", trained, tmp_path, "--json")
    assert done.code == 2
    assert done.err.startswith(f"bitspike predict: error: {tmp_path / 'a.png'} cannot be read")
    bad, good = json.loads(done.out)["answers"]
    assert set(bad) == {"image", "error"}
    assert good["class"] == digits[0][1]


def test_bad_input(
    refused: Callable[..., str], bitspike: "Bitspike", trained: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.png").write_text("x")
    assert "no such file or folder" in refused("predict", trained, tmp_path / "none.png")
    assert "folder without pictures" in refused("predict", trained, tmp_path / "empty")
    assert "once" in refused("predict", trained, "-", "-")
    assert "does not exist" in refused("predict", tmp_path / "no.pth", tmp_path / "text.png")
    assert "no checkpoint" in refused("predict", tmp_path / "text.png", tmp_path / "text.png")
    assert "without a checkpoint" in refused("predict", tmp_path / "empty", tmp_path / "text.png")
    assert "cannot be read" in refused("predict", trained, tmp_path / "text.png")
    assert "-device" in refused("predict", trained, tmp_path / "text.png", "--device", "abacus")
    assert "required: IMAGE" in refused("predict", trained)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"program": "stdp_mnist"}, "whose network cannot be rebuilt"),
        ({"options": {"depth": 3}}, "the option 'depth' is unknown"),
        ({"net": {"1.weight": torch.zeros(10, 3)}}, "1.weight is float32 [10, 3], not float32 [10"),
    ],
)
def test_checkpoints_of_something_else(
    refused: Callable[..., str],
    trained: Path,
    digits: list[tuple[Any, int]],
    tmp_path: Path,
    change: dict[str, Any],
    complaint: str,
) -> None:
    state = load_checkpoint(trained / "checkpoint_max.pth") | change
    program = state.pop("program")
    save_checkpoint(tmp_path / "other.pth", program, state)
    picture = save(digits[0][0], tmp_path / "0.png")
    assert complaint in refused("predict", tmp_path / "other.pth", picture)


def test_a_checkpoint_of_the_playground(
    bitspike: "Bitspike", trained: Path, digits: list[tuple[Any, int]], tmp_path: Path
) -> None:
    net = load_checkpoint(trained / "checkpoint_max.pth")["net"]
    content = {"options": {"T": 8, "tau": 2.0, "dataset": "mnist"}, "net": net}
    save_checkpoint(tmp_path / "p.pth", "playground", content)
    done = bitspike("predict", tmp_path / "p.pth", save(digits[0][0], tmp_path / "0.png"), "--json")
    assert json.loads(done.out)["answers"][0]["class"] == digits[0][1]
