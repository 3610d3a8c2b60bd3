"""What the engine makes of parameters, kept between calls by who knows that they stay the same."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from torch import nn

Made = TypeVar("Made")

_kept: ContextVar[dict[Any, tuple[Any, Any]] | None] = ContextVar("bitspike_prepared", default=None)


@contextmanager
def keep_prepared(store: dict[Any, tuple[Any, Any]]) -> Iterator[None]:
    """While entered, what is made of parameters and modules is kept in ``store`` and found again.

    They must not change as long as ``store`` is used.
    """
    token = _kept.set(store)
    try:
        yield
    finally:
        _kept.reset(token)


def keeps_prepared() -> bool:
    """Whether what `prepared` makes will be found again."""
    return _kept.get() is not None


def prepared(origins: tuple[Any, ...], make: Callable[[], Made], *key: Any) -> Made:
    """``make()``, or what it made of the same origins and key before, inside `keep_prepared`.

    Nothing is kept if one of the origins is no parameter, module or None: it may be temporary.
    """
    store = _kept.get()
    if store is None or not all(
        one is None or isinstance(one, nn.Parameter | nn.Module) for one in origins
    ):
        return make()
    place = (*map(id, origins), *key)
    if place not in store:
        store[place] = make(), origins  # which keeps their ids
    made: Made = store[place][0]
    return made
