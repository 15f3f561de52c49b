#include "memory/block_pool.hpp"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <limits>

namespace lamina {
namespace {

constexpr std::size_t kSmallest = kAlignment;
constexpr std::size_t kPowersOfTwoUpTo = 4096;
constexpr std::size_t kLargest = std::size_t{1} << 62;

// Which free list a rounded capacity belongs to: eight lists per power of two.
std::size_t class_index(std::size_t capacity) noexcept {
    const std::size_t exponent = std::bit_width(capacity - 1) - 1;
    const std::size_t eighth = ((capacity - 1) >> (exponent - 3)) - 8;
    return exponent * 8 + eighth;
}

// A mapping that starts on a huge-page boundary, so the kernel can back it with huge pages.
std::byte* map_huge(std::size_t capacity) noexcept {
    const std::size_t span = capacity + kHugePage;
    void* mapped = mmap(nullptr, span, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return nullptr;
    auto* start = static_cast<std::byte*>(mapped);
    const auto misfit = reinterpret_cast<std::uintptr_t>(start) % kHugePage;
    const std::size_t before = misfit == 0 ? 0 : kHugePage - misfit;
    if (before > 0) munmap(start, before);
    munmap(start + before + capacity, span - before - capacity);
#ifdef MADV_HUGEPAGE
    madvise(start + before, capacity, MADV_HUGEPAGE);
#endif
    return start + before;
}

std::byte* system_take(std::size_t capacity) noexcept {
    if (capacity >= kHugePage) return map_huge(capacity);
    return static_cast<std::byte*>(std::aligned_alloc(kAlignment, capacity));
}

void system_give(std::byte* block, std::size_t capacity) noexcept {
    if (capacity >= kHugePage) {
        munmap(block, capacity);
    } else {
        std::free(block);
    }
}

std::size_t physical_memory_bytes() noexcept {
    const long pages = sysconf(_SC_PHYS_PAGES);
    const long page_bytes = sysconf(_SC_PAGESIZE);
    if (pages <= 0 || page_bytes <= 0) return std::size_t{4} << 30;
    return static_cast<std::size_t>(pages) * static_cast<std::size_t>(page_bytes);
}

std::string describe(std::size_t requested, std::size_t in_use, std::size_t limit) {
    std::string text = "out of memory: " + std::to_string(requested) + " bytes asked for, " +
                       std::to_string(in_use) + " in use, ";
    text += limit == 0 ? "and the system has no more" : "limit " + std::to_string(limit);
    return text;
}

}  // namespace

OutOfMemory::OutOfMemory(std::size_t requested, std::size_t in_use, std::size_t limit)
    : requested_bytes(requested),
      in_use_bytes(in_use),
      limit_bytes(limit),
      message_(describe(requested, in_use, limit)) {}

std::size_t size_class(std::size_t bytes) noexcept {
    if (bytes <= kSmallest) return kSmallest;
    if (bytes <= kPowersOfTwoUpTo) return std::bit_ceil(bytes);
    if (bytes > kLargest) return bytes;
    const std::size_t step = std::bit_floor(bytes - 1) / 8;
    return (bytes + step - 1) / step * step;
}

// Never destroyed: buffers may outlive every static object.
BlockPool& BlockPool::process() {
    static BlockPool* const pool = [] {
        auto* made = new BlockPool;
        // A child must not inherit a mutex that another thread of the parent was holding.
        pthread_atfork([] { BlockPool::process().mutex_.lock(); },
                       [] { BlockPool::process().mutex_.unlock(); },
                       [] { BlockPool::process().mutex_.unlock(); });
        return made;
    }();
    return *pool;
}

BlockPool::BlockPool() : idle_cap_bytes_(physical_memory_bytes() / 4) {}

std::byte* BlockPool::take(std::size_t bytes) {
    const std::size_t capacity = size_class(bytes);
    const std::lock_guard lock(mutex_);
    ++stats_.requests;
    if (bytes > kLargest) throw OutOfMemory(bytes, stats_.in_use_bytes, limit_bytes_);
    if (limit_bytes_ != 0 && stats_.in_use_bytes + capacity > limit_bytes_) {
        throw OutOfMemory(bytes, stats_.in_use_bytes, limit_bytes_);
    }

    std::byte* block = nullptr;
    auto& list = idle_[class_index(capacity)];
    if (!list.empty()) {
        block = list.back();
        list.pop_back();
        stats_.pooled_bytes -= capacity;
    } else {
        const std::size_t held = stats_.in_use_bytes + stats_.pooled_bytes;
        if (limit_bytes_ != 0 && held + capacity > limit_bytes_) trim_locked();
        block = system_take(capacity);
        if (block == nullptr && trim_locked() > 0) block = system_take(capacity);
        if (block == nullptr) throw OutOfMemory(bytes, stats_.in_use_bytes, 0);
        ++stats_.allocations;
    }
    stats_.in_use_bytes += capacity;
    stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.in_use_bytes);
    return block;
}

void BlockPool::give(std::byte* block, std::size_t capacity) noexcept {
    const std::lock_guard lock(mutex_);
    stats_.in_use_bytes -= capacity;
    if (stats_.pooled_bytes + capacity > idle_cap_bytes_) trim_locked();  // drops stale sizes first
    if (capacity > idle_cap_bytes_) {
        system_give(block, capacity);
        return;
    }
    try {
        idle_[class_index(capacity)].push_back(block);
        stats_.pooled_bytes += capacity;
    } catch (const std::bad_alloc&) {
        system_give(block, capacity);
    }
}

MemoryStats BlockPool::stats() const {
    const std::lock_guard lock(mutex_);
    return stats_;
}

void BlockPool::reset_peak() {
    const std::lock_guard lock(mutex_);
    stats_.peak_bytes = stats_.in_use_bytes;
}

std::size_t BlockPool::trim() noexcept {
    const std::lock_guard lock(mutex_);
    return trim_locked();
}

std::size_t BlockPool::trim_locked() noexcept {
    const std::size_t freed = stats_.pooled_bytes;
    if (freed == 0) return 0;
    for (std::size_t exponent = 0; exponent < 64; ++exponent) {
        for (std::size_t eighth = 0; eighth < 8; ++eighth) {
            auto& list = idle_[exponent * 8 + eighth];
            if (list.empty()) continue;
            const std::size_t capacity = (std::size_t{1} << exponent) / 8 * (eighth + 9);
            for (std::byte* block : list) system_give(block, capacity);
            list.clear();
        }
    }
    stats_.pooled_bytes = 0;
    return freed;
}

void BlockPool::set_limit(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    limit_bytes_ = bytes;
}

void BlockPool::set_idle_cap(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    idle_cap_bytes_ = bytes;
    if (stats_.pooled_bytes > bytes) trim_locked();
}

}  // namespace lamina
