"""Pictures that a user has, of any size, colour or ground, as images for a network."""

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bitspike.datasets import ImageDataset, centre_drawing
from bitspike.training._options import OptionError

if TYPE_CHECKING:
    from PIL import Image

# The usual forms. Pillow knows some forty more, among them one that starts other programs (EPS).
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_NOISE = 0.15  # of the ink's strength: paper and shadows stay below


def read_image(source: str | BinaryIO, name: str, centred: bool = False) -> Tensor:
    """Return a picture as ``[1, 1, 28, 28]`` in [0, 1], bright strokes on a dark ground.

    Args:
        source: path, or an open file.
        name: how messages call the picture.
        centred: whether the drawing fills a box and is centred, as in MNIST. Otherwise, and for
            pictures of 28 x 28, the picture is taken as a whole.

    Raises:
        OptionError: if there is no such file, it is no picture, or it is absurdly large.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(source, formats=_FORMATS) as picture:
                grey = _grey(ImageOps.exif_transpose(picture))
        if centred and grey.size != (28, 28):
            return torch.from_numpy(centre_drawing(_ink(grey))).reshape(1, 1, 28, 28)
        return _whole(grey)
    except FileNotFoundError as error:
        raise OptionError(f"{name}: no such file, and not the number of an image") from error
    except Exception as error:  # a damaged picture can raise anything
        raise OptionError(f"{name} cannot be read as a picture: {error}") from error


def image_number(text: str) -> int | None:
    """Return the number of a test image; None if ``text`` is the name of a file."""
    # Python refuses to read an integer of more than 4,300 digits.
    return int(text) if text.isdecimal() and len(text) < 4000 else None


def find_image(text: str, test_set: Callable[[], ImageDataset]) -> tuple[Tensor, str]:
    """Return the image ``[1, 1, 28, 28]`` that ``-image`` asks for, and its description.

    Args:
        text: number of a test image, or the name of a picture file.
        test_set: returns the test images; called if they are needed.

    Raises:
        OptionError: if there is no such image.
    """
    if (index := image_number(text)) is None:
        return read_image(text, f"-image {text}"), text
    image, label = test_image(test_set(), index, "-image")
    return image, f"test image {index}, label {int(label)}"


def test_image(images: ImageDataset, index: int, flag: str) -> tuple[Tensor, Tensor]:
    """Return a test image ``[1, 1, 28, 28]`` and its label ``[1]``; messages begin with ``flag``.

    Raises:
        OptionError: if there is no image of this number.
    """
    if index >= len(images):
        raise OptionError(f"{flag} {index}: there are {len(images)} test images, from 0")
    return images[index : index + 1]


def _whole(picture: "Image.Image") -> Tensor:
    from PIL import Image

    small = picture.resize((28, 28), Image.Resampling.LANCZOS)
    image = torch.from_numpy(np.array(small)).float().div_(255)
    border = torch.cat([image[0], image[-1], image[:, 0], image[:, -1]])
    if border.mean() > 0.5:
        image = 1 - image  # dark ink on bright paper
    return image.reshape(1, 1, 28, 28)


def _grey(picture: "Image.Image") -> "Image.Image":
    """Return ``picture`` in 256 shades of grey, its transparent parts on white paper."""
    from PIL import Image

    if picture.mode.startswith("I;16"):  # Pillow would clip these
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.has_transparency_data:
        ink = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", ink.size, "white"), ink)
    return picture.convert("L")


def _ink(picture: "Image.Image") -> npt.NDArray[np.uint8]:
    """Return how much each pixel differs from the ground, 255 at most; paper's noise is 0."""
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
