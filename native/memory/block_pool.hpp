// Aligned memory that is kept for reuse: page faults cost more than anything a small kernel does.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

namespace lamina {

inline constexpr std::size_t kAlignment = 64;               // one cache line, one AVX-512 register
inline constexpr std::size_t kHugePage = std::size_t{2} << 20;

// An allocation that would pass the limit, or that the operating system refused.
class OutOfMemory : public std::bad_alloc {
 public:
    OutOfMemory(std::size_t requested, std::size_t in_use, std::size_t limit);
    const char* what() const noexcept override { return message_.c_str(); }

    std::size_t requested_bytes;
    std::size_t in_use_bytes;
    std::size_t limit_bytes;  // 0: no limit was set, the system refused

 private:
    std::string message_;
};

struct MemoryStats {
    std::size_t in_use_bytes = 0;
    std::size_t pooled_bytes = 0;  // idle, kept for reuse
    std::size_t peak_bytes = 0;    // highest in_use_bytes since the last reset_peak
    std::uint64_t allocations = 0;  // blocks taken from the operating system
    std::uint64_t requests = 0;     // blocks asked of the pool
};

// The size a request is rounded up to: powers of two up to 4 KiB, then eight steps per doubling.
std::size_t size_class(std::size_t bytes) noexcept;

// The process's free lists, one per size class. Thread-safe; survives fork.
class BlockPool {
 public:
    static BlockPool& process();

    // Memory of size_class(bytes), aligned to kAlignment. Throws OutOfMemory.
    std::byte* take(std::size_t bytes);
    void give(std::byte* block, std::size_t capacity) noexcept;

    MemoryStats stats() const;
    void reset_peak();
    // Hands every idle block back to the system; returns how many bytes those were.
    std::size_t trim() noexcept;
    void set_limit(std::size_t bytes);     // 0: none
    void set_idle_cap(std::size_t bytes);  // most bytes kept idle

 private:
    BlockPool();
    std::size_t trim_locked() noexcept;

    static constexpr std::size_t kClasses = 64 * 8;
    mutable std::mutex mutex_;
    std::array<std::vector<std::byte*>, kClasses> idle_;
    MemoryStats stats_;
    std::size_t limit_bytes_ = 0;
    std::size_t idle_cap_bytes_;
};

// Sole owner of one block of the pool.
class Memory {
 public:
    Memory() = default;
    explicit Memory(std::size_t bytes)
        : data_(BlockPool::process().take(bytes)), capacity_(size_class(bytes)) {}
    Memory(Memory&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), capacity_(std::exchange(other.capacity_, 0)) {}
    Memory& operator=(Memory&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(capacity_, other.capacity_);
        return *this;
    }
    ~Memory() {
        if (data_ != nullptr) BlockPool::process().give(data_, capacity_);
    }

    std::byte* data() const noexcept { return data_; }
    std::size_t capacity() const noexcept { return capacity_; }
    explicit operator bool() const noexcept { return data_ != nullptr; }

 private:
    std::byte* data_ = nullptr;
    std::size_t capacity_ = 0;
};

}  // namespace lamina
