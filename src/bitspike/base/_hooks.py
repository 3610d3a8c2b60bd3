"""Whether somebody looks at what a module does."""

from torch import nn


def wants_more_than_output(module: nn.Module) -> bool:
    """Whether a hook looks at the input of ``module``, or at a gradient."""
    return bool(module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks)


def has_hooks(module: nn.Module) -> bool:
    """Whether ``module`` has hooks of any kind."""
    return bool(module._forward_hooks) or wants_more_than_output(module)
