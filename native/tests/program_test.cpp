#include <cstdint>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.hpp"
#include "memory/block_pool.hpp"
#include "program/program.hpp"
#include "threads/thread_pool.hpp"

using lamina::Argument;
using lamina::Kernel;
using lamina::Mode;
using lamina::Program;
using lamina::Slot;

namespace {

constexpr std::int64_t kCount = 1000;

void add_one(void* const* arguments, std::int64_t begin, std::int64_t end, void*) {
    const auto* x = static_cast<const double*>(arguments[0]);
    auto* y = static_cast<double*>(arguments[1]);
    for (auto i = begin; i < end; ++i) y[i] = x[i] + 1;
}

void add(void* const* arguments, std::int64_t begin, std::int64_t end, void* scratch) {
    const auto* x = static_cast<const double*>(arguments[0]);
    const auto* y = static_cast<const double*>(arguments[1]);
    auto* z = static_cast<double*>(arguments[2]);
    auto* sums = static_cast<double*>(scratch);
    for (auto i = begin; i < end; ++i) sums[i - begin] = x[i] + y[i];
    for (auto i = begin; i < end; ++i) z[i] = sums[i - begin];
}

void complain(void* const* arguments, std::int64_t, std::int64_t, void*) {
    auto* status = static_cast<std::int64_t*>(arguments[0]);
    status[0] = 3;
    status[1] = 42;
}

Kernel kernel(const char* name, lamina::KernelEntry entry, std::vector<Argument> arguments,
              std::vector<int> dependencies = {}) {
    Kernel made;
    made.name = name;
    made.entry = entry;
    made.arguments = std::move(arguments);
    made.extent = kCount;
    made.grain = 16;
    made.dependencies = std::move(dependencies);
    return made;
}

// out = (x + 1) + (c + 1), a diamond over two arena slots.
Program diamond() {
    constexpr std::int64_t kSecond = kCount * 8;
    std::vector<Kernel> kernels = {
        kernel("left", add_one, {{Slot::input, 0}, {Slot::arena, 0}}),
        kernel("right", add_one, {{Slot::constant, 0}, {Slot::arena, kSecond}}),
        kernel("join", add, {{Slot::arena, 0}, {Slot::arena, kSecond}, {Slot::output, 0}}, {0, 1}),
    };
    kernels[2].scratch_bytes = kCount * 8;
    return Program(std::move(kernels), {1, 1, 1}, 2 * kCount * 8);
}

void check_diamond(Program& program) {
    std::vector<double> x(kCount, 5.0);
    std::vector<double> c(kCount, 10.0);
    std::vector<double> out(kCount, 0.0);
    void* inputs[] = {x.data()};
    void* outputs[] = {out.data()};
    void* constants[] = {c.data()};
    const auto status = program.run(inputs, outputs, constants);
    CHECK(status.values[0] == 0);
    for (const double value : out) CHECK(value == 17.0);
}

}  // namespace

TEST(modes_agree) {
    lamina::ThreadPool::process().resize(3);
    Program program = diamond();
    for (const Mode mode : {Mode::threads, Mode::serial, Mode::graph}) {
        program.set_mode(mode);
        for (int i = 0; i < 200; ++i) check_diamond(program);
    }
}

TEST(many_threads_run_one_program) {
    lamina::ThreadPool::process().resize(3);
    Program program = diamond();
    for (const Mode mode : {Mode::threads, Mode::graph}) {
        program.set_mode(mode);
        std::vector<std::thread> threads;
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([&program] {
                for (int i = 0; i < 100; ++i) check_diamond(program);
            });
        }
        for (auto& thread : threads) thread.join();
    }
}

TEST(profiles_count_runs) {
    Program program = diamond();
    program.profile(true, true);
    for (const Mode mode : {Mode::threads, Mode::graph}) {
        program.set_mode(mode);
        check_diamond(program);
    }
    const auto tallies = program.tallies();
    CHECK(tallies.size() == 3);
    for (const auto& tally : tallies) CHECK(tally.calls == 2 && tally.total_ns >= 0);
    CHECK(program.trace().size() == 3);
    program.profile(false, false);
    check_diamond(program);
    CHECK(program.tallies()[0].calls == 2);
}

TEST(what_runs_once_runs_before_the_others_and_only_when_it_has_to) {
    // The kernel that runs once comes last; it shares the arena with one that does not.
    std::vector<Kernel> kernels = {
        kernel("input", add_one, {{Slot::input, 0}, {Slot::arena, 0}}),
        kernel("first", add_one, {{Slot::constant, 0}, {Slot::arena, 0}}, {0}),
        kernel("once", add_one, {{Slot::arena, 0}, {Slot::kept, 0}}, {1}),
        kernel("join", add, {{Slot::input, 0}, {Slot::kept, 0}, {Slot::output, 0}}, {2}),
    };
    kernels[1].once = kernels[2].once = true;
    kernels[3].scratch_bytes = kCount * 8;
    Program program(std::move(kernels), {1, 1, 1}, kCount * 8, kCount * 8);
    program.profile(true, false);
    for (const Mode mode : {Mode::threads, Mode::serial, Mode::graph}) {
        program.set_mode(mode);
        const lamina::Memory kept(program.kept_bytes());
        for (int i = 0; i < 3; ++i) {
            std::vector<double> x(kCount, i);
            std::vector<double> c(kCount, i == 0 ? 10.0 : -1.0);  // read by the first run alone
            std::vector<double> out(kCount, 0.0);
            void* inputs[] = {x.data()};
            void* outputs[] = {out.data()};
            void* constants[] = {c.data()};
            const auto status = program.run(inputs, outputs, constants, {kept.data(), i > 0});
            CHECK(status.values[0] == 0);
            for (const double value : out) CHECK(value == 12.0 + i);
        }
    }
    const auto tallies = program.tallies();
    CHECK(tallies[0].calls == 9 && tallies[3].calls == 9);
    CHECK(tallies[1].calls == 3 && tallies[2].calls == 3);
}

TEST(what_runs_once_makes_no_output) {
    std::vector<Kernel> kernels = {
        kernel("once", add_one, {{Slot::input, 0}, {Slot::output, 0}}),
    };
    kernels[0].once = true;
    bool refused = false;
    try {
        Program program(std::move(kernels), {1, 1, 0}, 0, 64);
    } catch (const std::invalid_argument&) {
        refused = true;
    }
    CHECK(refused);
}

TEST(threads_without_scratch_leave_their_work_to_the_caller) {
    lamina::ThreadPool::process().resize(4);  // new workers, which have no scratch yet
    auto& pool = lamina::BlockPool::process();
    Program program = diamond();
    for (const Mode mode : {Mode::threads, Mode::graph}) {
        program.set_mode(mode);
        check_diamond(program);  // the caller has its scratch from here on
        lamina::ThreadPool::process().resize(4);
        const lamina::Memory arena(program.arena_bytes());
        pool.set_limit(pool.stats().in_use_bytes + 100);
        bool refused = false;
        try {
            check_diamond(program);
        } catch (const lamina::OutOfMemory&) {
            refused = true;  // there is no room for the arena
        }
        CHECK(refused);
        pool.set_limit(pool.stats().in_use_bytes + lamina::size_class(program.arena_bytes()) + 100);
        for (int i = 0; i < 50; ++i) check_diamond(program);
        pool.set_limit(0);
    }
    lamina::ThreadPool::process().resize(3);
}

TEST(a_kernel_reports_a_fault) {
    Program program({kernel("complain", complain, {{Slot::status, 0}})}, {0, 0, 0}, 0);
    const auto status = program.run({}, {}, {});
    CHECK(status.values[0] == 3 && status.values[1] == 42 && status.steps == 1 && status.way[0] == 0);
}

TEST(after_a_fault_no_kernel_starts) {
    std::vector<double> x(kCount, 1.0);
    std::vector<double> y(kCount, 7.0);
    void* inputs[] = {x.data()};
    void* outputs[] = {y.data()};
    Program program({kernel("first", add_one, {{Slot::input, 0}, {Slot::arena, 0}}),
                     kernel("complain", complain, {{Slot::status, 0}}),
                     kernel("last", add_one, {{Slot::arena, 0}, {Slot::output, 0}}, {0, 1})},
                    {1, 1, 0}, kCount * 8);
    for (const Mode mode : {Mode::threads, Mode::serial, Mode::graph}) {
        program.set_mode(mode);
        const auto status = program.run(inputs, outputs, {});
        CHECK(status.values[0] == 3 && status.steps == 1 && status.way[0] == 1);
        CHECK(y[0] == 7.0);
    }
}

TEST(bad_programs_are_refused) {
    const auto build = [](std::vector<Argument> arguments, std::vector<int> dependencies) {
        return Program({kernel("k", add_one, std::move(arguments), std::move(dependencies))},
                       {1, 1, 0}, 64);
    };
    build({{Slot::input, 0}, {Slot::arena, 64}}, {});
    CHECK_THROWS(build({{Slot::input, 1}}, {}), std::invalid_argument);
    CHECK_THROWS(build({{Slot::output, -1}}, {}), std::invalid_argument);
    CHECK_THROWS(build({{Slot::arena, 65}}, {}), std::invalid_argument);
    CHECK_THROWS(build({{Slot::constant, 0}}, {}), std::invalid_argument);
    CHECK_THROWS(build({{static_cast<Slot>(9), 0}}, {}), std::invalid_argument);
    CHECK_THROWS(build({}, {0}), std::invalid_argument);
}
