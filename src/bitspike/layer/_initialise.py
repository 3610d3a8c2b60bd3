"""Initial weights."""

import math

from torch import nn


def kaiming_normal_conv_linear_weight(net: nn.Module) -> None:
    """Draws the weights of all convolutions and linear layers anew.

    They are normal with mean 0 and variance ``1 / (3 fan_in)``: the variance of torch's default,
    which is uniform. Biases stay as they are.

    Paper: He et al., Delving deep into rectifiers, 2015.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, a=math.sqrt(5))
