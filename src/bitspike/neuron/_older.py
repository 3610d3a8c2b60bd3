"""Programs for older releases of SpikingJelly give neurons an argument ``backend``."""

import functools
from typing import Any

from bitspike.base import StepModule


def accept_backend(cls: type[StepModule]) -> None:
    """Lets the constructor of ``cls`` take ``backend``, which its signature does not show."""
    if "__init__" not in vars(cls):
        return
    init = cls.__init__

    @functools.wraps(init)
    def wrapped(self: StepModule, *args: Any, **kwargs: Any) -> None:
        given = "backend" in kwargs
        backend = kwargs.pop("backend", None)
        init(self, *args, **kwargs)
        if given:
            self.backend = backend

    cls.__init__ = wrapped  # type: ignore[assignment,method-assign]
