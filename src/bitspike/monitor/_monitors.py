"""Monitors of what goes into modules and comes out, of gradients, and of attributes."""

from typing import Any

from torch import nn

from bitspike.monitor._base import BaseMonitor, Function, Kinds


def identity(x: Any) -> Any:
    """Return ``x`` itself."""
    return x


class AttributeMonitor(BaseMonitor):
    """Records an attribute of modules, such as the membrane potential ``v``, at each call.

    A record is the result of ``function_on_attribute``. By default that is the attribute itself,
    with its graph; ``lambda v: v.detach()`` drops the graph and frees its memory. The potential
    ``v`` is ``[B, ...]`` in both step modes, so that multi-step mode shows the last step only: for
    all steps, build the neuron with ``store_v_seq=True`` and watch ``v_seq``, ``[T, B, ...]``.

    Example::

        monitor = AttributeMonitor('v', False, net, neuron.LIFNode, lambda v: v.detach())
        for x in x_seq:
            net(x)
        potentials = torch.stack(monitor['1'])  # [T, B, ...] of the module that is net[1]
        monitor.close()

    Args:
        attribute_name: the attribute's name.
        pre_forward: True records before the module runs, False after.
        net: the network.
        instance: class, or tuple of classes, of the modules to watch; None is ``type(net)``, that
            is, the network itself and those below of its kind.
        function_on_attribute: applied to each attribute, its result is recorded.

    Raises:
        ValueError: if the network has no such module.
    """

    def __init__(
        self,
        attribute_name: str,
        pre_forward: bool,
        net: nn.Module,
        instance: Kinds | None = None,
        function_on_attribute: Function = identity,
    ) -> None:
        super().__init__()
        self.attribute_name = attribute_name
        self.function_on_attribute = function_on_attribute
        if pre_forward:
            self._watch(net, instance, lambda module, hook: module.register_forward_pre_hook(hook))
        else:
            self._watch(net, instance, lambda module, hook: module.register_forward_hook(hook))

    def observe(self, module: nn.Module, *args: Any) -> Any:  # noqa: ARG002
        """Return the function of the attribute."""
        return self.function_on_attribute(getattr(module, self.attribute_name))


class _ArgumentMonitor(BaseMonitor):
    """Records one of the arguments that torch passes to a hook.

    A subclass names the method of ``nn.Module`` that registers the hook, the position of the
    argument after the module, and the attribute that holds the user's function.
    """

    _registration: str
    _argument: int
    _function: str

    def __init__(self, net: nn.Module, instance: Kinds | None, function: Function) -> None:
        super().__init__()
        setattr(self, self._function, function)
        self._watch(net, instance, lambda module, hook: getattr(module, self._registration)(hook))

    def observe(self, module: nn.Module, *args: Any) -> Any:  # noqa: ARG002
        """Return the user's function of the argument; of its element if it is a tuple of one."""
        x = args[self._argument]
        x = x[0] if isinstance(x, tuple) and len(x) == 1 else x
        return getattr(self, self._function)(x)


class OutputMonitor(_ArgumentMonitor):
    """Records the outputs of modules.

    A record is the result of ``function_on_output`` for one output: ``[B, ...]`` in single-step
    mode (one record a time step), ``[T, B, ...]`` in multi-step mode. By default that is the
    output itself, with its graph; ``lambda s: s.detach()`` drops the graph and frees its memory.

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

    _registration = "register_forward_hook"
    _argument = 1
    _function = "function_on_output"

    def __init__(
        self, net: nn.Module, instance: Kinds | None = None, function_on_output: Function = identity
    ) -> None:
        super().__init__(net, instance, function_on_output)


class InputMonitor(_ArgumentMonitor):
    """Records the inputs of modules, before they run.

    A record is the result of ``function_on_input`` for one input: ``[B, ...]`` in single-step
    mode (one record a time step), ``[T, B, ...]`` in multi-step mode; a tuple if the module takes
    several positional inputs. By default that is the input itself, with its graph:
    ``lambda x: x.detach()`` drops the graph, and a module that writes into its input calls for
    ``lambda x: x.detach().clone()``.

    Example::

        with InputMonitor(net, neuron.IFNode, lambda x: x.detach()) as monitor:
            net(x)
        currents = monitor['1']  # of the module that is net[1]

    Arguments and errors are those of `OutputMonitor`.
    """

    _registration = "register_forward_pre_hook"
    _argument = 0
    _function = "function_on_input"

    def __init__(
        self, net: nn.Module, instance: Kinds | None = None, function_on_input: Function = identity
    ) -> None:
        super().__init__(net, instance, function_on_input)


class GradInputMonitor(_ArgumentMonitor):
    """Records ``dL/dX`` of modules with input ``X``, at each backward.

    A record has the shape of the input: ``[B, ...]`` in single-step mode, one record a time step
    and the last step first, since backward runs against time; ``[T, B, ...]`` in multi-step
    mode. It is None for an input that needs no gradient.

    Example::

        with GradInputMonitor(net, neuron.LIFNode, lambda g: g.norm()) as monitor:
            net(x).mean(0).sum().backward()
        print(monitor.records)  # do gradients vanish on their way down?

    Arguments and errors are those of `OutputMonitor`.
    """

    _registration = "register_full_backward_hook"
    _argument = 0
    _function = "function_on_grad_input"

    def __init__(
        self,
        net: nn.Module,
        instance: Kinds | None = None,
        function_on_grad_input: Function = identity,
    ) -> None:
        super().__init__(net, instance, function_on_grad_input)


class GradOutputMonitor(_ArgumentMonitor):
    """Records ``dL/dY`` of modules with output ``Y``, at each backward.

    A record has the shape of the output, in the order that `GradInputMonitor` describes.

    Example::

        with GradOutputMonitor(net, neuron.LIFNode) as monitor:
            net(x).mean(0).sum().backward()
        gradients = monitor['1']  # of the spikes of net[1]

    Arguments and errors are those of `OutputMonitor`.
    """

    _registration = "register_full_backward_hook"
    _argument = 1
    _function = "function_on_grad_output"

    def __init__(
        self,
        net: nn.Module,
        instance: Kinds | None = None,
        function_on_grad_output: Function = identity,
    ) -> None:
        super().__init__(net, instance, function_on_grad_output)
