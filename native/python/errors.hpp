// The module's own exception classes.
#pragma once

#include <nanobind/nanobind.h>

#include "program/program.hpp"

namespace lamina::python {

// Adds OutOfMemory (with its translator from C++) and KernelFault to the module.
void bind_errors(nanobind::module_& module);

// Throws KernelFault with the status words and the way to the kernel.
[[noreturn]] void raise_kernel_fault(const Status& status);

}  // namespace lamina::python
