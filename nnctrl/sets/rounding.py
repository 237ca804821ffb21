"""Outward rounding: the one place where floating-point error is accounted for.

Everything here is derived from the standard model `fl(a op b) = (a op b)(1 + d)`, `|d| <= u = 2^-53` (+, -, *, /, sqrt;
an absolute error of at most the smallest subnormal where the result underflows), and from
`gamma_k = k u / (1 - k u)`, which bounds the relative error of any evaluation order of a sum of k products (Higham,
Accuracy and Stability of Numerical Algorithms, 2nd ed., chapter 3), fused multiply-adds included. It holds for every
BLAS that neither lowers the precision nor multiplies matrices by Strassen's scheme. The rounding mode of the processor
is never changed: threaded libraries would not notice.

The functions are generic over NumPy arrays and torch tensors and import neither torch nor numba. A bound or radius that
comes out as nan or inf means "not proved" for everything computed from it; no function here hides one, and an enclosure
whose midpoint is not finite has a radius that is not finite either.
"""

from __future__ import annotations

from nnctrl._typing import Array, namespace

UNIT_ROUNDOFF = 2.0**-53
"""u: half the distance from 1 to the next double."""

TINY = 1e-300
"""Absolute slack that covers every underflow of up to 10^20 operations (each at most 2^-1074, about 5e-324)."""

LIBRARY_ULPS = 4
"""Assumed accuracy of tanh, exp, log1p and the like, in units of 2u |value|; sampled by tests/sets/test_rounding.py."""


def gamma(terms: int) -> float:
    """Upper bound of gamma_k = k u / (1 - k u), k = `terms`; the two extra roundoffs cover its own evaluation."""
    return (terms + 2) * UNIT_ROUNDOFF / (1.0 - (terms + 2) * UNIT_ROUNDOFF)


def widen_up(x: Array, roundoffs: float = 2.0, absolute: float = TINY) -> Array:
    """At least the real value that `x` approximates to within `roundoffs` relative roundoffs u of |x| (and `absolute`).

    `absolute=0` is for one addition or subtraction, whose result is exact where it is subnormal.
    """
    return x + (abs(x) * ((roundoffs + 2.0) * UNIT_ROUNDOFF) + absolute)


def widen_down(x: Array, roundoffs: float = 2.0, absolute: float = TINY) -> Array:
    """At most the real value that `x` approximates to within `roundoffs` relative roundoffs of |x| (and `absolute`)."""
    return x - (abs(x) * ((roundoffs + 2.0) * UNIT_ROUNDOFF) + absolute)


def two_sum(x: Array, y: Array) -> tuple[Array, Array]:
    """`(s, e)` with `s = fl(x + y)` and `x + y = s + e` exactly (Knuth); e is not finite where the sum overflows."""
    s = x + y
    part = s - x
    return s, (x - (s - part)) + (y - part)


def add_up(x: Array, y: Array) -> Array:
    """The least double >= x + y (exact sums stay exact); inf where it overflows."""
    xp = namespace(x + y)
    s, error = two_sum(x, y)
    # written so that an error that is nan (overflow) counts as positive
    return xp.where(error <= 0.0, s, xp.nextafter(s, xp.full_like(s, float("inf"))))


def add_down(x: Array, y: Array) -> Array:
    """The greatest double <= x + y (exact sums stay exact); the largest finite double where it overflows upward."""
    return -add_up(-x, -y)


def sum_up(x: Array, axis: int = -1) -> Array:
    """Upper bound of the real sum of `x` along `axis` (any signs, any order of summation)."""
    xp = namespace(x)
    total = xp.sum(x, axis)
    slack = xp.sum(abs(x), axis) * (2.0 * gamma(x.shape[axis] + 4))
    return widen_up(total + slack)


def dot_up(x: Array, y: Array) -> Array:
    """Upper bound of the real sum of products `x * y` along the last axis."""
    xp = namespace(x)
    products = x * y
    count = products.shape[-1]
    slack = xp.sum(abs(products), -1) * (2.0 * gamma(count + 6))
    return widen_up(xp.sum(products, -1) + slack + TINY)


def dot_down(x: Array, y: Array) -> Array:
    """Lower bound of the real sum of products `x * y` along the last axis."""
    return -dot_up(-x, y)


def norm_up(x: Array) -> Array:
    """Upper bound of the Euclidean norm along the last axis; neither overflows nor underflows before the norm does."""
    xp = namespace(x)
    if x.shape[-1] == 0:
        return xp.sum(x, -1)
    largest = xp.amax(abs(x), -1)
    # divided by the largest entry the squares are at most 1, and one of them is
    shares = x / xp.where(largest > 0.0, largest, xp.ones_like(largest))[..., None]
    return grow_up(xp.sqrt(xp.sum(shares * shares, -1)) * largest, x.shape[-1] + 8)


def grow_up(x: Array, operations: int) -> Array:
    """Upper bound of a NONNEGATIVE real value computed as `x` by sums and products of nonnegative terms only.

    `operations` counts the roundings on the longest path (for a sum of k products at most k + 1).
    """
    return x * (1.0 + 2.0 * gamma(operations)) + TINY


def affine_enclosure(
    centre: Array,
    radius: Array,
    weight: Array,
    bias: Array,
    weight_radius: Array | None = None,
    bias_radius: Array | None = None,
) -> tuple[Array, Array]:
    """Midpoint and radius of `W x + b` over |x - centre| <= radius, W and b within their radii of `weight` and `bias`.

    Shapes: `centre`, `radius` [..., n]; `weight` [m, n]; `bias` [m]. The formula needs no second product with |weight|
    when there is no weight radius: the rounding of the centre is folded into the vector that |weight| multiplies. Where
    the midpoint overflows the radius is nan.
    """
    size = centre.shape[-1]
    g = gamma(size + 4)
    middle = centre @ weight.T + bias
    magnitude = radius + g * abs(centre) + TINY
    spread = magnitude @ abs(weight).T + g * abs(bias) + TINY
    if weight_radius is not None:
        spread = spread + (abs(centre) + radius) @ weight_radius.T
    if bias_radius is not None:
        spread = spread + bias_radius
    # 0 * inf is nan: a midpoint that overflowed says nothing about the real value
    return middle, spread * (1.0 + 2.0 * gamma(2 * size + 8)) + 0.0 * middle


def matmul_enclosure(
    a: Array, b: Array, a_radius: Array | None = None, b_radius: Array | None = None
) -> tuple[Array, Array]:
    """Midpoint and radius of the matrix product over `|A - a| <= a_radius`, `|B - b| <= b_radius`, rounding included.

    Where the midpoint overflows the radius is nan.
    """
    inner = a.shape[-1]
    product = a @ b
    spread = gamma(inner + 2) * (abs(a) @ abs(b)) + TINY
    if a_radius is not None:
        spread = spread + a_radius @ abs(b)
    if b_radius is not None:
        spread = spread + abs(a) @ b_radius
    if a_radius is not None and b_radius is not None:
        spread = spread + a_radius @ b_radius
    return product, spread * (1.0 + 2.0 * gamma(2 * inner + 8)) + 0.0 * product
