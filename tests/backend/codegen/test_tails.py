"""The end of a row that fills no vector: its elements are written, and nobody else's."""

from __future__ import annotations

import numpy as np
import pytest
from nest_kernel import run, sample

from lamina.base.dtypes import dtype

FROM_AND_TO = [
    ("f32", "bf16"), ("f32", "f16"), ("f32", "u8"), ("i32", "i8"), ("i32", "i16"), ("i32", "bool"),
    ("i64", "i8"), ("i64", "i32"), ("f64", "f32"), ("f64", "bf16"), ("bf16", "bf16"), ("u8", "u8"),
]  # fmt: skip


@pytest.mark.parametrize("length", [1, 2, 3, 5, 9, 15, 17, 18, 31, 33, 65])
@pytest.mark.parametrize(("wide", "narrow"), FROM_AND_TO)
def test_narrowing_stores_end_with_the_row(target, wide: str, narrow: str, length: int) -> None:
    """Rows are written from the last to the first: what one writes too far is not written again."""
    rows, size = 3, 3 * length
    value = "x[q + i]" if wide == narrow else f"cast<{narrow}>(x[q + i])"
    text = f"""
    kernel narrowed(x: {wide}[{size}] in, y: {narrow}[{size}] out) {{
      parallel for p in 0..1 {{
        for r in 0..{rows} {{
          vector for i in 0..{length} {{
            y[{(rows - 1) * length} - r*{length} + i] = {value.replace("q", f"r*{length}")}
          }}
        }}
      }}
    }}
    """
    x = np.abs(sample(wide, size)) if narrow == "u8" else sample(wide, size)
    y = np.zeros(size, dtype(narrow).numpy)
    run(text, target, x, y)
    with np.errstate(all="ignore"):
        wanted = x.reshape(rows, length)[::-1].astype(y.dtype)
    if narrow not in ("u8", "i8", "i16"):  # floats and integers out of range are the target's own
        np.testing.assert_array_equal(y.view(np.uint8), wanted.ravel().view(np.uint8))
