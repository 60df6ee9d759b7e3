"""What becomes of a chunk of cosines or values of pairs, as Triton kernels: the triangle law, its derivatives, sums.

They compute what `PlainTriangle`, `Contrasted` and `TileBackend` compute of a chunk by many operations of torch, in one
pass. Points come as `portable.sides`. Chunks (n, m) are contiguous. Sums are written block by block, and added up by
torch.

Importing this needs Triton. Nothing here asks for more than the approximate exp, log, sqrt and division of a GPU.
"""

import triton
import triton.language as tl
from triton.language import constexpr

RADIUS, SINE, SHRINK, COSINE, BOW, RISE, STRETCH, ARC, DIRECTED = map(constexpr, range(9))

ANGLE, DISTANCE = constexpr(0), constexpr(1)

MARGIN, ENERGY = constexpr(1), constexpr(2)

ROWS, COLUMNS = constexpr(32), constexpr(64)
"""Pairs of a block."""

TINY = constexpr(1e-30)
LEAST = constexpr(1.1754944e-38)
PI = constexpr(3.141592653589793)


@triton.jit
def _arc(y, x):
    """atan2 of y >= 0, within 1e-7; NaN of NaN."""
    size = tl.abs(x)
    steep = y > size
    large, small = tl.where(steep, y, size), tl.where(steep, size, y)
    t = small / tl.where(large == 0, 1.0, large)
    s = t * t
    p = s * 0.0026221977 - 0.0151323416
    p = p * s + 0.0411215292
    p = p * s - 0.0736667657
    p = p * s + 0.105739173
    p = p * s - 0.1418597121
    p = p * s + 0.1999039607
    p = p * s - 0.3333298703
    angle = t + t * s * p
    angle = tl.where(steep, PI / 2 - angle, angle)
    return tl.where(x < 0, PI - angle, angle)


@triton.jit
def _log1p(u):
    """log(1 + u) of u >= 0; close to 1 logarithms are approximated too coarsely."""
    t = u / (u + 2)
    s = t * t
    series = 2 * t * (1 + s * (1.0 / 3 + s * (1.0 / 5 + s * (1.0 / 7 + s * (1.0 / 9)))))
    return tl.where(u < 0.5, series, tl.log(1 + u))


@triton.jit
def _block(n, m):
    """Row numbers (ROWS, 1), column numbers (1, COLUMNS), which pairs there are, and the block's numbers both ways."""
    across = tl.cdiv(m, COLUMNS)
    down, right = tl.program_id(0) // across, tl.program_id(0) % across
    i = (down * ROWS + tl.arange(0, ROWS))[:, None]
    j = (right * COLUMNS + tl.arange(0, COLUMNS))[None, :]
    return i, j, (i < n) & (j < m), down, right


@triton.jit
def _store_sums(over_y, over_x, block, by_x, by_y, n, m):
    """Sums over the columns of a block to `by_x` (blocks, n), and over the rows of another to `by_y` (blocks, m)."""
    i, j, _, down, right = block
    tl.store(by_x + right.to(tl.int64) * n + i, tl.sum(over_y, 1)[:, None], mask=i < n)
    tl.store(by_y + down.to(tl.int64) * m + j, tl.sum(over_x, 0)[None, :], mask=j < m)


@triton.jit
def _field(table, at, count, field: constexpr):
    return tl.load(table + field * count + at, mask=at < count, other=0.0)


@triton.jit
def _legs(c, sine, of_x, x, n, of_y, y, m, SIGN: constexpr):
    """Opposite and adjacent leg of the exterior angle at x."""
    sine_y = _field(of_y, y, m, SINE)
    sine_x = _field(of_x, x, n, SINE)
    opposite, adjacent = sine * sine_y, c * sine_y
    if SIGN < 0:
        opposite = opposite * _field(of_x, x, n, SHRINK)
    if SIGN > 0:
        adjacent = adjacent * _field(of_x, x, n, COSINE)
        sine_x = sine_x * _field(of_y, y, m, COSINE)
    return opposite, adjacent - sine_x


@triton.jit
def _distance(c, of_x, x, n, of_y, y, m, scale, SIGN: constexpr):
    rise_x, rise_y = _field(of_x, x, n, RISE), _field(of_y, y, m, RISE)
    stretch_x, stretch_y = _field(of_x, x, n, STRETCH), _field(of_y, y, m, STRETCH)
    arc_x, arc_y = _field(of_x, x, n, ARC), _field(of_y, y, m, ARC)
    if SIGN > 0:
        rest = rise_x * stretch_y - stretch_x * rise_y
        chord = tl.sqrt((2 - 2 * c) * arc_x * arc_y + rest * rest) * (scale / 2)
        rest = stretch_x * stretch_y - rise_x * rise_y * (scale * scale / 4)
        other = tl.sqrt((1 + c) * arc_x * arc_y * (scale * scale / 2) + rest * rest)
        return _arc(chord, other) * (2 / scale)
    rise = rise_x - c * arc_x * arc_y + stretch_x * rise_y
    if SIGN == 0:
        return tl.sqrt(rise)
    return _log1p(tl.sqrt(rise) * tl.sqrt(rise + 2) + rise) * (1 / scale)


@triton.jit(do_not_specialize=["n"])
def law(
    cosines, out, out_step, of_x, of_y, psi, n, m, s, SIGN: constexpr, KIND: constexpr, CONE: constexpr, SWAP: constexpr
):
    """Write an angle or distance of every pair of a chunk, or with CONE the margin or energy, to rows `out_step` apart.

    With SWAP the apex is y; `psi` are apertures of the apexes. `out` may be the chunk.
    """
    i, j, inside, _, _ = _block(n, m)
    c = tl.load(cosines + i.to(tl.int64) * m + j, mask=inside, other=0.0)
    if SWAP:
        of_x, of_y = of_y, of_x
        x, y, n_x, n_y = j, i, m, n
    else:
        x, y, n_x, n_y = i, j, n, m
    if KIND == DISTANCE:
        value = _distance(c, of_x, x, n_x, of_y, y, n_y, s, SIGN)
    else:
        opposite, adjacent = _legs(c, tl.sqrt(1 - c * c), of_x, x, n_x, of_y, y, n_y, SIGN)
        value = _arc(opposite, adjacent) * _field(of_x, x, n_x, DIRECTED)
        if CONE:
            aperture = tl.load(psi + x, mask=x < n_x, other=0.0)
            value = aperture - value if CONE == MARGIN else value - aperture
            value = tl.where(value < 0, 0.0, value) if CONE == ENERGY else value
    tl.store(out + i.to(tl.int64) * out_step + j, value, mask=inside)


@triton.jit
def _rise(radius, sine, shrink, cosine, e, sin_e, cos_e, scale, SIGN: constexpr):
    """As `Triangle._rise` of the slack e. For K < 0 `sin_e` and `cos_e` are tanh(s e) and 1 - tanh(s e)."""
    rest = radius - e
    rest = tl.where(rest < 0, 0.0, rest)
    near = sine * e * (radius + rest)
    if SIGN == 0:
        return near * (1.0 / 6)
    u, v = SIGN * scale * radius * (scale * radius), SIGN * scale * rest * (scale * rest)
    value = 691.0 / 638512875
    slope = value
    value = value * u + 1.0 / 93555
    slope = slope * v + value
    value = value * u + 1.0 / 9450
    slope = slope * v + value
    value = value * u + 1.0 / 945
    slope = slope * v + value
    value = value * u + 1.0 / 90
    slope = slope * v + value
    slope = slope * v + (value * u + 1.0 / 6)
    turn, b = scale * e, scale * rest
    if SIGN < 0:
        decay = tl.exp(-2 * b)
        series = 1 - v * (1.0 / 3 + v * (1.0 / 45 + v * (2.0 / 945 + v * (1.0 / 4725))))  # v < 0
        ratio = tl.where(b < 0.5, series, b * (1 + decay) / tl.where(b < 0.5, 1.0, 1 - decay))
        gap = 1 - scale * sine
        far = turn - ratio * sin_e * shrink * shrink / (gap + cos_e - gap * cos_e)
    else:
        sine_b = scale * sine * cos_e - cosine * sin_e
        series = 1 + v * (1.0 / 6 + v * (7.0 / 360 + v * (31.0 / 15120 + v * (127.0 / 604800))))
        ratio = tl.where(b < 0.5, series, tl.where(sine_b > 0, b / tl.where(sine_b > 0, sine_b, 1.0), 1.0))
        far = ratio * sin_e - turn * cosine
    return tl.where(scale * radius < 0.5, near * slope, far * (0.5 / (scale * scale * scale)))


@triton.jit
def _distance_by_curvature(c, inverse, chord, x, y, s, SIGN: constexpr):
    """As that of `Triangle`, for pairs that are not near; x and y are radius, sine, shrink and cosine."""
    radius_x, sine_x, shrink_x, cosine_x = x
    radius_y, sine_y, shrink_y, cosine_y = y
    product = sine_x * sine_y * (1 + c)
    if SIGN > 0:
        around = sine_x * cosine_y + cosine_x * sine_y
        across, along = s * product, tl.abs(around) + chord
        turn = _arc(across, along)
        size = tl.rsqrt(tl.maximum(across * across + along * along, LEAST))
        sin_e, cos_e = across * size, along * size
        sin_sum, cos_sum = s * around, cosine_x * cosine_y - s * s * sine_x * sine_y
        beyond = around <= 0
        e = tl.where(beyond, radius_x + radius_y - PI / s, 0.0) + turn / s
        other = -sin_sum * cos_e - cos_sum * sin_e
        cos_e = tl.where(beyond, sin_sum * sin_e - cos_sum * cos_e, cos_e)
        sin_e = tl.where(beyond, other, sin_e)
    else:
        total = sine_x + sine_y + chord
        e = product / tl.where(total > 0, total, 1.0)
        sin_e, cos_e = e, e
        if SIGN < 0:
            away = 1 - c * (s * sine_x) * (s * sine_y)
            decay = (away + s * chord) / ((1 + s * sine_x) * (1 + s * sine_y))
            sin_e = s * e
            e = _log1p(sin_e * (1 + decay) / decay) * (0.5 / s)
            cos_e = 2 * decay / (1 + decay)
    rise = sine_y * _rise(radius_x, sine_x, shrink_x, cosine_x, e, sin_e, cos_e, s, SIGN)
    rise += sine_x * _rise(radius_y, sine_y, shrink_y, cosine_y, e, sin_e, cos_e, s, SIGN)
    return (c - 1) * inverse * rise


@triton.jit(do_not_specialize=["n"])
def weigh(
    chunk, weight, down, right, x, y, by_x, by_y, by_k, n, m, s, near, SIGN: constexpr, KIND: constexpr, K: constexpr
):
    """Derivatives of a quantity times the weights of pairs.

    That by theta over sin(theta) takes the place of the cosines; those by radii are summed over a block, to (blocks, n)
    and (blocks, m), and with K those by the curvature to (blocks, n). Pairs beyond `near` are measured elsewhere and
    have none, as those of weight 0.
    """
    block = _block(n, m)
    i, j, inside, _, across = block
    at = chunk + i.to(tl.int64) * m + j
    c = tl.load(at, mask=inside, other=0.0)
    weight = tl.load(weight + i.to(tl.int64) * down + j.to(tl.int64) * right, mask=inside, other=0.0)
    weight = tl.where(tl.abs(c) > near, 0.0, weight)
    counted = weight != 0
    c = tl.where(counted, c, 0.0)
    sine = tl.sqrt(1 - c * c)
    opposite, adjacent = _legs(c, sine, x, i, n, y, j, m, SIGN)
    square = tl.maximum(opposite * opposite + adjacent * adjacent, LEAST)
    inverse = tl.rsqrt(square)
    sine_x, sine_y = _field(x, i, n, SINE), _field(y, j, m, SINE)
    radius_x, radius_y = _field(x, i, n, RADIUS), _field(y, j, m, RADIUS)
    directed_x, directed_y = _field(x, i, n, DIRECTED), _field(y, j, m, DIRECTED)
    cosine_x, cosine_y, shrink_x, shrink_y = 1.0, 1.0, 1.0, 1.0
    if SIGN > 0:
        cosine_x, cosine_y = _field(x, i, n, COSINE), _field(y, j, m, COSINE)
    if SIGN < 0:
        shrink_x, shrink_y = _field(x, i, n, SHRINK), _field(y, j, m, SHRINK)
    leg_at_y = sine_y * cosine_x - c * sine_x * cosine_y
    if KIND == DISTANCE:
        theta = inverse * sine_y * sine_x
        to_x = -adjacent * inverse * directed_x
        to_y = leg_at_y * inverse * directed_y
        if K:
            sides = (radius_x, sine_x, shrink_x, cosine_x), (radius_y, sine_y, shrink_y, cosine_y)
            to_k = _distance_by_curvature(c, inverse, square * inverse, *sides, s, SIGN)
    else:
        weight = weight * directed_x * directed_y
        away = c * (SIGN * s * sine_x) * (s * sine_y) + cosine_x * cosine_y  # cs(d), for K < 0 divided by cs_x cs_y
        shrink = inverse * shrink_x
        theta = leg_at_y * inverse * shrink * sine_y / sine
        sin_x = opposite * inverse
        to_x = away * inverse * sin_x
        to_y = -shrink * inverse * sine * sine_x * shrink_y * shrink_y
        if K:
            bow = sine_y * _field(x, i, n, BOW) - sine_x * _field(y, j, m, BOW)
            whole = tl.maximum(away + shrink_x * shrink_y, TINY) * inverse
            to_k = 0.5 * (shrink * shrink_y * sine * bow * inverse - sin_x * radius_x / whole)
    if K:
        to_k = tl.sum(tl.where(counted, to_k * weight, 0.0), 1)[:, None]
        tl.store(by_k + across.to(tl.int64) * n + i, to_k, mask=i < n)
    tl.store(at, tl.where(counted, theta * weight, 0.0), mask=inside)
    to_x, to_y = tl.where(counted, to_x * weight, 0.0), tl.where(counted, to_y * weight, 0.0)
    _store_sums(to_x, to_y, block, by_x, by_y, n, m)


@triton.jit(do_not_specialize=["n"])
def count(values, reach, counts, n, m, AT_MOST: constexpr):
    """How many values of a row are at most `reach` (n,), or at least 0, block by block: (blocks, n) int32; no NaN."""
    i, j, inside, _, right = _block(n, m)
    value = tl.load(values + i.to(tl.int64) * m + j, mask=inside, other=float("nan"))
    within = value <= tl.load(reach + i, mask=i < n, other=0.0) if AT_MOST else value >= 0
    tl.store(counts + right.to(tl.int64) * n + i, tl.sum(within.to(tl.int32), 1)[:, None], mask=i < n)


@triton.jit(do_not_specialize=["n"])
def least(values, out, least_columns, n, m):
    """The least value of a row in each block, infinite where all are NaN, and its lowest column: (blocks, n)."""
    i, j, inside, _, right = _block(n, m)
    value = tl.load(values + i.to(tl.int64) * m + j, mask=inside, other=float("inf"))
    value = tl.where(value == value, value, float("inf"))
    smallest = tl.min(value, 1)[:, None]
    column = tl.min(tl.where(value == smallest, j, m), 1)[:, None]
    at = right.to(tl.int64) * n + i
    tl.store(out + at, smallest, mask=i < n)
    tl.store(least_columns + at, column, mask=i < n)


@triton.jit
def _rest(z, top, axis: constexpr):
    """The sum of exp(z - top) over an axis without a 1 of the largest, beside which the others may be tiny."""
    largest = z == top
    return tl.sum(tl.where(largest, 0.0, tl.exp(z - top)), axis) + (tl.sum(tl.where(largest, 1.0, 0.0), axis) - 1.0)


@triton.jit(do_not_specialize=["n"])
def reduce_logits(logits, top_of_rows, top_of_columns, of_rows, of_columns, n, m, SOFTPLUS: constexpr):
    """For the rows and columns of a block the largest logit and the sum of exp(logit - largest) - 1, or of softplus.

    Blocks of rows are (blocks, n), of columns (blocks, m).
    """
    block = _block(n, m)
    i, j, inside, down, right = block
    z = tl.load(logits + i.to(tl.int64) * m + j, mask=inside, other=-float("inf"))
    if SOFTPLUS:
        x = tl.where(z > 0, z, 0.0) + _log1p(tl.exp(-tl.abs(z)))
        x, y = tl.sum(x, 1), tl.sum(x, 0)
    else:
        top_x, top_y = tl.max(z, 1)[:, None], tl.max(z, 0)[None, :]
        top_x = tl.where(tl.abs(top_x) == float("inf"), 0.0, top_x)
        top_y = tl.where(tl.abs(top_y) == float("inf"), 0.0, top_y)
        tl.store(top_of_rows + right.to(tl.int64) * n + i, top_x, mask=i < n)
        tl.store(top_of_columns + down.to(tl.int64) * m + j, top_y, mask=j < m)
        x, y = _rest(z, top_x, 1), _rest(z, top_y, 0)
    tl.store(of_rows + right.to(tl.int64) * n + i, x[:, None], mask=i < n)
    tl.store(of_columns + down.to(tl.int64) * m + j, y[None, :], mask=j < m)


@triton.jit(do_not_specialize=["n"])
def weigh_logits(logits, rows, columns, of_rows, of_columns, n, m, SOFTPLUS: constexpr):
    """Turn logits into derivatives by them of what rows and columns were reduced to, times `of_rows`, `of_columns`."""
    i, j, inside, _, _ = _block(n, m)
    at = logits + i.to(tl.int64) * m + j
    z = tl.load(at, mask=inside, other=0.0)
    up_x, up_y = tl.load(of_rows + i, mask=i < n, other=0.0), tl.load(of_columns + j, mask=j < m, other=0.0)
    if SOFTPLUS:
        weight = (up_x + up_y) / (1 + tl.exp(-z))
    else:
        x, y = tl.load(rows + i, mask=i < n, other=0.0), tl.load(columns + j, mask=j < m, other=0.0)
        weight = tl.exp(z - x) * up_x + tl.exp(z - y) * up_y
    tl.store(at, weight, mask=inside)
