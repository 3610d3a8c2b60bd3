"""Surrogate gradients: the forward pass is a step, the backward pass a smooth function's.

A spike is ``Theta(x)`` with ``x = h - v_threshold`` and ``Theta(0) = 1``. Its derivative is zero
almost everywhere, so that backpropagation puts the derivative of a smooth primitive in its place
(Neftci, Mostafa and Zenke, "Surrogate gradient learning in spiking neural networks", 2019).
"""

from bitspike.surrogate._atan import ATan
from bitspike.surrogate._base import SurrogateFunctionBase, registry
from bitspike.surrogate._check import check_manual_grad
from bitspike.surrogate._domain import ABOVE_ONE, COUNT, FINITE, POSITIVE, Domain
from bitspike.surrogate._erf import Erf
from bitspike.surrogate._fake_numerical_gradient import FakeNumericalGradient
from bitspike.surrogate._fire import heaviside
from bitspike.surrogate._forms import (
    atan,
    atan_backward,
    deterministic_pass,
    erf,
    erf_backward,
    fake_numerical_gradient,
    fake_numerical_gradient_backward,
    leaky_k_relu,
    leaky_k_relu_backward,
    log_tailed_relu,
    log_tailed_relu_backward,
    nonzero_sign_log_abs,
    nonzero_sign_log_abs_backward,
    piecewise_exp,
    piecewise_exp_backward,
    piecewise_leaky_relu,
    piecewise_leaky_relu_backward,
    piecewise_quadratic,
    piecewise_quadratic_backward,
    poisson_pass,
    q_pseudo_spike,
    rect,
    rect_backward,
    s2nn,
    sigmoid,
    sigmoid_backward,
    soft_sign,
    soft_sign_backward,
    squarewave_fourier_series,
    super_spike,
    super_spike_backward,
)
from bitspike.surrogate._functional import Functional
from bitspike.surrogate._leaky_k_relu import LeakyKReLU
from bitspike.surrogate._log_tailed_relu import LogTailedReLU
from bitspike.surrogate._multi_level_spike_count import MultiLevelSpikeCount
from bitspike.surrogate._nonzero_sign_log_abs import NonzeroSignLogAbs
from bitspike.surrogate._pass import DeterministicPass, PoissonPass
from bitspike.surrogate._piecewise_exp import PiecewiseExp
from bitspike.surrogate._piecewise_leaky_relu import PiecewiseLeakyReLU
from bitspike.surrogate._piecewise_quadratic import PiecewiseQuadratic
from bitspike.surrogate._plot import plot_surrogate_function
from bitspike.surrogate._q_pseudo_spike import QPseudoSpike
from bitspike.surrogate._rect import Rect
from bitspike.surrogate._s2nn import S2NN
from bitspike.surrogate._sigmoid import Sigmoid
from bitspike.surrogate._soft_sign import SoftSign
from bitspike.surrogate._squarewave_fourier_series import SquarewaveFourierSeries
from bitspike.surrogate._super_spike import SuperSpike

__all__ = [
    "ABOVE_ONE",
    "COUNT",
    "FINITE",
    "POSITIVE",
    "S2NN",
    "ATan",
    "DeterministicPass",
    "Domain",
    "Erf",
    "FakeNumericalGradient",
    "Functional",
    "LeakyKReLU",
    "LogTailedReLU",
    "MultiLevelSpikeCount",
    "NonzeroSignLogAbs",
    "PiecewiseExp",
    "PiecewiseLeakyReLU",
    "PiecewiseQuadratic",
    "PoissonPass",
    "QPseudoSpike",
    "Rect",
    "Sigmoid",
    "SoftSign",
    "SquarewaveFourierSeries",
    "SuperSpike",
    "SurrogateFunctionBase",
    "atan",
    "atan_backward",
    "check_manual_grad",
    "deterministic_pass",
    "erf",
    "erf_backward",
    "fake_numerical_gradient",
    "fake_numerical_gradient_backward",
    "heaviside",
    "leaky_k_relu",
    "leaky_k_relu_backward",
    "log_tailed_relu",
    "log_tailed_relu_backward",
    "nonzero_sign_log_abs",
    "nonzero_sign_log_abs_backward",
    "piecewise_exp",
    "piecewise_exp_backward",
    "piecewise_leaky_relu",
    "piecewise_leaky_relu_backward",
    "piecewise_quadratic",
    "piecewise_quadratic_backward",
    "plot_surrogate_function",
    "poisson_pass",
    "q_pseudo_spike",
    "rect",
    "rect_backward",
    "registry",
    "s2nn",
    "sigmoid",
    "sigmoid_backward",
    "soft_sign",
    "soft_sign_backward",
    "squarewave_fourier_series",
    "super_spike",
    "super_spike_backward",
]
