"""Record what modules hold."""

from typing import Any

from torch import nn

from bitspike.monitor._base import BaseMonitor, Function, Kinds, identity


class AttributeMonitor(BaseMonitor):
    """Records an attribute of modules, such as the membrane potential ``v``, at each call.

    A record is what ``function_on_attribute`` makes of the attribute. By default that is the
    attribute itself, with its graph; ``lambda v: v.detach()`` lets the graph go and saves its
    memory. The potential ``v`` is ``[B, ...]`` in both step modes, so that multi-step mode shows
    the last step only: for all of them, build the neuron with ``store_v_seq=True`` and watch
    ``v_seq``, ``[T, B, ...]``.

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
        """The function of the attribute."""
        return self.function_on_attribute(getattr(module, self.attribute_name))
