"""The base of all modules that take one time step or a whole sequence."""

import inspect
import warnings
from pathlib import Path

import torch

from bitspike import kernels

_BACKENDS_OF_OLDER_RELEASES = {"torch": "eager", "cupy": "auto"}
_INSIDE = (str(Path(__file__).parents[1]), str(Path(torch.__file__).parent))


def check_backend(backend: str) -> str:
    """Return ``backend``, or for ``'torch'`` and ``'cupy'`` the present name, with a warning.

    Raises:
        ValueError: for an unknown backend.
    """
    if backend in _BACKENDS_OF_OLDER_RELEASES:
        present = _BACKENDS_OF_OLDER_RELEASES[backend]
        meaning = "plain PyTorch" if present == "eager" else "the fastest that can run"
        warnings.warn(
            f"the backend {backend!r} of older releases is {present!r} here, {meaning}; leave it "
            "out",
            DeprecationWarning,
            stacklevel=_levels_to_caller(),
        )
        backend = present
    return kernels.check_backend(backend)


def _levels_to_caller() -> int:
    """Return the number of frames up to the caller's program, outside of bitspike and torch."""
    level, frame = 1, inspect.currentframe()
    while (frame := frame and frame.f_back) and frame.f_code.co_filename.startswith(_INSIDE):
        level += 1
    return level


class StepModule:
    """Mixin of every module that distinguishes single-step and multi-step input.

    In single-step mode (``'s'``, the default) one call is one time step and tensors are
    ``[B, ...]``. In multi-step mode (``'m'``) one call is a whole sequence and tensors are
    ``[T, B, ...]``, time first.
    """

    _step_mode: str = "s"
    _label: str | None = None
    _backend: str = "auto"
    # False for a neuron whose time loop has no kernel on any backend.
    _has_kernel: bool = True
    # True for a container that calls its children in one mode: set_step_mode stops there.
    _keeps_children: bool = False

    def supported_step_mode(self) -> tuple[str, ...]:
        """Return the step modes that the module supports."""
        return ("s", "m")

    def _whoami(self) -> str:
        """Return the class, and the name in the network if a network-wide call has set it."""
        kind = type(self).__name__
        return f"{kind} '{self._label}'" if self._label else kind

    @property
    def step_mode(self) -> str:
        """The current step mode, ``'s'`` or ``'m'``.

        Raises:
            ValueError: on assignment of a mode that the module does not support.
        """
        return self._step_mode

    @step_mode.setter
    def step_mode(self, value: str) -> None:
        if value not in self.supported_step_mode():
            choices = " or ".join(repr(mode) for mode in self.supported_step_mode())
            raise ValueError(
                f"{type(self).__name__}: step_mode must be {choices}, but got {value!r}"
            )
        self._step_mode = value

    @property
    def backend(self) -> str:
        """The implementation: ``'eager'``, ``'numba'``, ``'triton'``, or ``'auto'``, the fastest.

        Triton has kernels for the time loops of neurons; other modules are plain PyTorch with
        ``'triton'``. ``'torch'`` and ``'cupy'`` of older programs are taken with a warning.

        Raises:
            ValueError: on assignment of an unknown backend.
            BackendError: on assignment of ``'numba'`` or ``'triton'`` to a neuron that has no
                compiled kernel. Layers take every backend, also if they have no kernel.
        """
        return self._backend

    @backend.setter
    def backend(self, value: str) -> None:
        value = check_backend(value)
        if value in ("numba", "triton") and not self._has_kernel:
            raise kernels.BackendError(
                f"the backend {value!r} was asked for, but {type(self).__name__} has no compiled "
                "kernel: leave it on 'auto'"
            )
        self._backend = value


class SingleStepModule(StepModule):
    """A module that takes one time step a call, ``[B, ...]``, and no sequences."""

    def supported_step_mode(self) -> tuple[str, ...]:
        """Return single-step mode only."""
        return ("s",)


class MultiStepModule(StepModule):
    """A module that takes whole sequences, ``[T, B, ...]``, and no single steps."""

    _step_mode = "m"

    def supported_step_mode(self) -> tuple[str, ...]:
        """Return multi-step mode only."""
        return ("m",)
