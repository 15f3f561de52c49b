#include "python/buffer.hpp"

#include <cstdint>

namespace nb = nanobind;

namespace lamina::python {

Buffer::Buffer(Buffer&& other) noexcept
    : memory_(std::move(other.memory_)),
      address_(std::exchange(other.address_, nullptr)),
      nbytes_(std::exchange(other.nbytes_, 0)),
      serial_(std::exchange(other.serial_, 0)),
      view_(std::exchange(other.view_, Py_buffer{})) {}

Buffer::~Buffer() {
    if (view_.obj != nullptr) PyBuffer_Release(&view_);
}

Buffer Buffer::wrap(nb::handle source) {
    Buffer made;
    if (PyObject_GetBuffer(source.ptr(), &made.view_, PyBUF_SIMPLE) != 0) nb::raise_python_error();
    made.address_ = made.view_.buf;
    made.nbytes_ = static_cast<std::size_t>(made.view_.len);
    return made;
}

Memory Buffer::donate() noexcept {
    donated_ = true;
    address_ = nullptr;
    return std::move(memory_);
}

void Buffer::take_back(Memory memory) noexcept {
    memory_ = std::move(memory);
    address_ = memory_.data();
    donated_ = false;
    serial_ = next_serial();  // a run that failed may have written to it
}

std::uint64_t Buffer::next_serial() noexcept {
    static std::uint64_t last = 0;
    return ++last;
}

namespace {

int export_view(PyObject* self, Py_buffer* view, int flags) {
    auto* buffer = nb::inst_ptr<Buffer>(self);
    if (buffer->donated()) {
        PyErr_SetString(PyExc_BufferError, "Buffer: its memory was donated to a result");
        return -1;
    }
    const int failed =
        PyBuffer_FillInfo(view, self, buffer->address(), static_cast<Py_ssize_t>(buffer->nbytes()),
                          buffer->readonly() ? 1 : 0, flags);
    if (failed == 0) buffer->pin();
    return failed;
}

void release_view(PyObject* self, Py_buffer*) { nb::inst_ptr<Buffer>(self)->unpin(); }

PyType_Slot buffer_slots[] = {
    {Py_bf_getbuffer, reinterpret_cast<void*>(export_view)},
    {Py_bf_releasebuffer, reinterpret_cast<void*>(release_view)},
    {0, nullptr},
};

nb::str show(const Buffer& buffer) {
    const char* state = buffer.donated() ? "donated" : buffer.owned() ? "owned" : "wrapped";
    return nb::str("<lamina Buffer: {} bytes, {}>").format(buffer.nbytes(), state);
}

nb::dict memory_stats() {
    const MemoryStats stats = BlockPool::process().stats();
    nb::dict result;
    result["in_use_bytes"] = stats.in_use_bytes;
    result["pooled_bytes"] = stats.pooled_bytes;
    result["peak_bytes"] = stats.peak_bytes;
    result["allocations"] = stats.allocations;
    result["requests"] = stats.requests;
    return result;
}

}  // namespace

void bind_memory(nb::module_& module) {
    nb::class_<Buffer>(module, "Buffer", nb::type_slots(buffer_slots), nb::is_weak_referenceable(),
                       "Bytes at a fixed address: a pooled block aligned to 64 bytes, or, made by "
                       "`wrap`, another object's memory.")
        .def(nb::init<std::size_t>(), nb::arg("nbytes"))
        .def_static(
            "wrap", [](nb::handle source) { return Buffer::wrap(source); }, nb::arg("source"),
            "The memory of a C-contiguous object with the buffer protocol, not copied, kept alive.")
        .def_prop_ro("address",
                     [](const Buffer& b) { return reinterpret_cast<std::uintptr_t>(b.address()); })
        .def_prop_ro("nbytes", &Buffer::nbytes)
        .def_prop_ro("owned", &Buffer::owned, "True for memory of the pool, false for `wrap`.")
        .def_prop_ro("readonly", &Buffer::readonly)
        .def_prop_ro("donated", &Buffer::donated, "True once a run gave the memory to a result.")
        .def_prop_ro("serial", &Buffer::serial,
                     "A number that these contents have and no others ever had; 0 where others may "
                     "write to them.")
        .def_prop_ro("pins", &Buffer::pins, "Views and runs that hold the memory in place.")
        .def("__len__", &Buffer::nbytes)
        .def("__repr__", &show);

    module.def("memory_stats", &memory_stats,
               "in_use_bytes, pooled_bytes, peak_bytes, allocations (from the system), requests.");
    module.def("reset_peak", [] { BlockPool::process().reset_peak(); });
    module.def(
        "trim_pool", [] { return BlockPool::process().trim(); },
        "Hands idle blocks back to the system; returns their bytes.");
    module.def(
        "set_memory_limit", [](std::size_t bytes) { BlockPool::process().set_limit(bytes); },
        nb::arg("bytes"), "Most bytes in use; 0 for no limit.");
    module.def(
        "set_idle_cap", [](std::size_t bytes) { BlockPool::process().set_idle_cap(bytes); },
        nb::arg("bytes"), "Most idle bytes kept for reuse.");
}

}  // namespace lamina::python
