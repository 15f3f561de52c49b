// Threads, topology and clock as Python sees them.
#pragma once

#include <nanobind/nanobind.h>

namespace lamina::python {

void bind_machine(nanobind::module_& module);

}  // namespace lamina::python
