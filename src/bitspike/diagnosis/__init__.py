"""Is a network healthy? Firing, dead and saturated neurons, membranes, gradients over time.

::

    print(bitspike.health(net, x, target))  # a table by layer, with advice
    bitspike.diagnosis.watch(net)  # a warning, once, if a layer stays silent in training
"""

from bitspike.diagnosis._health import health
from bitspike.diagnosis._report import Health, LayerHealth
from bitspike.diagnosis._watch import SilentLayerWarning, Watch, watch

__all__ = ["Health", "LayerHealth", "SilentLayerWarning", "Watch", "health", "watch"]
