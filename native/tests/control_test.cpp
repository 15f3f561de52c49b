#include <cstdint>
#include <memory>
#include <vector>

#include "check.hpp"
#include "program/control.hpp"
#include "program/recursion.hpp"

using lamina::Argument;
using lamina::Kernel;
using lamina::Part;
using lamina::Program;
using lamina::Slot;

namespace {

constexpr std::size_t kNumber = sizeof(double);

Kernel kernel(lamina::KernelEntry entry, std::vector<Argument> arguments) {
    Kernel made;
    made.name = "kernel";
    made.entry = entry;
    made.arguments = std::move(arguments);
    return made;
}

Part part(Kernel only, lamina::Counts counts, std::vector<Part::Result> results) {
    std::vector<Kernel> kernels = {std::move(only)};
    const std::size_t outputs = counts.outputs;
    return {std::make_shared<Program>(std::move(kernels), counts, 0), {}, std::move(results),
            outputs};
}

// total, x -> total + x
void add(void* const* arguments, std::int64_t, std::int64_t, void*) {
    *static_cast<double*>(arguments[2]) =
        *static_cast<const double*>(arguments[0]) + *static_cast<const double*>(arguments[1]);
}

void doubled(void* const* arguments, std::int64_t, std::int64_t, void*) {
    *static_cast<double*>(arguments[1]) = 2 * *static_cast<const double*>(arguments[0]);
}

void small(void* const* arguments, std::int64_t, std::int64_t, void*) {
    *static_cast<unsigned char*>(arguments[1]) = *static_cast<const double*>(arguments[0]) < 100;
}

void complain(void* const* arguments, std::int64_t, std::int64_t, void*) {
    auto* status = static_cast<std::int64_t*>(arguments[2]);
    status[0] = 3;
    status[1] = 42;
}

void is_large(void* const* arguments, std::int64_t, std::int64_t, void*) {
    *static_cast<std::int32_t*>(arguments[1]) = *static_cast<const double*>(arguments[0]) >= 1e6;
}

Kernel control(std::shared_ptr<const lamina::Control> held, std::vector<Argument> arguments) {
    Kernel made;
    made.name = "control";
    made.control = std::move(held);
    made.arguments = std::move(arguments);
    made.arguments.push_back({Slot::status, 0});
    return made;
}

Part parts_of(std::vector<Kernel> kernels, std::size_t arena_bytes) {
    return {std::make_shared<Program>(std::move(kernels), lamina::Counts{1, 1, 0}, arena_bytes),
            {},
            {{Part::Source::output, 0, kNumber}},
            1};
}

// f(x) = x where x >= 1e6, else f(2 x)
lamina::Recursion doubling(std::int64_t most_calls) {
    std::vector<Part> branches;
    branches.push_back(parts_of(
        {kernel(doubled, {{Slot::input, 0}, {Slot::arena, 0}}),
         control(std::make_shared<lamina::Recur>("f", 1, 1),
                 {{Slot::arena, 0}, {Slot::output, 0}, {Slot::arena, 64}})},
        64));
    branches.push_back({std::make_shared<Program>(std::vector<Kernel>(),
                                                  lamina::Counts{1, 0, 0}, 0),
                        {}, {{Part::Source::input, 0, kNumber}}, 0});
    std::vector<Part> functions;
    functions.push_back(parts_of(
        {kernel(is_large, {{Slot::input, 0}, {Slot::arena, 0}}),
         control(std::make_shared<lamina::Switch>(std::move(branches), 1, 1),
                 {{Slot::arena, 0}, {Slot::input, 0}, {Slot::output, 0}, {Slot::arena, 64}})},
        128));
    return {{"f"}, std::move(functions), 1, most_calls};
}

Part running_sum() {
    return part(kernel(add, {{Slot::input, 0}, {Slot::input, 1}, {Slot::output, 0}}), {2, 1, 0},
                {{Part::Source::output, 0, kNumber},
                 {Part::Source::output, 0, kNumber},
                 {Part::Source::input, 1, kNumber}});
}

}  // namespace

TEST(scan_carries_its_state_both_ways) {
    for (const bool reverse : {false, true}) {
        for (std::int64_t length = 0; length <= 5; ++length) {
            const lamina::Scan scan(running_sum(), length, reverse,
                                    {0, {kNumber}, {kNumber}, {kNumber, kNumber}});
            double first = 10;
            double last = -1;
            double second = -1;
            double slices[2];
            double xs[5] = {1, 2, 3, 4, 5};
            double sums[5] = {};
            double same[5] = {};
            void* arguments[] = {&first, xs, &last, sums, same, &second, slices, slices + 1,
                                 nullptr};
            CHECK(scan.argument_count() == 9);
            CHECK(scan.run(arguments, nullptr).values[0] == 0);
            double total = 10;
            for (std::int64_t k = 0; k < length; ++k) {
                const auto step = static_cast<std::size_t>(reverse ? length - 1 - k : k);
                total += xs[step];
                CHECK(sums[step] == total);
                CHECK(same[step] == xs[step]);
            }
            CHECK(last == total);
        }
    }
}

TEST(while_ends_when_the_condition_fails) {
    for (const double begin : {3.0, 60.0, 200.0}) {
        Part condition = part(kernel(small, {{Slot::input, 0}, {Slot::output, 0}}), {1, 1, 0},
                              {{Part::Source::output, 0, 1}});
        Part body = part(kernel(doubled, {{Slot::input, 0}, {Slot::output, 0}}), {1, 1, 0},
                         {{Part::Source::output, 0, kNumber}});
        const lamina::While loop(std::move(condition), std::move(body), 0, {kNumber});
        double first = begin;
        double last = -1;
        double second = -1;
        unsigned char answer = 0;
        void* arguments[] = {&first, &last, &second, &answer, nullptr};
        CHECK(loop.run(arguments, nullptr).values[0] == 0);
        double wanted = begin;
        while (wanted < 100) wanted *= 2;
        CHECK(last == wanted);
        CHECK(first == begin);
    }
}

TEST(switch_takes_one_branch) {
    for (const std::int32_t chosen : {-5, 0, 1, 7}) {
        std::vector<Part> branches;
        branches.push_back(part(kernel(doubled, {{Slot::input, 0}, {Slot::output, 0}}), {1, 1, 0},
                                {{Part::Source::output, 0, kNumber}}));
        branches.push_back({std::make_shared<Program>(std::vector<Kernel>(),
                                                      lamina::Counts{1, 0, 0}, 0),
                            {}, {{Part::Source::input, 0, kNumber}}, 0});
        const lamina::Switch choice(std::move(branches), 1, 1);
        std::int32_t index = chosen;
        double x = 5;
        double y = 0;
        void* arguments[] = {&index, &x, &y, nullptr};
        CHECK(choice.run(arguments, nullptr).values[0] == 0);
        CHECK(y == (chosen <= 0 ? 10 : 5));
    }
}

TEST(a_fault_names_the_way_to_its_kernel) {
    Part body = part(kernel(complain, {{Slot::input, 0}, {Slot::output, 0}, {Slot::status, 0}}),
                     {1, 1, 0}, {{Part::Source::output, 0, kNumber}});
    auto loop = std::make_shared<lamina::Scan>(std::move(body), 3, false,
                                               lamina::Scan::Sizes{0, {kNumber}, {}, {}});
    Kernel outer;
    outer.name = "loop";
    outer.control = loop;
    outer.arguments = {{Slot::input, 0}, {Slot::output, 0}, {Slot::arena, 0}, {Slot::arena, 64},
                       {Slot::status, 0}};
    Program program({outer}, {1, 1, 0}, 128);
    double x = 1;
    double y = 0;
    void* inputs[] = {&x};
    void* outputs[] = {&y};
    const auto status = program.run(inputs, outputs, {});
    CHECK(status.values[0] == 3);
    CHECK(status.values[1] == 42);
    const std::vector<int> way(status.way, status.way + status.steps);
    CHECK(way == std::vector<int>({0, 1, 0}));  // kernel 0, in 1 + part 0 of kernel 0
}

TEST(a_recursion_is_as_deep_as_data_says) {
    alignas(64) std::byte arena[128];
    double x = 1;
    double y = 0;
    void* arguments[] = {&x, &y, arena};
    CHECK(doubling(21).run(arguments, nullptr).values[0] == 0);
    CHECK(y == 1 << 20);

    const auto status = doubling(20).run(arguments, nullptr);
    CHECK(status.values[0] == lamina::kTooDeep);
    CHECK(status.values[1] == 21 && status.values[2] == 20);
    const std::vector<int> way(status.way, status.way + status.steps);
    CHECK(way == std::vector<int>({1, 1, 1, 1}));  // inside out: recur, branch, switch, function
}

TEST(a_recursion_may_be_deeper_than_a_stack) {
    alignas(64) std::byte arena[128];
    double x = 0;  // never large
    double y = 0;
    void* arguments[] = {&x, &y, arena};
    const auto status = doubling(100'000).run(arguments, nullptr);
    CHECK(status.values[0] == lamina::kTooDeep && status.values[1] == 100'001);
}
