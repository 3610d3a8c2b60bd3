"""Digits as a person may draw them: strokes of points on a square of side 1."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Stroke = list[tuple[float, float]]

DIGITS: dict[int, list[Stroke]] = {
    0: [[(0.5, 0.15), (0.33, 0.25), (0.28, 0.5), (0.35, 0.78), (0.52, 0.85), (0.68, 0.75),
         (0.73, 0.48), (0.66, 0.24), (0.5, 0.15)]],
    1: [[(0.55, 0.15), (0.5, 0.5), (0.46, 0.85)]],
    2: [[(0.3, 0.3), (0.38, 0.18), (0.55, 0.15), (0.68, 0.25), (0.66, 0.42), (0.5, 0.62),
         (0.28, 0.84), (0.5, 0.82), (0.75, 0.84)]],
    3: [[(0.3, 0.2), (0.5, 0.14), (0.66, 0.24), (0.62, 0.4), (0.45, 0.48), (0.64, 0.54),
         (0.7, 0.7), (0.56, 0.85), (0.3, 0.8)]],
    4: [[(0.36, 0.15), (0.3, 0.4), (0.32, 0.52), (0.5, 0.54), (0.68, 0.48)],
        [(0.7, 0.15), (0.67, 0.5), (0.62, 0.88)]],
    5: [[(0.7, 0.16), (0.42, 0.18), (0.38, 0.42), (0.55, 0.44), (0.68, 0.58), (0.62, 0.76),
         (0.45, 0.86), (0.28, 0.78)]],
    6: [[(0.6, 0.14), (0.44, 0.3), (0.35, 0.55), (0.38, 0.78), (0.52, 0.85), (0.65, 0.74),
         (0.6, 0.6), (0.46, 0.58), (0.38, 0.7)]],
    7: [[(0.28, 0.22), (0.5, 0.2), (0.7, 0.2), (0.6, 0.45), (0.5, 0.68), (0.46, 0.88)]],
    8: [[(0.64, 0.24), (0.5, 0.15), (0.38, 0.26), (0.46, 0.42), (0.6, 0.6), (0.6, 0.78),
         (0.46, 0.85), (0.36, 0.74), (0.46, 0.54), (0.62, 0.36), (0.64, 0.24)]],
    9: [[(0.66, 0.3), (0.5, 0.2), (0.36, 0.32), (0.42, 0.48), (0.6, 0.44), (0.67, 0.3),
         (0.64, 0.6), (0.58, 0.86)]],
}  # fmt: skip


def ink(strokes: list[Stroke], side: int = 112, pen: float = 0.08) -> npt.NDArray[np.uint8]:
    """The strokes as the page draws them: white, with a round pen, anti-aliased."""
    fine = 4 * side
    picture = Image.new("L", (fine, fine))
    draw = ImageDraw.Draw(picture)
    radius = pen * fine / 2
    for stroke in strokes:
        points = [(x * fine, y * fine) for x, y in stroke]
        draw.line(points, fill=255, width=round(2 * radius))
        for x, y in points:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return np.asarray(picture.resize((side, side), Image.Resampling.BOX))


def moved(strokes: list[Stroke], scale: float, dx: float, dy: float) -> list[Stroke]:
    """The strokes, scaled about the middle and shifted."""
    return [
        [(0.5 + scale * (x - 0.5) + dx, 0.5 + scale * (y - 0.5) + dy) for x, y in stroke]
        for stroke in strokes
    ]
