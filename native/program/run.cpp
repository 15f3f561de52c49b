// The executor: one run of a Program.
#include <algorithm>
#include <iterator>
#include <thread>
#include <utility>

#include "machine/clock.hpp"
#include "memory/block_pool.hpp"
#include "memory/scratch.hpp"
#include "program/control.hpp"
#include "program/program.hpp"
#include "threads/park.hpp"
#include "threads/thread_pool.hpp"

namespace lamina {

// What one run needs to itself.
struct Program::Frame {
    struct Chunk {
        int kernel;
        std::int64_t begin;
        std::int64_t end;
    };

    std::unique_ptr<Status[]> statuses;  // of the kernels that check something, in their order
    std::atomic<bool> stopped{false};    // a kernel reported a fault
    const Activation* around = nullptr;
    bool prepares = false;  // the kernels that run once run too
    void* few_pointers[128];
    std::unique_ptr<void*[]> many_pointers;
    void** pointers = nullptr;  // every kernel's arguments, one after the other

    bool profiling = false;
    bool tracing = false;
    std::vector<std::int64_t> kernel_ns;  // when profiling
    std::mutex spans_mutex;
    std::vector<Span> spans;  // when tracing

    std::mutex left_mutex;
    std::vector<Chunk> left;  // of threads that could get no scratch; the calling thread has some
};

namespace {

// Kernels whose dependencies are done, in the order they became ready.
class ReadyQueue {
 public:
    explicit ReadyQueue(std::size_t count)
        : count_(count), slots_(new std::atomic<int>[count]) {
        for (std::size_t i = 0; i < count; ++i) slots_[i].store(kEmpty, std::memory_order_relaxed);
    }

    void push(int kernel) {
        slots_[tail_.fetch_add(1, std::memory_order_relaxed)].store(kernel,
                                                                    std::memory_order_release);
    }

    // The next ready kernel, or -1 when there is none just now.
    int pop() {
        std::size_t head = head_.load(std::memory_order_relaxed);
        while (head < count_) {
            const int kernel = slots_[head].load(std::memory_order_acquire);
            if (kernel == kEmpty) return kEmpty;
            if (head_.compare_exchange_weak(head, head + 1, std::memory_order_relaxed)) {
                return kernel;
            }
        }
        return kEmpty;
    }

 private:
    static constexpr int kEmpty = -1;
    std::size_t count_;
    std::unique_ptr<std::atomic<int>[]> slots_;
    std::atomic<std::size_t> head_{0};
    std::atomic<std::size_t> tail_{0};
};

}  // namespace

Status Program::run(std::span<void* const> inputs, std::span<void* const> outputs,
                    std::span<void* const> constants, Kept kept) {
    const Memory arena = arena_bytes_ > 0 ? Memory(arena_bytes_) : Memory();
    thread_scratch(scratch_bytes_);
    return run_all(arena.data(), inputs, outputs, constants, kept, nullptr);
}

Status Program::run_in(std::byte* arena, std::span<void* const> inputs,
                       std::span<void* const> outputs, std::span<void* const> constants,
                       const Activation* around) {
    return run_all(arena, inputs, outputs, constants, {}, around);
}

Status Program::run_all(std::byte* arena, std::span<void* const> inputs,
                        std::span<void* const> outputs, std::span<void* const> constants,
                        Kept kept, const Activation* around) {
    Frame frame;
    frame.around = around;
    frame.prepares = !kept.ready;
    bind(frame, inputs, outputs, constants, arena, kept.memory);
    frame.profiling = profiling_.load(std::memory_order_relaxed);
    frame.tracing = frame.profiling && tracing_.load(std::memory_order_relaxed);
    if (frame.profiling) frame.kernel_ns.assign(kernels_.size(), 0);

    if (frame.prepares) run_part(frame, true);
    if (!frame.stopped.load(std::memory_order_acquire)) run_part(frame, false);

    if (frame.profiling) record(frame);
    return first_fault(frame);
}

void Program::run_part(Frame& frame, bool once) const {
    switch (mode()) {
        case Mode::threads:
            run_in_order(frame, once, true);
            break;
        case Mode::serial:
            run_in_order(frame, once, false);
            break;
        case Mode::graph:
            run_as_graph(frame, once);
            break;
    }
}

Status Program::first_fault(const Frame& frame) const {
    if (!frame.stopped.load(std::memory_order_relaxed)) return {};
    for (std::size_t i = 0; i < kernels_.size(); ++i) {
        if (status_of_[i] < 0) continue;
        Status status = frame.statuses[static_cast<std::size_t>(status_of_[i])];
        if (status.values[0] == 0) continue;
        status.step(i);
        return status;
    }
    return {};
}

// Whether no further kernel may start: this one, or one beside it, reported a fault.
bool Program::stops_after(Frame& frame, std::size_t kernel) const {
    const int number = status_of_[kernel];
    if (number >= 0 && frame.statuses[static_cast<std::size_t>(number)].values[0] != 0) {
        frame.stopped.store(true, std::memory_order_release);
    }
    return frame.stopped.load(std::memory_order_acquire);
}

void Program::bind(Frame& frame, std::span<void* const> inputs, std::span<void* const> outputs,
                   std::span<void* const> constants, std::byte* arena,
                   std::byte* kept) const {
    frame.pointers = frame.few_pointers;
    if (argument_count_ > std::size(frame.few_pointers)) {
        frame.many_pointers.reset(new void*[argument_count_]);
        frame.pointers = frame.many_pointers.get();
    }
    if (status_count_ > 0) frame.statuses.reset(new Status[status_count_]);
    void** next = frame.pointers;
    for (std::size_t i = 0; i < kernels_.size(); ++i) {
        const Kernel& kernel = kernels_[i];
        for (const Argument& argument : kernel.arguments) {
            const auto value = static_cast<std::size_t>(argument.value);
            switch (argument.slot) {
                case Slot::input:
                    *next++ = inputs[value];
                    break;
                case Slot::output:
                    *next++ = outputs[value];
                    break;
                case Slot::arena:
                    *next++ = arena + value;
                    break;
                case Slot::constant:
                    *next++ = constants[value];
                    break;
                case Slot::kept:
                    *next++ = kept + value;
                    break;
                case Slot::status:
                    *next++ = frame.statuses[static_cast<std::size_t>(status_of_[i])].values;
                    break;
            }
        }
    }
}

void Program::run_in_order(Frame& frame, bool once, bool split) const {
    ThreadPool& pool = ThreadPool::process();
    for (std::size_t i = 0; i < kernels_.size(); ++i) {
        const Kernel& kernel = kernels_[i];
        if (kernel.extent == 0 || kernel.once != once) continue;
        const int index = static_cast<int>(i);
        const std::int64_t start_ns = frame.profiling ? now_ns() : 0;
        if (split && kernel.extent > kernel.grain) {
            pool.parallel_for(kernel.extent, kernel.grain,
                              [&](std::int64_t begin, std::int64_t end) noexcept {
                                  call(frame, index, begin, end);
                              });
        } else {
            call(frame, index, 0, kernel.extent);
        }
        for (const Frame::Chunk& chunk : std::exchange(frame.left, {})) {
            call(frame, chunk.kernel, chunk.begin, chunk.end);
        }
        if (frame.profiling) frame.kernel_ns[i] = now_ns() - start_ns;
        if (stops_after(frame, i)) return;
    }
}

void Program::run_as_graph(Frame& frame, bool once) const {
    const std::size_t count = kernels_.size();
    ReadyQueue ready(count);
    const std::unique_ptr<std::atomic<int>[]> waiting(new std::atomic<int>[count]);
    std::size_t own = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (kernels_[i].once != once) continue;
        ++own;
        const auto dependencies = std::count_if(
            kernels_[i].dependencies.begin(), kernels_[i].dependencies.end(),
            [&](int before) { return kernels_[static_cast<std::size_t>(before)].once == once; });
        waiting[i].store(static_cast<int>(dependencies), std::memory_order_relaxed);
    }
    std::atomic<std::size_t> left{own};
    for (std::size_t i = 0; i < count; ++i) {
        const bool free = waiting[i].load(std::memory_order_relaxed) == 0;
        if (kernels_[i].once == once && free) ready.push(static_cast<int>(i));
    }

    const auto take_part = [&](std::int64_t, std::int64_t) noexcept {
        try {
            thread_scratch(scratch_bytes_);
        } catch (const OutOfMemory&) {
            return;  // the calling thread has some
        }
        int idle_rounds = 0;
        while (left.load(std::memory_order_acquire) > 0) {
            const int index = ready.pop();
            if (index < 0) {
                if (++idle_rounds < 1024) {
                    relax();
                } else {
                    std::this_thread::yield();
                }
                continue;
            }
            idle_rounds = 0;
            const auto i = static_cast<std::size_t>(index);
            const std::int64_t start_ns = frame.profiling ? now_ns() : 0;
            const bool go = !frame.stopped.load(std::memory_order_acquire);
            if (go && kernels_[i].extent > 0) call(frame, index, 0, kernels_[i].extent);
            if (frame.profiling) frame.kernel_ns[i] = now_ns() - start_ns;
            stops_after(frame, i);
            for (const int next : successors_[i]) {
                if (kernels_[static_cast<std::size_t>(next)].once != once) continue;
                auto& blockers = waiting[static_cast<std::size_t>(next)];
                if (blockers.fetch_sub(1, std::memory_order_acq_rel) == 1) ready.push(next);
            }
            left.fetch_sub(1, std::memory_order_release);
        }
    };
    ThreadPool& pool = ThreadPool::process();
    pool.parallel_for(pool.size(), 1, take_part);
    take_part(0, 1);  // where only other threads came to do it, and could not
}

void Program::call(Frame& frame, int index, std::int64_t begin, std::int64_t end) const noexcept {
    const auto i = static_cast<std::size_t>(index);
    const Kernel& kernel = kernels_[i];
    void* scratch = nullptr;
    if (kernel.scratch_bytes > 0) {
        try {
            scratch = thread_scratch(kernel.scratch_bytes);
        } catch (const OutOfMemory&) {
            const std::lock_guard lock(frame.left_mutex);
            frame.left.push_back({index, begin, end});
            return;
        }
    }
    void* const* arguments = frame.pointers + first_argument_[i];
    const auto work = [&]() noexcept {
        if (kernel.control == nullptr) {
            kernel.entry(arguments, begin, end, scratch);
            return;
        }
        const Status status = kernel.control->run(arguments, frame.around);
        const int number = status_of_[i];
        if (number >= 0) frame.statuses[static_cast<std::size_t>(number)] = status;
    };
    if (!frame.tracing) {
        work();
        return;
    }
    const std::int64_t start_ns = now_ns();
    work();
    const Span span{index, ThreadPool::thread_index(), start_ns, now_ns()};
    const std::lock_guard lock(frame.spans_mutex);
    try {
        frame.spans.push_back(span);
    } catch (const std::bad_alloc&) {
        // A trace with a gap is better than no result.
    }
}

void Program::record(Frame& frame) {
    const std::lock_guard lock(profile_mutex_);
    for (std::size_t i = 0; i < kernels_.size(); ++i) {
        if (kernels_[i].once && !frame.prepares) continue;
        tallies_[i].calls += 1;
        tallies_[i].total_ns += frame.kernel_ns[i];
    }
    if (frame.tracing) trace_ = std::move(frame.spans);
}

}  // namespace lamina
