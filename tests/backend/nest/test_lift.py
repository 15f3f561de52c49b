"""A lifted nest computes what the nest did, and is the same for all sizes of one structure."""

from __future__ import annotations

import re

import numpy as np
import pytest

from lamina.backend.nest import lift as lift_module
from lamina.backend.nest.interpret import interpret
from lamina.backend.nest.lift import lift
from lamina.backend.nest.nodes import MOST_SIZE
from lamina.backend.nest.parser import parse
from lamina.backend.nest.printer import key, to_text
from lamina.backend.nest.verify import verify
from lamina.base.dtypes import dtype

ROWS = """
kernel rows(x: f32[{cells}] in, y: f32[{rows}] out, z: f32[{cells}] out alias x) {{
  parallel for p in 0..{rows} {{
    alloc row: f32[{columns}] scratch
    acc s: f32 = add 0.0
    vector for j in 0..{columns} {{
      let v: f32 = exp(x[p*{columns} + j])
      row[j] = v
      s <- v
    }}
    vector for k in 0..{columns} {{
      z[p*{columns} + k] = row[k] / s if k < {columns} - 1
    }}
    y[p] = s
  }}
}}
"""
TILE = """
kernel tile(x: f32[{n}] in, y: f32[{n}] out) {{
  for i in 0..{n} step 8 {{
    alloc r: f32[8] register
    unroll for u in 0..2 {{
      vector for l in 0..4 {{
        r[u*4 + l] = (x[i + u*4 + l] if i + u*4 + l < {n})
      }}
    }}
    unroll for w in 0..2 {{
      vector for m in 0..4 {{
        y[i + w*4 + m] = r[w*4 + m]*2.0 if i + w*4 + m < {n}
      }}
    }}
  }}
}}
"""


def rows(count: int, columns: int) -> str:
    return ROWS.format(cells=count * columns, rows=count, columns=columns)


def pages() -> tuple[str, str, list[int]]:
    """The texts and the numbers in the module's docstring."""
    found = re.search(
        r"Before:\n(.*?)After, with ([\d, ]+):\n(.*?)\n\n", str(lift_module.__doc__), re.S
    )
    assert found is not None
    before, numbers, after = found.groups()
    return before, after, [int(n) for n in numbers.split(",")]


def test_the_docstring() -> None:
    before, after, numbers = pages()
    nest, sizes = lift(parse(before))
    assert to_text(nest) == to_text(parse(after))
    assert list(sizes) == numbers


@pytest.mark.parametrize("text", [rows(3, 5), rows(4, 17), TILE.format(n=13), TILE.format(n=8)])
def test_same_values(text: str) -> None:
    nest = verify(parse(text))
    lifted, sizes = lift(nest)
    verify(lifted)
    rng = np.random.default_rng(0)
    results = []
    for made, numbers in ((nest, ()), (lifted, sizes)):
        arrays = {
            p.name: rng.standard_normal(p.size).astype(dtype(p.dtype).numpy) for p in nest.params
        }
        for p in nest.params:
            arrays[p.name][...] = np.linspace(-1, 1, arrays[p.name].size)
        interpret(made, arrays, sizes=numbers)
        results.append(arrays)
    for name, array in results[0].items():
        np.testing.assert_array_equal(array, results[1][name])


def test_one_nest_for_all_sizes() -> None:
    texts = [rows(n, m) for n, m in ((3, 5), (5, 5), (100, 7), (7, 100))]
    assert len({key(lift(parse(text))[0]) for text in texts}) == 1
    assert len({key(lift(parse(TILE.format(n=n)))[0]) for n in (9, 16, 100)}) == 1


def test_equal_numbers_are_not_taken_for_the_same_size() -> None:
    nest, sizes = lift(parse(rows(5, 5)))
    assert len(set(nest.sizes)) == len(sizes) > len(set(sizes))


def test_a_tile_in_registers_stays() -> None:
    text = to_text(lift(parse(TILE.format(n=13)))[0])
    assert "alloc r: f32[8] register" in text
    assert "vector for l in 0..4 {" in text
    assert "r[u*4 + l] = (x[i + u*4 + l] if i + u*4 + l < n" in text


@pytest.mark.parametrize(
    ("offset", "kept"),
    [
        ("j*3", True), ("j*4 + 1", True), ("j // 2", True), ("j*5", False), ("j + 9", False),
        ("p*3", False), ("minimum(j, 3)", False),
    ],
)  # fmt: skip
def test_what_lanes_read_close_together_stays(offset: str, kept: bool) -> None:
    text = f"""
    kernel k(x: f32[64] in, y: f32[32] out) {{
      parallel for p in 0..1 {{ vector for j in 0..16 {{ y[j] = x[{offset}] }} }}
    }}"""
    assert (f"x[{offset}]" in to_text(lift(parse(text))[0])) == kept


def test_what_is_no_size_stays() -> None:
    text = f"""\
kernel k(x: i64[1] in, y: i64[1] out) {{
  y[0] = shift_left(x[0], 7) + {MOST_SIZE + 1} - 1
}}
"""
    nest = parse(text)
    assert lift(nest) == (nest, ())
