"""Student's t distribution: the quantile that turns effective degrees of freedom into k.

Owns the numerics alone, without scipy: the regularised incomplete beta function by Lentz's
continued fraction, inverted by bisection. Source: Abramowitz & Stegun 26.5.8, 26.5.27 and 26.7.1;
checked in the tests against the table of GUM G.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

_TINY = 1e-300
_EPSILON = 1e-15
_MAX_TERMS = 500
_NORMAL_FROM_DOF = 1e7
"""Beyond this the t and normal quantiles agree to better than 1e-7."""


def incomplete_beta(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function I_x(a, b), for 0 <= x <= 1 and a, b > 0."""
    if not 0.0 <= x <= 1.0 or a <= 0.0 or b <= 0.0:
        raise ValueError(f"I_x(a, b) is not defined for x={x}, a={a}, b={b}")
    if x in (0.0, 1.0):
        return x
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - incomplete_beta(1.0 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) * _continued_fraction(x, a, b) / a


def _continued_fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of A&S 26.5.8 by Lentz's method."""
    c = 1.0
    d = 1.0 / _nonzero(1.0 - (a + b) * x / (a + 1.0))
    total = d
    for m in range(1, _MAX_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1.0 / _nonzero(1.0 + term * d)
            c = _nonzero(1.0 + term / c)
            total *= c * d
        if abs(c * d - 1.0) < _EPSILON:
            break
    return total


def _nonzero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def t_cdf(t: float, dof: float) -> float:
    """P(T <= t) for Student's t with `dof` degrees of freedom (any positive real)."""
    half = 0.5 * incomplete_beta(dof / (dof + t * t), 0.5 * dof, 0.5)
    return 1.0 - half if t > 0 else half


@lru_cache(maxsize=256)
def coverage_factor(dof: float | None, p: float = 0.95) -> float:
    """k such that +-k standard uncertainties hold the value with probability p (GUM G.3.2).

    `dof` None or infinite: the normal distribution. Effective degrees of freedom need not be whole.
    """
    if not 0.0 < p < 1.0:
        raise ValueError(f"a coverage probability lies between 0 and 1, not {p}")
    if dof is None or dof > _NORMAL_FROM_DOF:
        return _bisect(lambda k: math.erf(k / math.sqrt(2.0)), p)
    return _bisect(lambda k: 2.0 * t_cdf(k, dof) - 1.0, p)


def _bisect(coverage: Callable[[float], float], p: float) -> float:
    """The k at which a rising coverage reaches p."""
    low, high = 0.0, 1.0
    while coverage(high) < p:
        low, high = high, 2.0 * high
    while high - low > 1e-12 * high:
        middle = 0.5 * (low + high)
        if coverage(middle) < p:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
