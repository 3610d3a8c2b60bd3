"""ResNet with spiking neurons, and SEW ResNet, whose shortcuts join spikes."""

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor, nn

from bitspike import layer
from bitspike.models._build import (
    MakeNetwork,
    MakeNeuron,
    MakeNorm,
    described,
    flatten,
    initialise,
    maker,
    refuse_pretrained,
)
from bitspike.models._residual import JOINTS, BasicBlock, Block, Bottleneck


class SpikingResNet(nn.Module):
    """ResNet whose activations are spiking neurons.

    Images ``[B, 3, H, W]`` to currents ``[B, num_classes]`` in single-step mode, ``[T, B, ...]``
    in multi-step mode (`functional.set_step_mode`). A shortcut is added to the currents before
    the neurons that end a block.

    Args:
        block: `BasicBlock` or `Bottleneck`.
        layers: number of blocks in each of the four stages.
        num_classes: outputs.
        zero_init_residual: whether the last normalisation of each block starts as 0.
        groups: groups of the 3 x 3 convolutions.
        width_per_group: channels of a group, in 64ths of the usual.
        replace_stride_with_dilation: for stages 2 to 4, whether to dilate rather than to stride.
        norm_layer: makes the normalisation of so many channels; None is `layer.BatchNorm2d`.
        spiking_neuron: makes the neurons; None is `neuron.IFNode`.
        **kwargs: for each neuron, a copy for each.

    Raises:
        ValueError: if ``replace_stride_with_dilation`` has not three entries, or the block cannot
            have such groups, width or dilation.

    Papers: He et al., "Deep residual learning for image recognition", CVPR 2016; Hu et al.,
    "Spiking deep residual networks", 2018.
    """

    cnf: str | None = None

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: MakeNorm | None = None,
        spiking_neuron: MakeNeuron | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        dilate = (False, *(replace_stride_with_dilation or (False, False, False)))
        if len(dilate) != 4:
            raise ValueError(
                "replace_stride_with_dilation is None or three booleans, but got "
                f"{replace_stride_with_dilation}"
            )
        make = maker(spiking_neuron, kwargs)
        norm: MakeNorm = layer.BatchNorm2d if norm_layer is None else norm_layer
        self.conv1 = layer.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = norm(64)
        self.sn1 = make()
        self.maxpool = layer.MaxPool2d(kernel_size=3, stride=2, padding=1)
        inplanes, dilation = 64, 1
        for i, (planes, depth) in enumerate(zip((64, 128, 256, 512), layers, strict=True)):
            stride, before = (1 if i == 0 else 2), dilation
            if dilate[i]:
                dilation, stride = dilation * stride, 1
            out = planes * block.expansion
            blocks = []
            for j in range(depth):
                shortcut = None
                if j == 0 and (stride != 1 or inplanes != out):
                    conv = layer.Conv2d(inplanes, out, kernel_size=1, stride=stride, bias=False)
                    shortcut = nn.Sequential(conv, norm(out))
                wide = groups, width_per_group, before if j == 0 else dilation
                step = stride if j == 0 else 1
                made = block(inplanes, planes, step, shortcut, *wide, self.cnf, norm, make)
                blocks.append(made)
                inplanes = out
            self.add_module(f"layer{i + 1}", nn.Sequential(*blocks))
        self.avgpool = layer.AdaptiveAvgPool2d((1, 1))
        self.fc = layer.Linear(512 * block.expansion, num_classes)
        initialise(self.modules())
        if zero_init_residual:
            for module in self.modules():
                if isinstance(module, Block):
                    nn.init.zeros_(getattr(module, f"bn{module.depth}").weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return the currents of the classes."""
        x = self.maxpool(self.sn1(self.bn1(self.conv1(x))))
        for i in range(1, 5):
            x = getattr(self, f"layer{i}")(x)
        y: Tensor = self.fc(flatten(self.avgpool(x), self.avgpool))
        return y


class SEWResNet(SpikingResNet):
    """Spike-element-wise ResNet: shortcuts join spikes with spikes.

    As `SpikingResNet`, but a block ends with neurons, and their spikes are joined with those of
    its shortcut by ``cnf``: ``'ADD'`` x + y, ``'AND'`` x y, ``'IAND'`` x (1 - y). In blocks of two
    convolutions x is the shortcut, in those of three it is the residual branch.

    Args:
        cnf: ``'ADD'``, ``'AND'`` or ``'IAND'``; None is ``'ADD'``. The others: `SpikingResNet`.

    Raises:
        ValueError: for another ``cnf``, and as `SpikingResNet`.

    Paper: Fang et al., "Deep residual learning in spiking neural networks", NeurIPS 2021.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: MakeNorm | None = None,
        cnf: str | None = None,
        spiking_neuron: MakeNeuron | None = None,
        **kwargs: Any,
    ) -> None:
        cnf = "ADD" if cnf is None else cnf
        if cnf not in JOINTS:
            raise ValueError(f"SEWResNet: cnf must be one of {', '.join(JOINTS)}, but got {cnf!r}")
        object.__setattr__(self, "cnf", cnf)  # read while the parent makes the blocks
        shape = block, layers, num_classes, zero_init_residual, groups, width_per_group
        makers = replace_stride_with_dilation, norm_layer, spiking_neuron
        super().__init__(*shape, *makers, **kwargs)


# Block, blocks of each stage, and arguments that differ from those of the plain network.
_Plan = tuple[type[BasicBlock] | type[Bottleneck], tuple[int, ...], dict[str, int]]
PLANS: dict[str, _Plan] = {
    "resnet18": (BasicBlock, (2, 2, 2, 2), {}),
    "resnet34": (BasicBlock, (3, 4, 6, 3), {}),
    "resnet50": (Bottleneck, (3, 4, 6, 3), {}),
    "resnet101": (Bottleneck, (3, 4, 23, 3), {}),
    "resnet152": (Bottleneck, (3, 8, 36, 3), {}),
    "resnext50_32x4d": (Bottleneck, (3, 4, 6, 3), {"groups": 32, "width_per_group": 4}),
    "resnext101_32x8d": (Bottleneck, (3, 4, 23, 3), {"groups": 32, "width_per_group": 8}),
    "wide_resnet50_2": (Bottleneck, (3, 4, 6, 3), {"width_per_group": 128}),
    "wide_resnet101_2": (Bottleneck, (3, 4, 23, 3), {"width_per_group": 128}),
}


class _MakeSEW(Protocol):
    def __call__(
        self,
        pretrained: bool = False,
        progress: bool = True,
        cnf: str | None = None,
        spiking_neuron: MakeNeuron | None = None,
        **kwargs: Any,
    ) -> SEWResNet: ...


def _spiking(plan: str) -> MakeNetwork[SpikingResNet]:
    name = f"spiking_{plan}"
    block, layers, fixed = PLANS[plan]

    def make(
        pretrained: bool = False,
        progress: bool = True,  # noqa: ARG001 -- of a download
        spiking_neuron: MakeNeuron | None = None,
        **kwargs: Any,
    ) -> SpikingResNet:
        refuse_pretrained(name, pretrained)
        return SpikingResNet(block, layers, spiking_neuron=spiking_neuron, **{**kwargs, **fixed})

    return described(make, name, SpikingResNet)


def _sew(plan: str) -> _MakeSEW:
    name = f"sew_{plan}"
    block, layers, fixed = PLANS[plan]

    def make(
        pretrained: bool = False,
        progress: bool = True,  # noqa: ARG001 -- of a download
        cnf: str | None = None,
        spiking_neuron: MakeNeuron | None = None,
        **kwargs: Any,
    ) -> SEWResNet:
        refuse_pretrained(name, pretrained)
        return SEWResNet(
            block, layers, cnf=cnf, spiking_neuron=spiking_neuron, **{**kwargs, **fixed}
        )

    joints = "cnf: ``'ADD'``, ``'AND'`` or ``'IAND'``; None is ``'ADD'``."
    return described(make, name, SEWResNet, joints)


spiking_resnet18 = _spiking("resnet18")
"""`SpikingResNet` with 18 layers."""
spiking_resnet34 = _spiking("resnet34")
"""`SpikingResNet` with 34 layers."""
spiking_resnet50 = _spiking("resnet50")
"""`SpikingResNet` with 50 layers."""
spiking_resnet101 = _spiking("resnet101")
"""`SpikingResNet` with 101 layers."""
spiking_resnet152 = _spiking("resnet152")
"""`SpikingResNet` with 152 layers."""
spiking_resnext50_32x4d = _spiking("resnext50_32x4d")
"""`SpikingResNet` with 50 layers, 32 groups of 4 channels."""
spiking_resnext101_32x8d = _spiking("resnext101_32x8d")
"""`SpikingResNet` with 101 layers, 32 groups of 8 channels."""
spiking_wide_resnet50_2 = _spiking("wide_resnet50_2")
"""`SpikingResNet` with 50 layers of twice the width."""
spiking_wide_resnet101_2 = _spiking("wide_resnet101_2")
"""`SpikingResNet` with 101 layers of twice the width."""
sew_resnet18 = _sew("resnet18")
"""`SEWResNet` with 18 layers."""
sew_resnet34 = _sew("resnet34")
"""`SEWResNet` with 34 layers."""
sew_resnet50 = _sew("resnet50")
"""`SEWResNet` with 50 layers."""
sew_resnet101 = _sew("resnet101")
"""`SEWResNet` with 101 layers."""
sew_resnet152 = _sew("resnet152")
"""`SEWResNet` with 152 layers."""
sew_resnext50_32x4d = _sew("resnext50_32x4d")
"""`SEWResNet` with 50 layers, 32 groups of 4 channels."""
sew_resnext101_32x8d = _sew("resnext101_32x8d")
"""`SEWResNet` with 101 layers, 32 groups of 8 channels."""
sew_wide_resnet50_2 = _sew("wide_resnet50_2")
"""`SEWResNet` with 50 layers of twice the width."""
sew_wide_resnet101_2 = _sew("wide_resnet101_2")
"""`SEWResNet` with 101 layers of twice the width."""
