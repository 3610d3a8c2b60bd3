"""From a drawing to an image as MNIST has them."""

import numpy as np
import numpy.typing as npt

_IMAGE = 28
_BOX = 20.0
_MIDDLE = 14.5  # of pixel 14
_FAINT = 8  # of 255: what is fainter is no ink

Floats = npt.NDArray[np.float64]


def centre_drawing(drawing: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The drawing, scaled to a box of 20 x 20, its centre of mass in the middle of pixel (14, 14).

    That is where MNIST has it, give or take half a pixel, since there the box was moved by whole
    pixels. Each pixel is the mean of the area of the drawing that it covers.

    Args:
        drawing: ink ``[H, W]`` of any size, 0 is none.

    Returns:
        ``[28, 28]`` in [0, 1]; all zeros if nothing was drawn.
    """
    ink = np.where(drawing > _FAINT, drawing, 0).astype(np.float64) / 255
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    if not len(rows):
        return np.zeros((_IMAGE, _IMAGE), np.float32)
    extent = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    pixel = extent / _BOX  # of the image, in pixels of the drawing
    down, across = _covered(ink.sum(1), pixel), _covered(ink.sum(0), pixel)
    return np.clip(down @ ink @ across.T, 0, 1).astype(np.float32)


def _centre(mass: Floats) -> float:
    return float((mass * (np.arange(len(mass)) + 0.5)).sum() / mass.sum())


def _covered(mass: Floats, pixel: float) -> Floats:
    """Share of the image's pixel ``i`` that pixel ``j`` of the drawing covers, ``[28, size]``.

    Args:
        mass: ink in each row, or column, of the drawing.
        pixel: size of one of the image's pixels, in pixels of the drawing.
    """
    edges = _centre(mass) + (np.arange(_IMAGE + 1) - _MIDDLE) * pixel
    at = np.arange(len(mass))
    low = np.maximum(edges[:-1, None], at)
    high = np.minimum(edges[1:, None], at + 1)
    return np.asarray(np.maximum(high - low, 0) / pixel)
