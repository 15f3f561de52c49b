"""Machine instructions of a kernel by kind, counted in its assembly text.

What stands in the text is counted, not what runs: a loop's body counts once. Loads that are
operands of other instructions count as loads too. What is stored to the stack and read back is a
spill: a value for which there was no register.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .objects import kernel_assembly

if TYPE_CHECKING:
    from lamina.backend.nest.nodes import Nest

    from .objects import KernelTarget

KINDS = (
    "vector loads", "vector stores", "multiply-adds", "dot products", "arithmetic", "divisions",
    "shuffles", "broadcasts", "gathers", "scatters", "conversions", "spills", "branches", "calls",
    "scalar",
)  # fmt: skip
_LINE = re.compile(r"^\t([a-z][a-z0-9.]*)\s*(.*)$")


@dataclass(frozen=True)
class _Spelling:
    """How an architecture writes what is counted.

    Attributes:
        kinds: patterns of mnemonics, tried in order.
        vector: a vector register among the operands.
        memory: an operand in memory; `stack` one on the stack.
        moves: mnemonics that do nothing but load and store.
        stores: those that store; "" where the order of operands tells.
    """

    kinds: tuple[tuple[str, str], ...]
    vector: str
    memory: str
    stack: str
    moves: str
    stores: str = ""


_X86 = _Spelling(
    kinds=(
        ("multiply-adds", r"vfn?m(add|sub)"),
        ("dot products", r"vpdp|vdpbf"),
        ("gathers", r"vp?gather"),
        ("scatters", r"vp?scatter"),
        ("broadcasts", r"vp?broadcast"),
        ("divisions", r"v?(div|sqrt|rcp|rsqrt)|i?div"),
        ("conversions", r"v?cvt|v?pmov[sz]x|v?pack"),
        (
            "shuffles",
            r"v?p?(shuf|perm|unpck|insert|extract|blend|align|compress|expand)|vmov[ds].?dup"
            r"|v?movs[hl]dup|v?movhlps|v?movlhps|v?pslldq|v?psrldq",
        ),
        ("branches", r"j[a-z]+|ret"),
        ("calls", r"call"),
    ),
    vector=r"%[xyz]mm",
    memory=r"\(",
    stack=r"\(%rsp",
    moves=r"v?mov",
)
_AARCH64 = _Spelling(
    kinds=(
        ("multiply-adds", r"fml[as]|fn?m(add|sub)|ml[as]\b|f?mlal"),
        ("dot products", r"[us]dot|usdot|bfdot"),
        ("divisions", r"fdiv|fsqrt|[us]div|frecp|frsqrt"),
        ("conversions", r"fcvt|[us]cvtf|[us]xtl|xtn"),
        ("broadcasts", r"dup|ld1r"),
        ("shuffles", r"zip|uzp|trn|ext\b|tb[lx]|ins|rev"),
        ("branches", r"b(\.|$)|cbn?z|tbn?z|ret|br$"),
        ("calls", r"bl"),
    ),
    vector=r"\bv\d|\bq\d|\b[sd]\d",
    memory=r"\[(x|sp)",
    stack=r"\[sp",
    moves=r"ld|st",
    stores=r"st",
)
_SPELLINGS = {"x86_64": _X86, "aarch64": _AARCH64}


def count_instructions(nest: Nest, target: KernelTarget) -> dict[str, int]:
    """How many instructions of each of `KINDS` the code of a nest has; empty where the
    architecture's spelling is not known."""
    arch = getattr(target, "arch", "")
    spelling = _SPELLINGS.get(arch)
    return {} if spelling is None else count_text(kernel_assembly(nest, target), arch)


def count_text(text: str, arch: str) -> dict[str, int]:
    """The same for assembly text."""
    spelling, found = _SPELLINGS[arch], Counter[str]()
    for line in text.splitlines():
        parts = _LINE.match(line)
        if parts:
            found.update(_kinds(spelling, parts[1], parts[2].split("//")[0].split("#")[0]))
    return {kind: found[kind] for kind in KINDS}


def _kinds(spelling: _Spelling, mnemonic: str, operands: str) -> list[str]:
    """What one instruction counts as."""
    vector = re.search(spelling.vector, operands) is not None
    memory = re.search(spelling.memory, operands) is not None
    stack = re.search(spelling.stack, operands) is not None
    named = next((k for k, pattern in spelling.kinds if re.match(pattern, mnemonic)), "")
    if memory and vector:
        stores = _stores(spelling, mnemonic, operands)
        moved = "spills" if stack else "vector stores" if stores else "vector loads"
        moves = re.match(spelling.moves, mnemonic) is not None
        return [moved] if moves and not named else [moved, named or "arithmetic"]
    return [named or ("arithmetic" if vector else "scalar")]


def _stores(spelling: _Spelling, mnemonic: str, operands: str) -> bool:
    """Whether the operand in memory is written."""
    if spelling.stores:
        return re.match(spelling.stores, mnemonic) is not None
    return re.search(r"\)(\s*\{%k\d\})?\s*$", operands) is not None  # AT&T: it stands last
