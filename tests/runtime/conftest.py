"""Kernels for the runtime's tests, compiled from LLVM IR text."""

from dataclasses import dataclass

import llvmlite.binding as llvm
import numpy as np
import pytest

from lamina.runtime import Argument, Launch, Slot

# void kernel(void *const *args, int64_t begin, int64_t end, void *scratch), over arrays of double.
ELEMENTWISE = """
define void @{name}(ptr %args, i64 %begin, i64 %end, ptr %scratch) {{
entry:
  %x = load ptr, ptr %args
  %y_slot = getelementptr ptr, ptr %args, i64 1
  %y = load ptr, ptr %y_slot
  %z_slot = getelementptr ptr, ptr %args, i64 {last}
  %z = load ptr, ptr %z_slot
  br label %loop
loop:
  %i = phi i64 [ %begin, %entry ], [ %next, %loop ]
  %x_at = getelementptr double, ptr %x, i64 %i
  %y_at = getelementptr double, ptr %y, i64 %i
  %z_at = getelementptr double, ptr %z, i64 %i
  %a = load double, ptr %x_at
  %b = {second}
  %c = {operation}
  store double %c, ptr %z_at
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %end
  br i1 %more, label %loop, label %done
done:
  ret void
}}
"""

# Reports fault 7 with the two ends of its chunk.
FAULT = """
define void @fault(ptr %args, i64 %begin, i64 %end, ptr %scratch) {
  %status = load ptr, ptr %args
  store i64 7, ptr %status
  %first = getelementptr i64, ptr %status, i64 1
  store i64 %begin, ptr %first
  %second = getelementptr i64, ptr %status, i64 2
  store i64 %end, ptr %second
  ret void
}
"""

# Writes the address of its scratch, and fills 4096 bytes of it.
SCRATCH = """
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
define void @scratch(ptr %args, i64 %begin, i64 %end, ptr %scratch) {
  %out = load ptr, ptr %args
  %address = ptrtoint ptr %scratch to i64
  store i64 %address, ptr %out
  call void @llvm.memset.p0.i64(ptr %scratch, i8 1, i64 4096, i1 false)
  ret void
}
"""


def _elementwise(name: str, operation: str, operands: int) -> str:
    second = "load double, ptr %y_at" if operands == 2 else "fadd double %a, 0.0"
    return ELEMENTWISE.format(name=name, operation=operation, second=second, last=operands)


@dataclass(frozen=True)
class Kernels:
    """Addresses of compiled kernels, and what owns them."""

    engine: llvm.ExecutionEngine

    def __getitem__(self, name: str) -> int:
        return self.engine.get_function_address(name)

    def launch(self, name: str, *args: tuple[Slot, int], count: int, **more) -> Launch:
        """A launch over `count` elements in chunks of 64."""
        arguments = tuple(Argument(*argument) for argument in args)
        return Launch(name, self[name], arguments, **{"extent": count, "grain": 64, **more})


@pytest.fixture(scope="session")
def kernels() -> Kernels:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    text = "\n".join(
        [
            _elementwise("increment", "fadd double %a, 1.0", 1),
            _elementwise("double", "fadd double %a, %a", 1),
            _elementwise("add", "fadd double %a, %b", 2),
            FAULT,
            SCRATCH,
        ]
    )
    module = llvm.parse_assembly(text)
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return Kernels(engine)


@pytest.fixture
def numbers() -> np.ndarray:
    return np.arange(10_000, dtype=np.float64)
