// lamina::Program as Python sees it.
#pragma once

#include <nanobind/nanobind.h>

namespace lamina::python {

void bind_program(nanobind::module_& module);

}  // namespace lamina::python
