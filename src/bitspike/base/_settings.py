"""The text of a module's settings, for ``repr``."""

import inspect
from typing import Any

from torch import Tensor, nn


class ShowsSettings:
    """Mixin to put before ``nn.Module``: ``repr`` shows the constructors' arguments.

    The values are those of the attributes with the arguments' names, as they are now. Arguments
    without such an attribute, modules and large tensors are left out.
    """

    def extra_repr(self) -> str:
        """Return the settings for ``repr(net)``, in the order of the constructors' arguments."""
        return ", ".join(f"{name}={text}" for name, text in self._settings().items() if text)

    def _settings(self) -> dict[str, str]:
        makers = [vars(base)["__init__"] for base in type(self).__mro__ if "__init__" in vars(base)]
        makers = makers[: makers.index(nn.Module.__init__)]
        names = [name for make in makers for name in inspect.signature(make).parameters]
        names = [name.removeprefix("init_") for name in names]
        return {name: self._setting(getattr(self, name, nn)) for name in names}

    def _setting(self, value: Any) -> str:
        """Return a setting as text; nothing for a module or a large tensor."""
        if callable(value) and not isinstance(value, nn.Module):
            function = getattr(value, "func", value)
            return getattr(function, "__name__", type(function).__name__)
        if isinstance(value, Tensor) and value.numel() <= 4:
            value = value.detach().tolist()
        return repr(value) if isinstance(value, int | float | str | list | None) else ""
