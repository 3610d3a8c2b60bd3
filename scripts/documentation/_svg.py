"""Small pictures as SVG text, readable on light and dark pages, the same on every machine."""

from collections.abc import Sequence
from dataclasses import dataclass

BLUE, ORANGE, RED, GREEN, GREY = "#4a7fd4", "#d98a1f", "#d2504a", "#3f9d63", "#8a8a8a"


@dataclass
class Panel:
    """A rectangle of the picture with axes of its own.

    Attributes:
        left, top, width, height: in pixels.
        x: the ends of the horizontal axis.
        y: the ends of the vertical axis.
    """

    left: float
    top: float
    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return a point in pixels."""
        (x0, x1), (y0, y1) = self.x, self.y
        return (
            self.left + self.width * (x - x0) / (x1 - x0),
            self.top + self.height * (1 - (y - y0) / (y1 - y0)),
        )

    def line(
        self, xs: Sequence[float], ys: Sequence[float], colour: str, width: float = 1.4,
        dashes: str = "",
    ) -> str:  # fmt: skip
        """Return a polyline."""
        points = " ".join(
            "{:.1f},{:.1f}".format(*self.at(x, y)) for x, y in zip(xs, ys, strict=True)
        )
        style = f' stroke-dasharray="{dashes}"' if dashes else ""
        return (
            f'<polyline points="{points}" fill="none" stroke="{colour}" '
            f'stroke-width="{width}"{style}/>'
        )

    def stems(self, xs: Sequence[float], ys: Sequence[float], colour: str) -> str:
        """Return a vertical line from 0 for each value that is not 0."""
        marks = ""
        for x, y in zip(xs, ys, strict=True):
            if y:
                (px, bottom), (_, top) = self.at(x, 0), self.at(x, y)
                marks += f"M{px:.1f} {bottom:.1f}V{top:.1f}"
        return (
            f'<path d="{marks}" stroke="{colour}" stroke-width="2" fill="none"/>' if marks else ""
        )

    def level(self, y: float, colour: str = GREY, dashes: str = "") -> str:
        """Return a horizontal line over the whole width."""
        return self.line(self.x, (y, y), colour, 0.8, dashes)

    def label(self, text: str, y: float, colour: str = GREY) -> str:
        """Return a word at the left of the panel, at the height of ``y``."""
        _, py = self.at(self.x[0], y)
        return words(self.left - 6, py + 4, text, colour, "end")

    def tick(self, x: float, text: str) -> str:
        """Return a word below the panel."""
        px, _ = self.at(x, self.y[0])
        return words(
            px, self.top + self.height + 14, text, GREY, "end" if x == self.x[1] else "middle"
        )


def words(x: float, y: float, text: str, colour: str, anchor: str = "start") -> str:
    """Return text at a point in pixels."""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{text}</text>'


def picture(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    """Return the whole file."""
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
        f"<title>{title}</title>",
        *(part for part in parts if part),
        "</svg>",
        "",
    ])  # fmt: skip


def short(value: float) -> str:
    """Return a number as text for a label."""
    return f"{round(value, 2) + 0.0:g}"
