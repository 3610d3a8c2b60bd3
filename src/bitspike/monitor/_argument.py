"""What the monitors share that record an argument of torch's hooks."""

from typing import Any

from torch import nn

from bitspike.monitor._base import BaseMonitor, Function, Kinds, only


class ArgumentMonitor(BaseMonitor):
    """Base of the monitors that record one of the arguments that torch hands to a hook.

    A subclass says which hook (`registration`, a method of ``nn.Module``), which of its arguments
    after the module (`argument`), and under which name the user's function is kept (`function`).
    """

    registration: str
    argument: int
    function: str

    def __init__(self, net: nn.Module, instance: Kinds | None, function: Function) -> None:
        super().__init__()
        setattr(self, self.function, function)
        self._watch(net, instance, lambda m, hook: getattr(m, self.registration)(hook))

    def observe(self, module: nn.Module, *args: Any) -> Any:  # noqa: ARG002
        """The user's function of the argument."""
        return getattr(self, self.function)(only(args[self.argument]))
