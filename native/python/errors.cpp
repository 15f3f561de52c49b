#include "python/errors.hpp"

#include <nanobind/stl/string.h>

#include <exception>
#include <string>

#include "memory/block_pool.hpp"

namespace nb = nanobind;

namespace lamina::python {
namespace {

constexpr int kPartRadix = 1 << 16;  // of the digits that tell the way to a kernel

PyObject* out_of_memory_class = nullptr;
PyObject* kernel_fault_class = nullptr;

PyObject* add_class(nb::module_& module, const char* name, const char* doc, PyObject* base) {
    const std::string path = nb::cast<std::string>(module.attr("__name__")) + "." + name;
    PyObject* made = PyErr_NewExceptionWithDoc(path.c_str(), doc, base, nullptr);
    if (made == nullptr) nb::raise_python_error();
    module.attr(name) = nb::handle(made);
    return made;
}

void set_out_of_memory(const OutOfMemory& error) {
    nb::object instance = nb::handle(out_of_memory_class)(error.what());
    instance.attr("requested_bytes") = error.requested_bytes;
    instance.attr("in_use_bytes") = error.in_use_bytes;
    instance.attr("limit_bytes") = error.limit_bytes;
    PyErr_SetObject(out_of_memory_class, instance.ptr());
}

}  // namespace

void bind_errors(nb::module_& module) {
    out_of_memory_class = add_class(
        module, "OutOfMemory",
        "No memory: `requested_bytes` on top of `in_use_bytes` passes `limit_bytes`, or, when that "
        "is 0, the system refused.",
        PyExc_MemoryError);
    kernel_fault_class = add_class(
        module, "KernelFault",
        "A kernel reported a fault: `code` is the first status word, `values` are all three and "
        "the way to the kernel, a number whose digits to the base 65536 go from the outside in.",
        PyExc_RuntimeError);
    nb::register_exception_translator(
        [](const std::exception_ptr& pointer, void*) {
            try {
                std::rethrow_exception(pointer);
            } catch (const OutOfMemory& error) {
                set_out_of_memory(error);
            }
        },
        nullptr);
}

void raise_kernel_fault(const Status& status) {
    const auto* v = status.values;
    const std::string text = "a kernel reported fault " + std::to_string(v[0]) + " (values " +
                             std::to_string(v[1]) + ", " + std::to_string(v[2]) + ")";
    nb::object way = nb::int_(0);  // the outermost step is the lowest digit
    for (int i = 0; i < status.steps; ++i) {
        way = way * nb::int_(kPartRadix) + nb::int_(status.way[i]);
    }
    nb::object instance = nb::handle(kernel_fault_class)(text);
    instance.attr("code") = v[0];
    instance.attr("values") = nb::make_tuple(v[0], v[1], v[2], way);
    PyErr_SetObject(kernel_fault_class, instance.ptr());
    nb::raise_python_error();
}

}  // namespace lamina::python
