"""`lm.linalg`: linear algebra by the names of the array API standard (2024.12), NumPy and SciPy.

Matrices are the last two axes; leading axes are batches. float16 and bfloat16 are computed in
float32 and rounded once. What ordinary ops say (products, norms, traces, powers) is compiled and
fused; factorisations are calls of LAPACK through NumPy and SciPy. All of them have derivatives,
batch under `vmap` and run inside `jit`.
"""

from lamina.base.errors import LinAlgError
from lamina.tensor.linalg.factorizations import (
    cholesky,
    eig,
    eigh,
    eigvals,
    eigvalsh,
    lu,
    qr,
    svd,
    svdvals,
)
from lamina.tensor.linalg.norms import (
    cond,
    matrix_norm,
    matrix_rank,
    norm,
    vector_norm,
)
from lamina.tensor.linalg.products import (
    block_diag,
    cross,
    diagonal,
    kron,
    matrix_power,
    multi_dot,
    outer,
    trace,
)
from lamina.tensor.linalg.solving import (
    cho_solve,
    det,
    expm,
    inv,
    lstsq,
    pinv,
    slogdet,
    solve,
    solve_triangular,
    tensorinv,
    tensorsolve,
)
from lamina.tensor.namespace.linear_algebra import (
    matmul,
    tensordot,
    vecdot,
)
from lamina.tensor.namespace.manipulation import (
    matrix_transpose,
)

__all__ = [
    "LinAlgError",
    "block_diag",
    "cho_solve",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "expm",
    "inv",
    "kron",
    "lstsq",
    "lu",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "trace",
    "vecdot",
    "vector_norm",
]
