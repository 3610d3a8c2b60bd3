"""Record what goes through modules."""

from torch import nn

from bitspike.monitor._argument import ArgumentMonitor
from bitspike.monitor._base import Function, Kinds, identity


class OutputMonitor(ArgumentMonitor):
    """Records the outputs of modules.

    A record is what ``function_on_output`` makes of one output: ``[B, ...]`` in single-step mode
    (one record a time step), ``[T, B, ...]`` in multi-step mode. By default that is the output
    itself, with its graph; ``lambda s: s.detach()`` lets the graph go and saves its memory.

    Example::

        with OutputMonitor(net, neuron.LIFNode, lambda s: s.detach().mean()) as monitor:
            net(x)
        print(dict(zip(monitor.monitored_layers, monitor.records)))  # firing rate of each layer

    Args:
        net: the network.
        instance: class, or tuple of classes, of the modules to watch; None is ``type(net)``, that
            is, the network itself and those below of its kind.
        function_on_output: applied to each output, its result is recorded.

    Raises:
        ValueError: if the network has no such module.
    """

    registration = "register_forward_hook"
    argument = 1
    function = "function_on_output"

    def __init__(
        self,
        net: nn.Module,
        instance: Kinds | None = None,
        function_on_output: Function = identity,
    ) -> None:
        super().__init__(net, instance, function_on_output)


class InputMonitor(ArgumentMonitor):
    """Records the inputs of modules, before they run.

    A record is what ``function_on_input`` makes of one input: ``[B, ...]`` in single-step mode
    (one record a time step), ``[T, B, ...]`` in multi-step mode; a tuple if the module takes
    several positional inputs. By default that is the input itself, with its graph:
    ``lambda x: x.detach()`` lets the graph go, and a module that writes into its input calls for
    ``lambda x: x.detach().clone()``.

    Example::

        with InputMonitor(net, neuron.IFNode, lambda x: x.detach()) as monitor:
            net(x)
        currents = monitor['1']  # of the module that is net[1]

    Args:
        net: the network.
        instance: class, or tuple of classes, of the modules to watch; None is ``type(net)``, that
            is, the network itself and those below of its kind.
        function_on_input: applied to each input, its result is recorded.

    Raises:
        ValueError: if the network has no such module.
    """

    registration = "register_forward_pre_hook"
    argument = 0
    function = "function_on_input"

    def __init__(
        self,
        net: nn.Module,
        instance: Kinds | None = None,
        function_on_input: Function = identity,
    ) -> None:
        super().__init__(net, instance, function_on_input)
