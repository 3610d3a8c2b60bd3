"""The table of functional forms."""

from bitspike.surrogate._atan import ATan
from bitspike.surrogate._erf import Erf
from bitspike.surrogate._fake_numerical_gradient import FakeNumericalGradient
from bitspike.surrogate._functional import Functional, forms
from bitspike.surrogate._leaky_k_relu import LeakyKReLU
from bitspike.surrogate._log_tailed_relu import LogTailedReLU
from bitspike.surrogate._nonzero_sign_log_abs import NonzeroSignLogAbs
from bitspike.surrogate._pass import DeterministicPass, PoissonPass
from bitspike.surrogate._piecewise_exp import PiecewiseExp
from bitspike.surrogate._piecewise_leaky_relu import PiecewiseLeakyReLU
from bitspike.surrogate._piecewise_quadratic import PiecewiseQuadratic
from bitspike.surrogate._q_pseudo_spike import QPseudoSpike
from bitspike.surrogate._rect import Rect
from bitspike.surrogate._s2nn import S2NN
from bitspike.surrogate._sigmoid import Sigmoid
from bitspike.surrogate._soft_sign import SoftSign
from bitspike.surrogate._squarewave_fourier_series import SquarewaveFourierSeries
from bitspike.surrogate._super_spike import SuperSpike

atan, atan_backward = forms(ATan)
erf, erf_backward = forms(Erf)
fake_numerical_gradient, fake_numerical_gradient_backward = forms(FakeNumericalGradient)
leaky_k_relu, leaky_k_relu_backward = forms(LeakyKReLU)
log_tailed_relu, log_tailed_relu_backward = forms(LogTailedReLU)
nonzero_sign_log_abs, nonzero_sign_log_abs_backward = forms(NonzeroSignLogAbs)
piecewise_exp, piecewise_exp_backward = forms(PiecewiseExp)
piecewise_leaky_relu, piecewise_leaky_relu_backward = forms(PiecewiseLeakyReLU)
piecewise_quadratic, piecewise_quadratic_backward = forms(PiecewiseQuadratic)
rect, rect_backward = forms(Rect)
sigmoid, sigmoid_backward = forms(Sigmoid)
soft_sign, soft_sign_backward = forms(SoftSign)
super_spike, super_spike_backward = forms(SuperSpike)

deterministic_pass = Functional(DeterministicPass)
poisson_pass = Functional(PoissonPass)
q_pseudo_spike = Functional(QPseudoSpike)
s2nn = Functional(S2NN)
squarewave_fourier_series = Functional(SquarewaveFourierSeries)
