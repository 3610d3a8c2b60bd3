"""Tables that kernels make of weights, kept between calls while the weights stay the same."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from torch import nn

Made = TypeVar("Made")

_kept: ContextVar[dict[Any, tuple[Any, Any]] | None] = ContextVar("bitspike_prepared", default=None)


@contextmanager
def keep_prepared(store: dict[Any, tuple[Any, Any]]) -> Iterator[None]:
    """Keep in ``store``, inside the block, what is made of parameters and modules.

    They must not change as long as ``store`` is used.
    """
    token = _kept.set(store)
    try:
        yield
    finally:
        _kept.reset(token)


def keeps_prepared() -> bool:
    """Return whether the results of `prepared` are kept."""
    return _kept.get() is not None


def prepared(origins: tuple[Any, ...], make: Callable[[], Made], *key: Any) -> Made:
    """Return ``make()``, or its result for the same origins and key, inside `keep_prepared`.

    Nothing is kept unless all origins are parameters, modules or None: others may be temporary.
    """
    store = _kept.get()
    kinds = (nn.Parameter, nn.Module, type(None))
    if store is None or not all(isinstance(origin, kinds) for origin in origins):
        return make()
    place = (*map(id, origins), *key)
    if place not in store:
        store[place] = make(), origins  # which keeps their ids
    made: Made = store[place][0]
    return made
