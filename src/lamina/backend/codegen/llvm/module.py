"""LLVM IR text -> optimised module -> object bytes or assembly text."""

from __future__ import annotations

import functools
from typing import Protocol

import llvmlite.binding as llvm


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


@functools.lru_cache(maxsize=16)
def _machine(triple: str, cpu: str, features: str) -> llvm.TargetMachine:
    _initialise()
    host, lacking = _lacking()
    if cpu == host:
        features = ",".join(part for part in (features, lacking) if part)
    found = llvm.Target.from_triple(triple)
    return found.create_target_machine(
        cpu=cpu, features=features, opt=2, reloc="pic", codemodel="small"
    )


def machine(target: Processor) -> llvm.TargetMachine:
    """The LLVM target machine of a target."""
    triple = target.llvm_triple or llvm.get_process_triple()
    return _machine(triple, target.llvm_cpu, target.llvm_features)


def optimise(text: str, target: Processor) -> llvm.ModuleRef:
    """Parses a module and brings stack slots into registers; the text is otherwise ready."""
    tm = machine(target)
    module = llvm.parse_assembly(text, context=llvm.create_context())
    module.triple = target.llvm_triple or llvm.get_process_triple()
    module.data_layout = str(tm.target_data)
    builder = llvm.create_pass_builder(tm, llvm.create_pipeline_tuning_options(speed_level=2))
    passes = llvm.create_new_module_pass_manager()
    if "alwaysinline" in text:
        passes.add_always_inliner_pass()
    passes.add_sroa_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    passes.run(module, builder)
    return module


def object_bytes(text: str, target: Processor) -> bytes:
    """Relocatable object code of a module."""
    return machine(target).emit_object(optimise(text, target))


def assembly(text: str, target: Processor) -> str:
    """Assembly text of a module."""
    return machine(target).emit_assembly(optimise(text, target))


def optimised_ir(text: str, target: Processor) -> str:
    """The module as LLVM sees it just before instruction selection."""
    return str(optimise(text, target))
