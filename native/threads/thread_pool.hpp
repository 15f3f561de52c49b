// One pool of threads for the process, shared by every Program.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

namespace lamina {

struct Crew;

// Runs loops over [0, extent) on the calling thread and on workers that spin a while, then park.
//
// The extent is cut into one slice per thread, so that successive loops touch the same data on the
// same core; a thread that is done takes chunks from the slices of the others. The caller therefore
// never waits for a worker that has not begun. A caller that finds the pool busy runs its loop
// alone. Workers start with the first loop that needs them, and again in the child after a fork.
class ThreadPool {
 public:
    // Must not throw.
    using Body = void (*)(void* context, std::int64_t begin, std::int64_t end);

    static ThreadPool& process();

    int size() const noexcept { return size_.load(std::memory_order_relaxed); }
    // Threads per loop, the caller included. Waits for the loop that runs.
    void resize(int threads);

    // Calls body over chunks that are multiples of `grain` (the last may be shorter).
    void parallel_for(std::int64_t extent, std::int64_t grain, Body body, void* context);

    template <typename F>
    void parallel_for(std::int64_t extent, std::int64_t grain, F&& f) {
        parallel_for(
            extent, grain,
            [](void* context, std::int64_t begin, std::int64_t end) {
                (*static_cast<std::remove_reference_t<F>*>(context))(begin, end);
            },
            const_cast<void*>(static_cast<const void*>(&f)));
    }

    // 0 on threads outside the pool, 1.. on its workers.
    static int thread_index() noexcept;

    // Joins the workers; the next loop starts new ones.
    void stop();

 private:
    ThreadPool();
    void after_fork_in_child();

    std::atomic<int> size_;
    std::atomic<bool> busy_{false};  // no mutex: a loop inside a loop asks for it again
    Crew* crew_ = nullptr;
};

}  // namespace lamina
