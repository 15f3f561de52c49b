"""LLVM IR text -> optimised module -> object bytes or assembly text.

llvmlite holds one lock around every call into LLVM. The three long calls (parse, optimise, emit)
go through functions of our own handle on its library instead, so that threads compile side by
side: each module has a context of its own, and each thread a target machine, as LLVM asks.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Callable
from typing import Any, Protocol

import llvmlite.binding as llvm
from llvmlite.binding import ffi


class Processor(Protocol):
    """What LLVM has to know of a target."""

    @property
    def llvm_triple(self) -> str: ...

    @property
    def llvm_cpu(self) -> str: ...

    @property
    def llvm_features(self) -> str: ...


@functools.cache
def _initialise() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


@functools.cache
def _lacking() -> tuple[str, str]:
    """This processor's name, and the features of its model that it does not have (as in a virtual
    machine that hides some)."""
    lacking = (f"-{name}" for name, there in llvm.get_host_cpu_features().items() if not there)
    return llvm.get_host_cpu_name(), ",".join(lacking)


class _Thread(threading.local):
    """The target machines of one thread; LLVM's are not to be shared."""

    def __init__(self) -> None:
        self.machines: dict[tuple[str, str, str], llvm.TargetMachine] = {}


_THREAD = _Thread()


def machine(target: Processor) -> llvm.TargetMachine:
    """The LLVM target machine of a target, for this thread."""
    triple = target.llvm_triple or llvm.get_process_triple()
    key = triple, target.llvm_cpu, target.llvm_features
    found = _THREAD.machines.get(key)
    if found is None:
        found = _THREAD.machines[key] = _create_machine(*key)
    return found


def _create_machine(triple: str, cpu: str, features: str) -> llvm.TargetMachine:
    _initialise()
    host, lacking = _lacking()
    if cpu == host:
        features = ",".join(part for part in (features, lacking) if part)
    return llvm.Target.from_triple(triple).create_target_machine(
        cpu=cpu, features=features, opt=2, reloc="pic", codemodel="small"
    )


@functools.cache
def _unlocked(name: str) -> Callable[..., Any]:
    """A function of llvmlite's library that does not wait for llvmlite's lock."""
    locked = getattr(ffi.lib, name)
    function = getattr(ctypes.CDLL(ffi.lib._name), name)
    function.argtypes, function.restype = locked.argtypes, locked.restype
    return function


def _parse(text: str) -> llvm.ModuleRef:
    context = llvm.create_context()
    with ffi.OutputString() as problem:
        parsed = _unlocked("LLVMPY_ParseAssembly")(context, text.encode(), problem)
        message = str(problem) if problem else ""
    if message:
        raise RuntimeError(f"LLVM cannot read a kernel: {message}")
    return llvm.ModuleRef(parsed, context)


def optimise(text: str, target: Processor) -> llvm.ModuleRef:
    """Parses a module and brings stack slots into registers; the text is otherwise ready."""
    tm = machine(target)
    module = _parse(text)
    module.triple = target.llvm_triple or llvm.get_process_triple()
    module.data_layout = str(tm.target_data)
    builder = llvm.create_pass_builder(tm, llvm.create_pipeline_tuning_options(speed_level=2))
    passes = llvm.create_new_module_pass_manager()
    if "alwaysinline" in text:
        passes.add_always_inliner_pass()
    passes.add_sroa_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    _unlocked("LLVMPY_RunNewModulePassManager")(passes, module, builder)
    return module


def object_bytes(text: str, target: Processor) -> bytes:
    """Relocatable object code of a module."""
    return _emitted(optimise(text, target), target, 1)


def assembly(text: str, target: Processor) -> str:
    """Assembly text of a module."""
    return _emitted(optimise(text, target), target, 0).decode("utf-8", "replace")


def _emitted(module: llvm.ModuleRef, target: Processor, as_object: int) -> bytes:
    emit = _unlocked("LLVMPY_TargetMachineEmitToMemory")
    with ffi.OutputString() as problem:
        memory = emit(machine(target), module, as_object, problem)
        if not memory:
            raise RuntimeError(f"LLVM cannot emit a kernel: {problem}")
    try:
        start = ffi.lib.LLVMPY_GetBufferStart(memory)
        return ctypes.string_at(start, ffi.lib.LLVMPY_GetBufferSize(memory))
    finally:
        ffi.lib.LLVMPY_DisposeMemoryBuffer(memory)


def optimised_ir(text: str, target: Processor) -> str:
    """The module as LLVM sees it just before instruction selection."""
    return str(optimise(text, target))
