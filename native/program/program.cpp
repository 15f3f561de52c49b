#include "program/program.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "program/control.hpp"

namespace lamina {
namespace {

[[noreturn]] void reject(const Kernel& kernel, const std::string& reason) {
    throw std::invalid_argument("Program: kernel '" + kernel.name + "': " + reason);
}

std::size_t slot_count(Slot slot, Counts counts) {
    switch (slot) {
        case Slot::input:
            return counts.inputs;
        case Slot::output:
            return counts.outputs;
        case Slot::constant:
            return counts.constants;
        default:
            return 0;
    }
}

void check_argument(const Kernel& kernel, const Argument& argument, Counts counts,
                    std::size_t arena_bytes, std::size_t kept_bytes) {
    static constexpr const char* kNames[kSlotCount] = {"input",    "output", "arena",
                                                       "constant", "status", "kept"};
    const auto slot = static_cast<int>(argument.slot);
    if (slot < 0 || slot >= kSlotCount) {
        reject(kernel, "unknown slot kind " + std::to_string(slot));
    }
    if (argument.slot == Slot::status) return;
    if (kernel.once && argument.slot == Slot::output) {
        reject(kernel, "runs once, and an output is made by every run");
    }
    const bool offset = argument.slot == Slot::arena || argument.slot == Slot::kept;
    const std::size_t room = argument.slot == Slot::arena ? arena_bytes : kept_bytes;
    const std::size_t limit = offset ? room + 1 : slot_count(argument.slot, counts);
    if (argument.value < 0 || static_cast<std::size_t>(argument.value) >= limit) {
        reject(kernel, std::string(kNames[slot]) + (offset ? " offset " : " index ") +
                           std::to_string(argument.value) + " is out of range");
    }
}

void check_control(const Kernel& kernel) {
    const auto takes = static_cast<std::size_t>(
        std::count_if(kernel.arguments.begin(), kernel.arguments.end(),
                      [](const Argument& a) { return a.slot != Slot::status; }));
    const std::size_t expected = kernel.control->argument_count();
    if (takes != expected) {
        reject(kernel, std::to_string(takes) + " arguments for a loop or branch that takes " +
                           std::to_string(expected));
    }
    if (kernel.extent > 1) reject(kernel, "a loop or branch is not split");
    const bool reports = takes != kernel.arguments.size();
    if (kernel.control->checks() && !reports) reject(kernel, "it has no status to report to");
}

}  // namespace

Program::Program(std::vector<Kernel> kernels, Counts counts, std::size_t arena_bytes,
                 std::size_t kept_bytes)
    : kernels_(std::move(kernels)),
      successors_(kernels_.size()),
      arena_bytes_(arena_bytes),
      kept_bytes_(kept_bytes),
      tallies_(kernels_.size()) {
    check(counts);
    first_argument_.reserve(kernels_.size());
    for (std::size_t i = 0; i < kernels_.size(); ++i) {
        first_argument_.push_back(argument_count_);
        argument_count_ += kernels_[i].arguments.size();
        scratch_bytes_ = std::max(scratch_bytes_, kernels_[i].scratch_bytes);
        if (const Control* control = kernels_[i].control.get()) {
            scratch_bytes_ = std::max(scratch_bytes_, control->scratch_bytes());
        }
        const auto& arguments = kernels_[i].arguments;
        const bool checks = std::any_of(arguments.begin(), arguments.end(), [](const auto& a) {
            return a.slot == Slot::status;
        });
        status_of_.push_back(checks ? static_cast<int>(status_count_++) : -1);
        for (const int before : kernels_[i].dependencies) {
            successors_[static_cast<std::size_t>(before)].push_back(static_cast<int>(i));
        }
    }
}

void Program::check(Counts counts) const {
    for (std::size_t i = 0; i < kernels_.size(); ++i) {
        const Kernel& kernel = kernels_[i];
        if (kernel.control != nullptr) {
            check_control(kernel);
        } else if (kernel.entry == nullptr) {
            reject(kernel, "its address is 0");
        }
        if (kernel.extent < 0) reject(kernel, "its extent is negative");
        if (kernel.grain < 1) reject(kernel, "its grain is less than 1");
        for (const Argument& argument : kernel.arguments) {
            check_argument(kernel, argument, counts, arena_bytes_, kept_bytes_);
        }
        for (const int before : kernel.dependencies) {
            if (before < 0 || static_cast<std::size_t>(before) >= i) {
                reject(kernel, "depends on kernel " + std::to_string(before) +
                                   ", which is not an earlier one");
            }
        }
    }
}

void Program::profile(bool enable, bool trace) {
    const std::lock_guard lock(profile_mutex_);
    profiling_.store(enable, std::memory_order_relaxed);
    tracing_.store(enable && trace, std::memory_order_relaxed);
    if (enable) {
        tallies_.assign(kernels_.size(), Tally{});
        trace_.clear();
    }
}

std::vector<Tally> Program::tallies() const {
    const std::lock_guard lock(profile_mutex_);
    return tallies_;
}

std::vector<Span> Program::trace() const {
    const std::lock_guard lock(profile_mutex_);
    return trace_;
}

}  // namespace lamina
