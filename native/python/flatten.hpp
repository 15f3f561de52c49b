// The fast path of a jitted call: arguments to leaves and a signature.
#pragma once

#include <nanobind/nanobind.h>

namespace lamina::python {

void bind_flatten(nanobind::module_& module);

}  // namespace lamina::python
