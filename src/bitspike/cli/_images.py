"""Pictures that a user has: files, folders, standard input; any size, colour or ground."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torch import Tensor

from bitspike.cli._parser import UsageError
from bitspike.datasets import centre_drawing
from bitspike.examples import _pictures

STDIN = "-"
SUFFIXES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)
_LARGEST = 256 << 20  # bytes of a picture
_NOISE = 0.15  # of the ink's strength: paper and shadows stay below


def expand(given: list[str]) -> Iterator[str]:
    """Files and `STDIN`, a folder's pictures in the order of their names.

    Raises:
        UsageError: if there is no such file, a folder holds no picture, or standard input is asked
            for twice.
    """
    if given.count(STDIN) > 1:
        raise UsageError("- can be given once: there is one standard input")
    for name in given:
        path = Path(name)
        if name == STDIN or path.is_file():
            yield name
        elif path.is_dir():
            found = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
            if not found:
                raise UsageError(
                    f"{name} is a folder without pictures ({', '.join(sorted(SUFFIXES))})"
                )
            yield from map(str, found)
        else:
            raise UsageError(f"{name}: no such file or folder")


def read(name: str, centred: bool) -> Tensor:
    """A picture as ``[1, 1, 28, 28]`` in [0, 1], bright strokes on a dark ground.

    Args:
        name: of a file, or `STDIN`.
        centred: whether what is drawn fills a box and is centred, as in MNIST; otherwise, and for
            pictures of 28 x 28, the picture as a whole.

    Raises:
        UsageError: if it is no picture.
    """
    try:
        with _pictures.opened(_stdin() if name == STDIN else name) as picture:
            grey = _pictures.gray(ImageOps.exif_transpose(picture))
            if centred and grey.size != (28, 28):
                return torch.from_numpy(centre_drawing(_ink(grey))).reshape(1, 1, 28, 28)
            return _pictures.whole(grey)
    except Exception as error:  # what a damaged picture raises can be anything
        where = "standard input" if name == STDIN else name
        raise UsageError(f"{where} cannot be read as a picture: {error}") from error


def _stdin() -> io.BytesIO:
    """Standard input, up to more than any picture has.

    Raises:
        ValueError: if there is more.
    """
    content = sys.stdin.buffer.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"it has more than {_LARGEST >> 20} MiB")
    return io.BytesIO(content)


def _ink(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """How much each pixel differs from the ground, the strongest 255; paper's noise is 0."""
    picture.thumbnail((1120, 1120))
    pixels = np.asarray(picture).astype(np.float64)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    ground = float(np.median(border))
    ink = ground - pixels if ground > 127.5 else pixels - ground
    strongest = ink.max()
    if strongest <= 0:
        return np.zeros(pixels.shape, np.uint8)
    ink = np.clip(ink / strongest, 0, 1)
    return np.where(ink > _NOISE, np.round(255 * ink), 0).astype(np.uint8)
