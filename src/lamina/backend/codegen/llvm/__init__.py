"""Nest -> machine code through LLVM."""

from .foreign import foreign_kernel
from .objects import (
    CompiledKernel,
    compile_kernels,
    kernel_assembly,
    kernel_ir,
    kernel_key,
    kernel_optimised_ir,
)
