"""Ed25519 by hand (RFC 8032 section 5.1), slow and plain: crafts the keys and signatures that no library would make."""

from hashlib import sha512

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P

Point = tuple[int, int]
NEUTRAL: Point = (0, 1)


def add(a: Point, b: Point) -> Point:
    product = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + a[1] * b[0]) * pow(1 + product, -1, P)
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - product, -1, P)
    return x % P, y % P


def multiply(scalar: int, point: Point) -> Point:
    total = NEUTRAL
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point = add(point, point)
        scalar >>= 1
    return total


def x_of(y: int, sign: int) -> int | None:
    """The x that goes with y, or None where no point has this y."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square:
        return None
    return x if x & 1 == sign else (P - x) % P


def encode(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def challenge(r: bytes, key: bytes, message: bytes) -> int:
    return int.from_bytes(sha512(r + key + message).digest(), "little") % L


def sign_with(secret: int, key: bytes, r: bytes, nonce: int, message: bytes) -> bytes:
    """A signature with a scalar, a nonce, and whatever encodings of key and R the caller wants hashed."""
    s = (nonce + challenge(r, key, message) * secret) % L
    return r + s.to_bytes(32, "little")


_base_y = 4 * pow(5, -1, P) % P
_base_x = x_of(_base_y, 0)
assert _base_x is not None
BASE: Point = (_base_x, _base_y)


def _torsion() -> list[Point]:
    """The eight points whose order divides 8, found by multiplying points of any order with L."""
    for y in range(2, 100):
        x = x_of(y, 0)
        if x is None:
            continue
        point = multiply(L, (x, y))
        if multiply(4, point) != NEUTRAL:
            return [multiply(n, point) for n in range(8)]
    raise AssertionError("no y below 100 gives a point of order 8")


SMALL_ORDER = _torsion()
