"""From a drawing to an image as MNIST has them."""

from bitspike.datasets import centre_drawing as prepare

__all__ = ["SIDE", "prepare"]

SIDE = 112
"""Pixels on a side of the drawing that the page sends."""
