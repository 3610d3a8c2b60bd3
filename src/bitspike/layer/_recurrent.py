"""Containers that feed the output of a step into the next one."""

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from bitspike.base import MemoryModule
from bitspike.layer._container import check_children
from bitspike.layer._memory_shape import shaped


class _Recurrent(MemoryModule):
    """Holds the last output ``y``; ``functional.set_step_mode`` does not reach into it."""

    _keeps_children = True
    y: Tensor | None

    def __init__(self, sub_module: nn.Module, step_mode: str, rc: nn.Linear | None = None) -> None:
        super().__init__()
        self.step_mode = step_mode
        check_children(self, [sub_module])
        if rc is not None:
            self.rc = rc
        self.sub_module = sub_module
        self.register_memory("y", None)

    @abstractmethod
    def _first(self, x: Tensor) -> Tensor:
        """``Y[-1]`` for the input ``x`` of one time step."""

    @abstractmethod
    def _combine(self, x: Tensor, y: Tensor) -> Tensor:
        """What the sub-module receives."""

    def single_step_forward(self, x: Tensor) -> Tensor:
        """One time step, ``[B, ...]``."""
        if self.y is None:
            self.y = self._first(x)
        last = self.memory_like("y", shaped(x, *x.shape[:1], *self.y.shape[1:]))
        y = self.watch(self.sub_module(self._combine(x, last)))
        self.y = y
        return y


class ElementWiseRecurrentContainer(_Recurrent):
    """A module that sees the input and its own last output.

    ::

        Y[t] = sub_module(element_wise_function(Y[t-1], X[t]))      Y[-1] = 0

    Input and output are ``[B, ...]`` or ``[T, B, ...]``.

    Args:
        sub_module: a single-step module whose output has the shape of its input.
        element_wise_function: takes the last output and the input, such as ``torch.add``.
        step_mode: ``'s'`` or ``'m'``; ``sub_module`` stays in single-step mode.

    Raises:
        ValueError: if ``sub_module`` is in multi-step mode.
        StateError: at an input that does not fit the output of an earlier one.
    """

    def __init__(
        self,
        sub_module: nn.Module,
        element_wise_function: Callable[[Tensor, Tensor], Tensor],
        step_mode: str = "s",
    ) -> None:
        super().__init__(sub_module, step_mode)
        self.element_wise_function = element_wise_function

    def _first(self, x: Tensor) -> Tensor:
        return torch.zeros(x.shape, dtype=x.dtype, device=x.device)

    def _combine(self, x: Tensor, y: Tensor) -> Tensor:
        return self.element_wise_function(y, x)

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"element_wise_function={self.element_wise_function}, {super().extra_repr()}"


class LinearRecurrentContainer(_Recurrent):
    """A module that sees a linear combination of the input and of its own last output.

    ::

        Y[t] = sub_module(rc([X[t], Y[t-1]]))       Y[-1] = 0

    Input ``[B, ..., in_features]`` or ``[T, B, ..., in_features]``, output with ``out_features``.
    ``rc`` is an ``nn.Linear`` from ``in_features + out_features`` to ``in_features``.

    Args:
        sub_module: a single-step module from ``in_features`` to ``out_features``.
        in_features: features of the input.
        out_features: features of the output of ``sub_module``.
        bias: whether ``rc`` has a bias.
        step_mode: ``'s'`` or ``'m'``; ``sub_module`` stays in single-step mode.

    Raises:
        ValueError: if ``sub_module`` is in multi-step mode.
        StateError: at an input that does not fit the output of an earlier one.
    """

    def __init__(
        self,
        sub_module: nn.Module,
        in_features: int,
        out_features: int,
        bias: bool = True,
        step_mode: str = "s",
    ) -> None:
        rc = nn.Linear(in_features + out_features, in_features, bias)
        super().__init__(sub_module, step_mode, rc)
        self.sub_module_out_features = out_features

    def _first(self, x: Tensor) -> Tensor:
        shape = (*x.shape[:-1], self.sub_module_out_features)
        return torch.zeros(shape, dtype=x.dtype, device=x.device)

    def _combine(self, x: Tensor, y: Tensor) -> Tensor:
        z: Tensor = self.rc(torch.cat((x, y), dim=-1))
        return z
