#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "check.hpp"
#include "threads/thread_pool.hpp"

using lamina::ThreadPool;

namespace {

// Runs one loop and checks that every index was visited once and chunks start on the grain.
void check_loop(std::int64_t extent, std::int64_t grain) {
    std::vector<std::atomic<int>> visits(static_cast<std::size_t>(extent));
    std::atomic<bool> aligned{true};
    ThreadPool::process().parallel_for(extent, grain, [&](std::int64_t begin, std::int64_t end) {
        if (begin % grain != 0 || begin >= end) aligned = false;
        for (auto i = begin; i < end; ++i) visits[static_cast<std::size_t>(i)].fetch_add(1);
    });
    CHECK(aligned);
    for (auto& count : visits) CHECK(count.load() == 1);
}

}  // namespace

TEST(loops_cover_their_extent_once) {
    for (const int threads : {1, 2, 3, 8}) {
        ThreadPool::process().resize(threads);
        for (const std::int64_t extent : {0, 1, 2, 3, 7, 64, 1000, 12345}) {
            for (const std::int64_t grain : {1, 3, 64, 5000}) check_loop(extent, grain);
        }
    }
}

TEST(many_short_loops) {
    ThreadPool::process().resize(4);
    std::atomic<std::int64_t> total{0};
    for (int i = 0; i < 20000; ++i) {
        ThreadPool::process().parallel_for(8, 1, [&](std::int64_t begin, std::int64_t end) {
            total.fetch_add(end - begin, std::memory_order_relaxed);
        });
    }
    CHECK(total == 20000 * 8);
}

TEST(loops_after_the_workers_parked) {
    ThreadPool::process().resize(4);
    for (int i = 0; i < 20; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        check_loop(100, 1);
    }
}

TEST(writes_of_workers_are_seen) {
    ThreadPool::process().resize(4);
    std::vector<std::int64_t> values(10000, 0);  // plain memory: the thread sanitizer watches
    for (int round = 0; round < 200; ++round) {
        ThreadPool::process().parallel_for(10000, 16, [&](std::int64_t begin, std::int64_t end) {
            for (auto i = begin; i < end; ++i) values[static_cast<std::size_t>(i)] += 1;
        });
    }
    for (const auto value : values) CHECK(value == 200);
}

TEST(callers_do_not_wait_for_each_other) {
    ThreadPool::process().resize(3);
    std::vector<std::thread> callers;
    for (int t = 0; t < 4; ++t) {
        callers.emplace_back([] {
            for (int i = 0; i < 200; ++i) check_loop(500, 7);
        });
    }
    for (auto& caller : callers) caller.join();
}

TEST(loops_nest) {
    ThreadPool::process().resize(3);
    std::atomic<int> count{0};
    ThreadPool::process().parallel_for(4, 1, [&](std::int64_t begin, std::int64_t end) {
        for (auto i = begin; i < end; ++i) {
            ThreadPool::process().parallel_for(5, 1, [&](std::int64_t from, std::int64_t to) {
                count.fetch_add(static_cast<int>(to - from));
            });
        }
    });
    CHECK(count == 20);
}

#if !defined(__SANITIZE_THREAD__)  // whose runtime does not follow threads into a child
TEST(a_forked_child_starts_its_own_workers) {
    ThreadPool::process().resize(3);
    check_loop(100, 1);
    const pid_t child = fork();
    if (child == 0) {
        check_loop(1000, 1);
        _exit(lamina::tests::failures == 0 ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    check_loop(100, 1);
}
#endif
