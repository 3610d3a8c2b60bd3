"""``-predict CHECKPOINT -image FILE_OR_INDEX``."""

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from bitspike.training import OptionError, read_image

if TYPE_CHECKING:
    from tests.examples.tutorial import Program, Run

    from bitspike.datasets import ImageDataset

T = 16
INDICES = range(10)


@pytest.fixture(scope="module")
def run(default_program: "Program", tmp_path_factory: pytest.TempPathFactory) -> "Run":
    """A network that is right about seven images out of eight."""
    folder = tmp_path_factory.mktemp("predict")
    argv = f"-T {T} -b 32 -limit 4000 -lr 5e-3 -epochs 1 -j 0".split()
    assert default_program.here(*argv, "-out-dir", folder) == 0
    return default_program.only(folder)


@pytest.fixture(scope="module")
def digits(mnist: "tuple[ImageDataset, ImageDataset]") -> tuple[list[np.ndarray], list[int]]:
    """The first test images, uint8 ``[28, 28]``, and their labels."""
    test = mnist[1]
    return [test.images[i, 0].numpy() for i in INDICES], [int(test.labels[i]) for i in INDICES]


class Predict:
    """Runs ``-predict`` and reads what it prints."""

    def __init__(self, program: "Program", run: "Run", capsys: pytest.CaptureFixture[str]) -> None:
        self.program, self.run, self.capsys = program, run, capsys
        self.out = ""

    def __call__(self, image: str | Path, *argv: str | Path) -> tuple[int, list[float]]:
        """Class and firing rates."""
        self.capsys.readouterr()
        assert self.program.here("-predict", self.run.best, "-image", image, *argv) == 0
        self.out, err = self.capsys.readouterr()
        assert err == ""
        rates, answer, pictures = self.out.splitlines()
        match = re.fullmatch(r"Class: (\d) \(.*\)", answer)
        assert match
        assert rates.startswith("Firing rate: [[")
        assert pictures.startswith("Pictures: ")
        numbers: Any = ast.literal_eval(re.sub(r"\s+", ",", rates[13:].replace("[ ", "[")))
        assert np.shape(numbers) == (1, 10)
        return int(match[1]), numbers[0]

    def refused(self, image: str | Path) -> str:
        """The message."""
        self.capsys.readouterr()
        before = sorted(self.run.folder.rglob("*"))
        assert self.program.here("-predict", self.run.best, "-image", image) == 2
        assert sorted(self.run.folder.rglob("*")) == before
        out, err = self.capsys.readouterr()
        assert out == ""
        assert err.startswith("lif_fc_mnist: error: -image ")
        assert err.count("\n") == 1
        return err


@pytest.fixture
def predict(default_program: "Program", run: "Run", capsys: pytest.CaptureFixture[str]) -> Predict:
    return Predict(default_program, run, capsys)


def test_by_index(predict: Predict, digits: tuple[list[np.ndarray], list[int]]) -> None:
    right = 0
    for index, label in enumerate(digits[1]):
        predicted, rates = predict(str(index))
        assert f"(test image {index}, label {label})" in predict.out
        assert predicted == rates.index(max(rates))
        assert all((rate * T).is_integer() for rate in rates)
        right += predicted == label
    assert right >= 7


def inverted(pixels: np.ndarray) -> np.ndarray:
    return 255 - pixels


def enlarged(pixels: np.ndarray) -> np.ndarray:
    return pixels.repeat(10, 0).repeat(10, 1)


def coloured(pixels: np.ndarray) -> np.ndarray:
    return np.stack([pixels] * 3, -1)


def drawn(pixels: np.ndarray) -> np.ndarray:
    """Black ink on nothing, as drawing programs export it."""
    black = np.zeros_like(pixels)
    return np.stack([black, black, black, pixels], -1)


def deep(pixels: np.ndarray) -> np.ndarray:
    """16 bits a pixel."""
    return pixels.astype(np.uint16) * 257


@pytest.mark.parametrize("change", [np.array, inverted, coloured, drawn, deep])
def test_a_file_gives_what_the_index_gives(
    predict: Predict,
    digits: tuple[list[np.ndarray], list[int]],
    tmp_path: Path,
    change: Any,
) -> None:
    for index in (0, 4):
        file = tmp_path / f"{index}.png"
        Image.fromarray(change(digits[0][index])).save(file)
        assert predict(file) == predict(str(index))


@pytest.mark.parametrize("change", [enlarged, lambda pixels: inverted(enlarged(pixels))])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_larger_picture_is_the_same_digit(
    predict: Predict,
    digits: tuple[list[np.ndarray], list[int]],
    tmp_path: Path,
    change: Any,
    suffix: str,
) -> None:
    for index in range(4):
        file = tmp_path / f"{index}.{suffix}"
        Image.fromarray(change(digits[0][index])).save(file)
        assert predict(file)[0] == predict(str(index))[0] == digits[1][index]


def test_the_same_question_gets_the_same_answer(predict: Predict) -> None:
    assert predict("3") == predict("3")


def test_pictures_lie_beside_the_checkpoint(predict: Predict, run: "Run") -> None:
    predict("7")
    folder = run.folder / "predict_7"
    assert sorted(path.name for path in folder.iterdir()) == ["spikes.png", "voltage.png"]
    assert f"Pictures: {folder / 'voltage.png'} {folder / 'spikes.png'}" in predict.out


def test_pictures_in_another_folder(
    predict: Predict, run: "Run", digits: tuple[list[np.ndarray], list[int]], tmp_path: Path
) -> None:
    file = tmp_path / "my digit.png"
    Image.fromarray(digits[0][0]).save(file)
    before = sorted(run.folder.rglob("*"))
    predict(file, "-out-dir", tmp_path / "new")
    names = sorted(path.name for path in (tmp_path / "new" / "predict_my digit").iterdir())
    assert names == ["spikes.png", "voltage.png"]
    assert sorted(run.folder.rglob("*")) == before


def test_as_a_program(program: "Program", run: "Run", mnist_root: Path, tmp_path: Path) -> None:
    question = ["-predict", str(run.latest), "-image", "0", "-data-dir", str(mnist_root)]
    done = program.fresh(*question, "-out-dir", str(tmp_path))
    assert (done.code, done.err) == (0, "")
    assert "\nClass: 7 (test image 0, label 7)\n" in done.out
    for name in ("voltage.png", "spikes.png"):
        with Image.open(tmp_path / "predict_0" / name) as picture:
            assert min(picture.size) >= 400
            assert np.asarray(picture.convert("L")).std() > 5


@pytest.mark.parametrize("index", ["600", "1000000000000000000000"])
def test_an_index_out_of_range(predict: Predict, index: str) -> None:
    assert f"-image {index}: there are 600 test images, from 0" in predict.refused(index)


@pytest.mark.parametrize("image", ["-1", "missing.png", "3.0"])
def test_a_missing_file(predict: Predict, image: str) -> None:
    assert f"-image {image}: no such file, and not the number of an image" in predict.refused(image)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_no_picture(predict: Predict, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    assert "a.png cannot be read as a picture" in predict.refused(tmp_path / "a.png")


def test_a_folder(predict: Predict, tmp_path: Path) -> None:
    assert "cannot be read as a picture" in predict.refused(tmp_path)


def test_a_picture_that_would_fill_the_memory(
    predict: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("L", (100, 100)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert "cannot be read as a picture" in predict.refused(tmp_path / "a.png")


def test_damaged_pictures_are_refused_or_read(
    digits: tuple[list[np.ndarray], list[int]], tmp_path: Path
) -> None:
    file, rng, refused = tmp_path / "a.png", np.random.default_rng(0), 0
    Image.fromarray(digits[0][0]).save(file)
    whole = file.read_bytes()
    for cut in range(0, len(whole), 5):
        damaged = bytearray(whole[:cut] if cut % 2 else whole)
        for at in rng.integers(0, max(1, len(damaged)), 3):
            damaged[at : at + 1] = rng.bytes(1)
        file.write_bytes(damaged)
        try:
            image = read_image(str(file), "a.png")
        except OptionError:
            refused += 1
        else:
            assert 0 <= float(image.min()) <= float(image.max()) <= 1
    assert refused > 20
