"""Record what backward brings to modules."""

from torch import nn

from bitspike.monitor._argument import ArgumentMonitor
from bitspike.monitor._base import Function, Kinds, identity


class GradInputMonitor(ArgumentMonitor):
    """Records ``dL/dX`` of modules with input ``X``, at each backward.

    A record has the shape of the input: ``[B, ...]`` in single-step mode, one record a time step
    and the last step first, since backward runs against time; ``[T, B, ...]`` in multi-step
    mode. It is None for an input that needs no gradient.

    Example::

        with GradInputMonitor(net, neuron.LIFNode, lambda g: g.norm()) as monitor:
            net(x).mean(0).sum().backward()
        print(monitor.records)  # do gradients vanish on their way down?

    Args:
        net: the network.
        instance: class, or tuple of classes, of the modules to watch; None is ``type(net)``, that
            is, the network itself and those below of its kind.
        function_on_grad_input: applied to each gradient, its result is recorded.

    Raises:
        ValueError: if the network has no such module.
    """

    registration = "register_full_backward_hook"
    argument = 0
    function = "function_on_grad_input"

    def __init__(
        self,
        net: nn.Module,
        instance: Kinds | None = None,
        function_on_grad_input: Function = identity,
    ) -> None:
        super().__init__(net, instance, function_on_grad_input)


class GradOutputMonitor(ArgumentMonitor):
    """Records ``dL/dY`` of modules with output ``Y``, at each backward.

    A record has the shape of the output: ``[B, ...]`` in single-step mode, one record a time
    step and the last step first, since backward runs against time; ``[T, B, ...]`` in multi-step
    mode.

    Example::

        with GradOutputMonitor(net, neuron.LIFNode) as monitor:
            net(x).mean(0).sum().backward()
        gradients = monitor['1']  # of the spikes of net[1]

    Args:
        net: the network.
        instance: class, or tuple of classes, of the modules to watch; None is ``type(net)``, that
            is, the network itself and those below of its kind.
        function_on_grad_output: applied to each gradient, its result is recorded.

    Raises:
        ValueError: if the network has no such module.
    """

    registration = "register_full_backward_hook"
    argument = 1
    function = "function_on_grad_output"

    def __init__(
        self,
        net: nn.Module,
        instance: Kinds | None = None,
        function_on_grad_output: Function = identity,
    ) -> None:
        super().__init__(net, instance, function_on_grad_output)
