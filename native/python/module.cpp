// lamina.runtime._native: the runtime as a Python module. It names no op.
#include <nanobind/nanobind.h>

#include "python/buffer.hpp"
#include "python/errors.hpp"
#include "python/flatten.hpp"
#include "python/machine.hpp"
#include "python/program.hpp"

NB_MODULE(_native, module) {
    module.attr("INTERFACE") = 2;  // what `runtime/native.py` expects
    module.doc() = "Buffers, threads, the executor, call flattening and topology.";
    nanobind::set_leak_warnings(false);
    lamina::python::bind_errors(module);
    lamina::python::bind_memory(module);
    lamina::python::bind_machine(module);
    lamina::python::bind_program(module);
    lamina::python::bind_flatten(module);
}
