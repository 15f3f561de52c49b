"""Compiles one lane expression into a loop over arrays, for the tests of lanes and expansions."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import llvmlite.binding as llvm
import ml_dtypes
import numpy as np

from lamina.backend.codegen.llvm.lanes import Lane, Lanes, llvm_type

NUMPY = {
    "bool": np.dtype(np.bool_),
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
    **{
        f"{kind[0]}{size}": np.dtype(f"{kind}{size}")
        for kind in ("int", "uint")
        for size in (8, 16, 32, 64)
    },
}
MACHINES = ("host", "generic")

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()


class Machine:
    """The host with all its features, or the plain x86-64 baseline without FMA."""

    def __init__(self, name: str):
        self.features = dict(llvm.get_host_cpu_features()) if name == "host" else {}
        target = llvm.Target.from_default_triple()
        cpu = llvm.get_host_cpu_name() if name == "host" else "x86-64"
        flags = llvm.get_host_cpu_features().flatten() if name == "host" else ""
        self.llvm = target.create_target_machine(cpu=cpu, features=flags, opt=2, jit=True)

    def has(self, feature: str) -> bool:
        return bool(self.features.get(feature))


class LaneKernel:
    """`out[i] = body(lanes, *inputs[i])`, `width` elements at a time.

    `body` is an op name or a function of a `Lanes` and one lane value per input.
    """

    def __init__(
        self,
        body: str | Callable[..., Lane],
        dtypes: list[str],
        out: str,
        width: int = 8,
        machine: str = "host",
    ):
        self.width, self.out = width, NUMPY[out]
        self.machine = Machine(machine)
        self.ir = self._module(body, dtypes, out)
        module = llvm.parse_assembly(self.ir)
        module.verify()
        options = llvm.create_pipeline_tuning_options(speed_level=2)
        builder = llvm.create_pass_builder(self.machine.llvm, options)
        builder.getModulePassManager().run(module, builder)
        self.engine = llvm.create_mcjit_compiler(module, self.machine.llvm)
        self.engine.finalize_object()
        pointers = [ctypes.c_void_p] * (len(dtypes) + 1)
        address = self.engine.get_function_address("kernel")
        self.call = ctypes.CFUNCTYPE(None, *pointers, ctypes.c_int64)(address)

    def _module(self, body: str | Callable[..., Lane], dtypes: list[str], out: str) -> str:
        lines: list[str] = []
        declarations: dict[str, None] = {}

        def emit(text: str) -> str:
            lines.append(f"  %t{len(lines)} = {text}")
            return f"%t{len(lines) - 1}"

        s = Lanes(emit, lambda line: declarations.setdefault(line), self.machine)
        arguments = [self._load(emit, f"%a{i}", dtype) for i, dtype in enumerate(dtypes)]
        result = s.apply(body, arguments, out) if isinstance(body, str) else body(s, *arguments)
        assert (result.dtype, result.width) == (out, self.width)
        address = emit(f"getelementptr {_memory(out)}, ptr %out, i64 %i")
        value = result.typed
        if out == "bool":
            value = f"{_memory(out, self.width)} " + emit(
                f"zext {result.typed} to {_memory(out, self.width)}"
            )
        code = "\n".join(lines)
        parameters = "".join(f"ptr noalias %a{i}, " for i in range(len(dtypes)))
        return (
            "\n".join(declarations)
            + f"""
define void @kernel({parameters}ptr noalias %out, i64 %n) {{
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%j, %loop]
{code}
  store {value}, ptr {address}, align 1
  %j = add i64 %i, {self.width}
  %more = icmp ult i64 %j, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}}
"""
        )

    def _load(self, emit: Callable[[str], str], pointer: str, dtype: str) -> Lane:
        kind = _memory(dtype, self.width)
        address = emit(f"getelementptr {_memory(dtype)}, ptr {pointer}, i64 %i")
        value = emit(f"load {kind}, ptr {address}, align 1")
        if dtype == "bool":
            value = emit(f"trunc {kind} {value} to {llvm_type('bool', self.width)}")
        return Lane(value, dtype, self.width)

    def __call__(self, *inputs: np.ndarray) -> np.ndarray:
        """Apply to 1-d arrays of equal length, padded to a whole number of vectors."""
        n = len(inputs[0])
        padding = -n % self.width
        padded = [
            np.ascontiguousarray(np.concatenate([x, np.repeat(x[:1], padding)])) for x in inputs
        ]
        out = np.empty(n + padding, self.out)
        self.call(*[x.ctypes.data for x in padded], out.ctypes.data, n + padding)
        return out[:n]


def _memory(dtype: str, width: int = 1) -> str:
    return llvm_type("u8" if dtype == "bool" else dtype, width)
