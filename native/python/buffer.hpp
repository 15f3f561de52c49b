// Memory as Python sees it.
#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "memory/block_pool.hpp"

namespace lamina::python {

// A block of the pool, or somebody else's bytes kept alive. Touched only with the GIL held.
class Buffer {
 public:
    explicit Buffer(std::size_t nbytes)
        : memory_(nbytes), address_(memory_.data()), nbytes_(nbytes), serial_(next_serial()) {}
    Buffer(Memory memory, std::size_t nbytes)
        : memory_(std::move(memory)),
          address_(memory_.data()),
          nbytes_(nbytes),
          serial_(next_serial()) {}
    Buffer(Buffer&& other) noexcept;
    Buffer& operator=(Buffer&&) = delete;
    ~Buffer();

    static Buffer wrap(nanobind::handle source);

    void* address() const noexcept { return address_; }
    std::size_t nbytes() const noexcept { return nbytes_; }
    bool owned() const noexcept { return static_cast<bool>(memory_); }
    bool readonly() const noexcept { return view_.obj != nullptr && view_.readonly != 0; }
    // The contents have one number as long as they are the same, and no others ever have it. 0 where
    // somebody else may write to them.
    std::uint64_t serial() const noexcept { return owned() || readonly() ? serial_ : 0; }
    // A donated buffer has given its memory to a result.
    bool donated() const noexcept { return donated_; }

    // Runs and views that rely on the memory staying where it is.
    void pin() noexcept { ++pins_; }
    void unpin() noexcept { --pins_; }
    std::size_t pins() const noexcept { return pins_; }

    std::size_t capacity() const noexcept { return memory_.capacity(); }
    Memory donate() noexcept;
    void take_back(Memory memory) noexcept;  // undoes donate

 private:
    Buffer() : serial_(next_serial()) {}

    static std::uint64_t next_serial() noexcept;

    Memory memory_;
    void* address_ = nullptr;
    std::size_t nbytes_ = 0;
    std::size_t pins_ = 0;
    bool donated_ = false;
    std::uint64_t serial_;
    Py_buffer view_{};  // of a wrapped object
};

void bind_memory(nanobind::module_& module);

}  // namespace lamina::python
