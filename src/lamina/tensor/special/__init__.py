"""Special functions under SciPy's names: `lm.special.gammainc(a, x)`.

Operands broadcast and promote as everywhere; integers become float32. What needs more than one
primitive is computed in float64 and rounded once, so that float32 results are right to about half a
unit in the last place. All have derivatives in all operands, of every order.
"""

from lamina.tensor.special.bessel import i0 as i0
from lamina.tensor.special.bessel import i0e as i0e
from lamina.tensor.special.bessel import i1 as i1
from lamina.tensor.special.bessel import i1e as i1e
from lamina.tensor.special.error import erf as erf
from lamina.tensor.special.error import erfc as erfc
from lamina.tensor.special.error import erfcinv as erfcinv
from lamina.tensor.special.error import erfinv as erfinv
from lamina.tensor.special.error import log_ndtr as log_ndtr
from lamina.tensor.special.error import ndtr as ndtr
from lamina.tensor.special.error import ndtri as ndtri
from lamina.tensor.special.gamma import betaln as betaln
from lamina.tensor.special.gamma import digamma as digamma
from lamina.tensor.special.gamma import gammaln as gammaln
from lamina.tensor.special.gamma import polygamma as polygamma
from lamina.tensor.special.gamma import zeta as zeta
from lamina.tensor.special.incomplete import betainc as betainc
from lamina.tensor.special.incomplete import gammainc as gammainc
from lamina.tensor.special.incomplete import gammaincc as gammaincc
from lamina.tensor.special.logarithmic import entr as entr
from lamina.tensor.special.logarithmic import expit as expit
from lamina.tensor.special.logarithmic import log_expit as log_expit
from lamina.tensor.special.logarithmic import logit as logit
from lamina.tensor.special.logarithmic import softplus as softplus
from lamina.tensor.special.logarithmic import xlog1py as xlog1py
from lamina.tensor.special.logarithmic import xlogy as xlogy
