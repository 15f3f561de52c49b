#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "check.hpp"
#include "memory/block_pool.hpp"
#include "memory/scratch.hpp"

using lamina::BlockPool;
using lamina::Memory;

TEST(size_classes_waste_little) {
    CHECK(lamina::size_class(0) == 64);
    CHECK(lamina::size_class(65) == 128);
    CHECK(lamina::size_class(4096) == 4096);
    CHECK(lamina::size_class(4097) == 4608);
    for (std::size_t bytes = 4097; bytes < (std::size_t{1} << 33); bytes += bytes / 7 + 1) {
        const std::size_t capacity = lamina::size_class(bytes);
        CHECK(capacity >= bytes);
        CHECK(capacity % 64 == 0);
        CHECK(capacity - bytes <= bytes / 8 + 1);
        CHECK(lamina::size_class(capacity) == capacity);
    }
}

TEST(blocks_are_aligned_and_reused) {
    for (const std::size_t bytes : {std::size_t{1}, std::size_t{5000}, std::size_t{3} << 20}) {
        const std::byte* first = nullptr;
        {
            const Memory memory(bytes);
            first = memory.data();
            CHECK(reinterpret_cast<std::uintptr_t>(first) % 64 == 0);
            std::memset(memory.data(), 7, memory.capacity());
        }
        const auto before = BlockPool::process().stats().allocations;
        const Memory again(bytes);
        CHECK(again.data() == first);
        CHECK(BlockPool::process().stats().allocations == before);
    }
}

TEST(large_blocks_start_on_huge_pages) {
    const Memory memory(std::size_t{5} << 20);
    CHECK(reinterpret_cast<std::uintptr_t>(memory.data()) % lamina::kHugePage == 0);
}

TEST(statistics_follow_takes_and_gives) {
    auto& pool = BlockPool::process();
    pool.trim();
    const auto before = pool.stats();
    CHECK(before.pooled_bytes == 0);
    {
        const Memory memory(1 << 20);
        CHECK(pool.stats().in_use_bytes == before.in_use_bytes + (1 << 20));
    }
    CHECK(pool.stats().in_use_bytes == before.in_use_bytes);
    CHECK(pool.stats().pooled_bytes == (1 << 20));
    CHECK(pool.trim() == (1 << 20));
    CHECK(pool.stats().pooled_bytes == 0);
}

TEST(every_class_is_trimmed_whole) {
    auto& pool = BlockPool::process();
    {
        std::vector<Memory> blocks;
        for (std::size_t bytes = 1; bytes < (1 << 24); bytes += bytes / 5 + 1) {
            blocks.emplace_back(bytes);
        }
    }
    pool.trim();
    CHECK(pool.stats().pooled_bytes == 0);
}

TEST(the_limit_is_kept) {
    auto& pool = BlockPool::process();
    pool.set_limit(pool.stats().in_use_bytes + (1 << 20));
    CHECK_THROWS(Memory(2 << 20), lamina::OutOfMemory);
    {
        const Memory fits(1 << 20);
        CHECK_THROWS(Memory(1), lamina::OutOfMemory);
    }
    pool.set_limit(0);
    CHECK_THROWS(Memory(std::size_t{1} << 60), lamina::OutOfMemory);
    CHECK_THROWS(Memory(~std::size_t{0}), lamina::OutOfMemory);
}

TEST(the_idle_cap_is_kept) {
    auto& pool = BlockPool::process();
    pool.trim();
    pool.set_idle_cap(1 << 20);
    { const Memory large(4 << 20); }
    CHECK(pool.stats().pooled_bytes == 0);
    { const Memory small(1 << 19); }
    CHECK(pool.stats().pooled_bytes == (1 << 19));
    pool.set_idle_cap(std::size_t{1} << 30);
}

TEST(threads_share_the_pool) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([t] {
            for (int i = 0; i < 2000; ++i) {
                const Memory memory(static_cast<std::size_t>(64 + (i * 37 + t * 11) % 9000));
                memory.data()[0] = std::byte{1};
            }
        });
    }
    for (auto& thread : threads) thread.join();
}

TEST(scratch_grows_and_stays) {
    std::thread([] {
        CHECK(lamina::thread_scratch(0) == nullptr);
        void* first = lamina::thread_scratch(1000);
        CHECK(reinterpret_cast<std::uintptr_t>(first) % 64 == 0);
        CHECK(lamina::thread_scratch(10) == first);
        std::memset(lamina::thread_scratch(1 << 20), 1, 1 << 20);
    }).join();
}
