"""What the Python array API standard (2024.12) says, as data: names, signatures, promotion.

Written from its text, https://data-apis.org/array-api/2024.12/. A signature is the text between the
parentheses of a `def`; positional-only names are free, the others are part of the interface.
"""

from __future__ import annotations

import inspect

VERSION = "2024.12"

FUNCTIONS = {
    "creation": """
        arange(start, /, stop=None, step=1, *, dtype=None, device=None)
        asarray(obj, /, *, dtype=None, device=None, copy=None)
        empty(shape, *, dtype=None, device=None)
        empty_like(x, /, *, dtype=None, device=None)
        eye(n_rows, n_cols=None, /, *, k=0, dtype=None, device=None)
        from_dlpack(x, /, *, device=None, copy=None)
        full(shape, fill_value, *, dtype=None, device=None)
        full_like(x, /, fill_value, *, dtype=None, device=None)
        linspace(start, stop, /, num, *, dtype=None, device=None, endpoint=True)
        meshgrid(*arrays, indexing="xy")
        ones(shape, *, dtype=None, device=None)
        ones_like(x, /, *, dtype=None, device=None)
        tril(x, /, *, k=0)
        triu(x, /, *, k=0)
        zeros(shape, *, dtype=None, device=None)
        zeros_like(x, /, *, dtype=None, device=None)
    """,
    "data types": """
        astype(x, dtype, /, *, copy=True, device=None)
        can_cast(from_, to, /)
        finfo(type, /)
        iinfo(type, /)
        isdtype(dtype, kind)
        result_type(*arrays_and_dtypes)
    """,
    "elementwise": """
        abs(x, /)
        acos(x, /)
        acosh(x, /)
        add(x1, x2, /)
        asin(x, /)
        asinh(x, /)
        atan(x, /)
        atan2(x1, x2, /)
        atanh(x, /)
        bitwise_and(x1, x2, /)
        bitwise_left_shift(x1, x2, /)
        bitwise_invert(x, /)
        bitwise_or(x1, x2, /)
        bitwise_right_shift(x1, x2, /)
        bitwise_xor(x1, x2, /)
        ceil(x, /)
        clip(x, /, min=None, max=None)
        conj(x, /)
        copysign(x1, x2, /)
        cos(x, /)
        cosh(x, /)
        divide(x1, x2, /)
        equal(x1, x2, /)
        exp(x, /)
        expm1(x, /)
        floor(x, /)
        floor_divide(x1, x2, /)
        greater(x1, x2, /)
        greater_equal(x1, x2, /)
        hypot(x1, x2, /)
        imag(x, /)
        isfinite(x, /)
        isinf(x, /)
        isnan(x, /)
        less(x1, x2, /)
        less_equal(x1, x2, /)
        log(x, /)
        log1p(x, /)
        log2(x, /)
        log10(x, /)
        logaddexp(x1, x2, /)
        logical_and(x1, x2, /)
        logical_not(x, /)
        logical_or(x1, x2, /)
        logical_xor(x1, x2, /)
        maximum(x1, x2, /)
        minimum(x1, x2, /)
        multiply(x1, x2, /)
        negative(x, /)
        nextafter(x1, x2, /)
        not_equal(x1, x2, /)
        positive(x, /)
        pow(x1, x2, /)
        real(x, /)
        reciprocal(x, /)
        remainder(x1, x2, /)
        round(x, /)
        sign(x, /)
        signbit(x, /)
        sin(x, /)
        sinh(x, /)
        sqrt(x, /)
        square(x, /)
        subtract(x1, x2, /)
        tan(x, /)
        tanh(x, /)
        trunc(x, /)
    """,
    "indexing": """
        take(x, indices, /, *, axis=None)
        take_along_axis(x, indices, /, *, axis=-1)
    """,
    "inspection": """
        __array_namespace_info__()
    """,
    "linear algebra": """
        matmul(x1, x2, /)
        matrix_transpose(x, /)
        tensordot(x1, x2, /, *, axes=2)
        vecdot(x1, x2, /, *, axis=-1)
    """,
    "manipulation": """
        broadcast_arrays(*arrays)
        broadcast_to(x, /, shape)
        concat(arrays, /, *, axis=0)
        expand_dims(x, /, *, axis=0)
        flip(x, /, *, axis=None)
        moveaxis(x, source, destination, /)
        permute_dims(x, /, axes)
        repeat(x, repeats, /, *, axis=None)
        reshape(x, /, shape, *, copy=None)
        roll(x, /, shift, *, axis=None)
        squeeze(x, /, axis)
        stack(arrays, /, *, axis=0)
        tile(x, repetitions, /)
        unstack(x, /, *, axis=0)
    """,
    "searching": """
        argmax(x, /, *, axis=None, keepdims=False)
        argmin(x, /, *, axis=None, keepdims=False)
        count_nonzero(x, /, *, axis=None, keepdims=False)
        nonzero(x, /)
        searchsorted(x1, x2, /, *, side="left", sorter=None)
        where(condition, x1, x2, /)
    """,
    "sets": """
        unique_all(x, /)
        unique_counts(x, /)
        unique_inverse(x, /)
        unique_values(x, /)
    """,
    "sorting": """
        argsort(x, /, *, axis=-1, descending=False, stable=True)
        sort(x, /, *, axis=-1, descending=False, stable=True)
    """,
    "statistics": """
        cumulative_prod(x, /, *, axis=None, dtype=None, include_initial=False)
        cumulative_sum(x, /, *, axis=None, dtype=None, include_initial=False)
        max(x, /, *, axis=None, keepdims=False)
        mean(x, /, *, axis=None, keepdims=False)
        min(x, /, *, axis=None, keepdims=False)
        prod(x, /, *, axis=None, dtype=None, keepdims=False)
        std(x, /, *, axis=None, correction=0.0, keepdims=False)
        sum(x, /, *, axis=None, dtype=None, keepdims=False)
        var(x, /, *, axis=None, correction=0.0, keepdims=False)
    """,
    "utility": """
        all(x, /, *, axis=None, keepdims=False)
        any(x, /, *, axis=None, keepdims=False)
        diff(x, /, *, axis=-1, n=1, prepend=None, append=None)
    """,
}

EXTENSIONS = {
    "linalg": """
        cholesky(x, /, *, upper=False)
        cross(x1, x2, /, *, axis=-1)
        det(x, /)
        diagonal(x, /, *, offset=0)
        eigh(x, /)
        eigvalsh(x, /)
        inv(x, /)
        matmul(x1, x2, /)
        matrix_norm(x, /, *, keepdims=False, ord="fro")
        matrix_power(x, n, /)
        matrix_rank(x, /, *, rtol=None)
        matrix_transpose(x, /)
        outer(x1, x2, /)
        pinv(x, /, *, rtol=None)
        qr(x, /, *, mode="reduced")
        slogdet(x, /)
        solve(x1, x2, /)
        svd(x, /, *, full_matrices=True)
        svdvals(x, /)
        tensordot(x1, x2, /, *, axes=2)
        trace(x, /, *, offset=0, dtype=None)
        vecdot(x1, x2, /, *, axis=-1)
        vector_norm(x, /, *, axis=None, keepdims=False, ord=2)
    """,
    "fft": """
        fft(x, /, *, n=None, axis=-1, norm="backward")
        ifft(x, /, *, n=None, axis=-1, norm="backward")
        fftn(x, /, *, s=None, axes=None, norm="backward")
        ifftn(x, /, *, s=None, axes=None, norm="backward")
        rfft(x, /, *, n=None, axis=-1, norm="backward")
        irfft(x, /, *, n=None, axis=-1, norm="backward")
        rfftn(x, /, *, s=None, axes=None, norm="backward")
        irfftn(x, /, *, s=None, axes=None, norm="backward")
        hfft(x, /, *, n=None, axis=-1, norm="backward")
        ihfft(x, /, *, n=None, axis=-1, norm="backward")
        fftfreq(n, /, *, d=1.0, dtype=None, device=None)
        rfftfreq(n, /, *, d=1.0, dtype=None, device=None)
        fftshift(x, /, *, axes=None)
        ifftshift(x, /, *, axes=None)
    """,
}

METHODS = """
    __abs__()
    __add__(other, /)
    __and__(other, /)
    __array_namespace__(*, api_version=None)
    __bool__()
    __complex__()
    __dlpack__(*, stream=None, max_version=None, dl_device=None, copy=None)
    __dlpack_device__()
    __eq__(other, /)
    __float__()
    __floordiv__(other, /)
    __ge__(other, /)
    __getitem__(key, /)
    __gt__(other, /)
    __index__()
    __int__()
    __invert__()
    __le__(other, /)
    __lshift__(other, /)
    __lt__(other, /)
    __matmul__(other, /)
    __mod__(other, /)
    __mul__(other, /)
    __ne__(other, /)
    __neg__()
    __or__(other, /)
    __pos__()
    __pow__(other, /)
    __rshift__(other, /)
    __setitem__(key, value, /)
    __sub__(other, /)
    __truediv__(other, /)
    __xor__(other, /)
    to_device(device, /, *, stream=None)
"""

REFLECTED = [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "and",
    "or",
    "xor",
    "lshift",
    "rshift",
]
ATTRIBUTES = ["dtype", "device", "mT", "ndim", "shape", "size", "T"]
CONSTANTS = ["e", "inf", "nan", "newaxis", "pi"]
INFORMATION = ["capabilities", "default_device", "default_dtypes", "devices", "dtypes"]

SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGERS = SIGNED + UNSIGNED
REALS = ("float32", "float64")
COMPLEX = ("complex64", "complex128")
DTYPES = ("bool", *INTEGERS, *REALS, *COMPLEX)


def signatures(text: str) -> dict[str, inspect.Signature]:
    """The signature of each name in a block of lines."""
    found = {}
    for line in text.strip().splitlines():
        name, _, parameters = line.strip()[:-1].partition("(")
        found[name] = inspect.signature(eval(f"lambda {parameters}: None"))
    return found


def promoted(a: str, b: str) -> str | None:
    """The dtype in which two dtypes meet, None where the standard leaves it open."""
    if a == b:
        return a
    if a in REALS + COMPLEX and b in REALS + COMPLEX:
        wide = 2 if "64" in (a[5:], b[5:]) or "complex128" in (a, b) else 1
        return (COMPLEX if a in COMPLEX or b in COMPLEX else REALS)[wide - 1]
    if a not in INTEGERS or b not in INTEGERS:
        return None
    bits = {name: int(name.lstrip("uint")) for name in (a, b)}
    if (a in SIGNED) == (b in SIGNED):
        return max((a, b), key=bits.__getitem__)
    signed, unsigned = (a, b) if a in SIGNED else (b, a)
    needed = max(bits[signed], 2 * bits[unsigned])
    return f"int{needed}" if needed <= 64 else None
