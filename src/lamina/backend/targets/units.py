"""The units of a processor that kernels are mapped to: scalar, vector, matrix."""

from __future__ import annotations

from dataclasses import dataclass

from lamina.backend.targets.target import Target


@dataclass(frozen=True)
class Unit:
    """Part of a processor that multiplies and adds.

    Attributes:
        kind: "scalar", "vector" or "matrix".
        dtypes: of the operands.
        lanes: results of one instruction.
        terms: products that it adds to each result.
        instruction: what does it, for reading.
    """

    kind: str
    dtypes: str
    lanes: int
    terms: int
    instruction: str

    def __str__(self) -> str:
        width = f"{self.lanes} x {self.dtypes}"
        products = f", {self.terms} products a lane" if self.terms > 1 else ""
        return f"{self.kind}: {width}{products} ({self.instruction})"


def units_of(target: Target) -> tuple[Unit, ...]:
    """What a target has, the simplest first. Contractions of bytes go to the matrix unit where
    there is one, all that lies side by side to the vector unit, the rest to the scalar one."""
    fused = target.has("fma") or target.arch == "aarch64"
    add = "fused multiply-add" if fused else "multiply, add"
    found = [Unit("scalar", "f32", 1, 1, add)]
    if target.vector_bytes > 4:
        found.append(Unit("vector", "f32", target.lanes("f32"), 1, add))
    if target.dots_bytes:
        found.append(Unit("matrix", "u8*i8 in i32", target.lanes("i32"), 4, "VNNI dot product"))
    return tuple(found)
