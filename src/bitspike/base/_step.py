"""Step modes: does a module take one time step or a whole sequence?"""

from bitspike import kernels
from bitspike.base._older import today


class StepModule:
    """Mixin of every module that distinguishes single-step and multi-step input.

    In single-step mode (``'s'``, the default) one call is one time step and tensors are
    ``[B, ...]``. In multi-step mode (``'m'``) one call is a whole sequence and tensors are
    ``[T, B, ...]``, time first.
    """

    _step_mode: str = "s"
    _label: str | None = None
    _backend: str = "auto"
    # False for a neuron whose time steps are a loop of torch's operations on every backend.
    _has_kernel: bool = True
    # True for a container whose children keep the step mode it needs: set_step_mode stops there.
    _keeps_children: bool = False

    def supported_step_mode(self) -> tuple[str, ...]:
        """The step modes this module can work in."""
        return ("s", "m")

    def _whoami(self) -> str:
        """The kind of module, and its name in the network as `set_step_mode` last saw it."""
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
        """What computes: ``'eager'``, ``'numba'``, ``'triton'``, or ``'auto'``, the fastest.

        What has no kernel of Triton's, that is, all but the time loops of neurons, is plain
        PyTorch with ``'triton'``. ``'torch'`` and ``'cupy'`` of older programs are taken with a
        warning.

        Raises:
            ValueError: on assignment of an unknown backend.
            BackendError: on assignment of ``'numba'`` or ``'triton'`` to a neuron that has no
                compiled kernel. Layers that are torch's on every backend take them.
        """
        return self._backend

    @backend.setter
    def backend(self, value: str) -> None:
        value = kernels.check_backend(today(value))
        if value in ("numba", "triton") and not self._has_kernel:
            raise kernels.BackendError(
                f"the backend {value!r} was asked for, but {type(self).__name__} has no compiled "
                "kernel: leave it on 'auto'"
            )
        self._backend = value


class SingleStepModule(StepModule):
    """A module that takes one time step a call, ``[B, ...]``, and nothing else."""

    def supported_step_mode(self) -> tuple[str, ...]:
        """Single-step only."""
        return ("s",)


class MultiStepModule(StepModule):
    """A module that takes whole sequences, ``[T, B, ...]``, and nothing else."""

    _step_mode = "m"

    def supported_step_mode(self) -> tuple[str, ...]:
        """Multi-step only."""
        return ("m",)
