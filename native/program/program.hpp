// A compiled program: kernels, what each reads and writes, and how to run them all in one call.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace lamina {

// Machine code of one kernel. [begin, end) is a chunk of its parallel extent; scratch is memory of
// the executing thread.
using KernelEntry = void (*)(void* const* arguments, std::int64_t begin, std::int64_t end,
                             void* scratch);

// Where a kernel's argument points.
enum class Slot : int { input = 0, output = 1, arena = 2, constant = 3, status = 4, kept = 5 };
inline constexpr int kSlotCount = 6;

struct Argument {
    Slot slot;
    std::int64_t value;  // an index, or for the arena and what is kept a byte offset
};

class Control;
struct Activation;  // of a recursion around the program, if there is one (see recursion.hpp)

struct Kernel {
    std::string name;
    KernelEntry entry = nullptr;             // machine code, or
    std::shared_ptr<const Control> control;  // a loop or a branch over other programs
    std::vector<Argument> arguments;
    std::int64_t extent = 1;
    std::int64_t grain = 1;  // chunks are multiples of it
    std::size_t scratch_bytes = 0;
    std::vector<int> dependencies;  // earlier kernels that must have finished
    bool once = false;  // what it makes lies in the kept memory and outlives the run
};

enum class Mode : int {
    threads,  // kernels in order, each split over the pool
    serial,   // one thread, fixed order
    graph,    // kernels as soon as their dependencies are done, each on one thread
};

// Three words; the first is 0 unless something went wrong. A kernel that checks something writes
// them, once (code, value, limit). The executor adds the way to it, from the inside out: the index
// of the kernel, and where a kernel runs other programs, 1 + the number of the part (see Control).
struct Status {
    static constexpr int kMostSteps = 19;

    alignas(32) std::int64_t values[3] = {0, 0, 0};
    std::uint16_t way[kMostSteps] = {};
    std::uint16_t steps = 0;

    // One step further out; of a way that is too long the innermost step is forgotten.
    void step(std::size_t number) noexcept {
        if (steps == kMostSteps) std::copy(way + 1, way + kMostSteps, way);
        if (steps < kMostSteps) ++steps;
        way[steps - 1] = static_cast<std::uint16_t>(number);
    }
};

struct Span {
    int kernel;
    int thread;
    std::int64_t start_ns;
    std::int64_t end_ns;
};

struct Tally {
    std::int64_t calls = 0;
    std::int64_t total_ns = 0;
};

struct Counts {
    std::size_t inputs;
    std::size_t outputs;
    std::size_t constants;
};

// Memory that outlives a run, for what kernels make that run once.
struct Kept {
    std::byte* memory = nullptr;
    bool ready = true;  // whether they have run on it
};

// Immutable but for its mode and its profile, so any number of threads may run it at once.
class Program {
 public:
    // Throws std::invalid_argument when an index, an offset or a dependency is out of range.
    Program(std::vector<Kernel> kernels, Counts counts, std::size_t arena_bytes,
            std::size_t kept_bytes = 0);

    // Runs every kernel, those that run once before all others and only where what they make is
    // not there yet; the addresses are in the order of the slots' indices. After a fault no
    // further kernel starts, and the status is that of the first kernel that reported one. Throws
    // OutOfMemory before the first kernel starts, so that inputs given away are as they were.
    Status run(std::span<void* const> inputs, std::span<void* const> outputs,
               std::span<void* const> constants, Kept kept = {});

    // The same as a part of another program, which gives the arena and has its scratch reserved.
    Status run_in(std::byte* arena, std::span<void* const> inputs,
                  std::span<void* const> outputs, std::span<void* const> constants,
                  const Activation* around);

    const std::vector<Kernel>& kernels() const noexcept { return kernels_; }
    std::size_t arena_bytes() const noexcept { return arena_bytes_; }
    std::size_t kept_bytes() const noexcept { return kept_bytes_; }
    std::size_t scratch_bytes() const noexcept { return scratch_bytes_; }
    bool checks() const noexcept { return status_count_ > 0; }

    Mode mode() const noexcept { return mode_.load(std::memory_order_relaxed); }
    void set_mode(Mode mode) noexcept { mode_.store(mode, std::memory_order_relaxed); }

    // Starts from zero; `trace` also keeps every chunk of the last run.
    void profile(bool enable, bool trace);
    std::vector<Tally> tallies() const;
    std::vector<Span> trace() const;

 private:
    struct Frame;

    void check(Counts counts) const;
    Status run_all(std::byte* arena, std::span<void* const> inputs,
                   std::span<void* const> outputs, std::span<void* const> constants, Kept kept,
                   const Activation* around);
    void bind(Frame& frame, std::span<void* const> inputs, std::span<void* const> outputs,
              std::span<void* const> constants, std::byte* arena, std::byte* kept) const;
    Status first_fault(const Frame& frame) const;
    bool stops_after(Frame& frame, std::size_t kernel) const;
    void run_part(Frame& frame, bool once) const;  // the kernels that run once, or the others
    void run_in_order(Frame& frame, bool once, bool split) const;
    void run_as_graph(Frame& frame, bool once) const;
    void call(Frame& frame, int kernel, std::int64_t begin, std::int64_t end) const noexcept;
    void record(Frame& frame);

    std::vector<Kernel> kernels_;
    std::vector<std::size_t> first_argument_;  // of each kernel in a frame's pointers
    std::size_t argument_count_ = 0;
    std::vector<int> status_of_;  // number of each kernel's status, -1 for those that check nothing
    std::size_t status_count_ = 0;
    std::vector<std::vector<int>> successors_;
    std::size_t arena_bytes_;
    std::size_t kept_bytes_;
    std::size_t scratch_bytes_ = 0;  // the most that one of the kernels needs

    std::atomic<Mode> mode_{Mode::threads};
    std::atomic<bool> profiling_{false};
    std::atomic<bool> tracing_{false};
    mutable std::mutex profile_mutex_;
    std::vector<Tally> tallies_;
    std::vector<Span> trace_;
};

}  // namespace lamina
