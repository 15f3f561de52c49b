#include "program/recursion.hpp"

#include <pthread.h>

#include <cstdlib>
#include <utility>

#include "memory/block_pool.hpp"
#include "memory/scratch.hpp"

namespace lamina {
namespace {

// A recursion begins on the stack of its caller, of which it takes little. Calls that lie deeper go
// on in a thread with a large stack, of which only touched pages are memory.
constexpr std::size_t kFirstStackBytes = std::size_t{512} << 10;
constexpr std::size_t kStackBytes = std::size_t{64} << 20;
constexpr std::size_t kReservedBytes = std::size_t{1} << 20;  // for what a call itself needs

const std::byte* here() noexcept {
    return static_cast<const std::byte*>(__builtin_frame_address(0));
}

Status fault(std::int64_t code, std::int64_t value, std::int64_t limit = 0) {
    Status made;
    made.values[0] = code;
    made.values[1] = value;
    made.values[2] = limit;
    return made;
}

Status no_memory(std::size_t bytes) {
    return fault(kNoMemory, static_cast<std::int64_t>(bytes));
}

// Runs `work` in a thread of its own, and waits for it.
template <typename Work>
Status on_large_stack(const Work& work) {
    struct Job {
        const Work& work;
        Status status;
    } job{work, {}};
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, kStackBytes);
    pthread_t thread;
    const auto entry = [](void* given) -> void* {
        auto* job = static_cast<Job*>(given);
        job->status = job->work();
        return nullptr;
    };
    const int refused = pthread_create(&thread, &attributes, entry, &job);
    pthread_attr_destroy(&attributes);
    if (refused != 0) return no_memory(kStackBytes);
    pthread_join(thread, nullptr);
    return job.status;
}

// Runs `work` with what is left of the stack noted in `made`, or where there is more.
template <typename Work>
Status on_stack(const Activation* around, Activation& made, const Work& work) {
    const std::byte* const now = here();
    if (around == nullptr) {
        made.stack = now;
        made.stack_bytes = kFirstStackBytes;
        return work();
    }
    if (static_cast<std::size_t>(std::abs(around->stack - now)) <= around->stack_bytes) {
        made.stack = around->stack;
        made.stack_bytes = around->stack_bytes;
        return work();
    }
    return on_large_stack([&] {
        try {
            thread_scratch(made.recursion->scratch_bytes());
        } catch (const OutOfMemory& error) {
            return no_memory(error.requested_bytes);
        }
        made.stack = here();
        made.stack_bytes = kStackBytes - kReservedBytes;
        return work();
    });
}

}  // namespace

void FirstFault::note(const Status& status) {
    const std::lock_guard lock(mutex_);
    if (!status_) status_ = status;
}

std::optional<Status> FirstFault::found() {
    const std::lock_guard lock(mutex_);
    return status_;
}

Recursion::Recursion(std::vector<std::string> names, std::vector<Part> functions,
                     std::size_t operands, std::int64_t most_calls)
    : Control(std::move(functions)),
      names_(std::move(names)),
      operands_(operands),
      most_calls_(most_calls) {}

std::size_t Recursion::argument_count() const {
    return operands_ + parts_[0].results.size() + 1;
}

int Recursion::find(const std::string& name) const noexcept {
    for (std::size_t i = 0; i < names_.size(); ++i) {
        if (names_[i] == name) return static_cast<int>(i);
    }
    return -1;
}

Status Recursion::run(void* const* arguments, const Activation* around) const {
    const std::size_t results = parts_[0].results.size();
    FirstFault first;
    Activation made{this, around, &first, 1, nullptr, 0};
    void* const* const out = arguments + operands_;
    const Status status = on_stack(around, made, [&] {
        return parts_[0].run(std::span(arguments, operands_), std::span(out, results),
                             out[results], &made);
    });
    if (status.values[0] == 0) return status;
    return first.found().value_or(inside(0, status));
}

Recur::Recur(std::string name, std::size_t operands, std::size_t results)
    : Control({}), name_(std::move(name)), operands_(operands), results_(results) {}

std::size_t Recur::argument_count() const { return operands_ + results_ + 1; }

Status Recur::run(void* const* arguments, const Activation* around) const {
    int number = -1;
    const Activation* at = around;
    for (; at != nullptr; at = at->outer) {
        number = at->recursion->find(name_);
        if (number >= 0) break;
    }
    if (at == nullptr) std::abort();  // the compiler has checked that there is one
    const Recursion& recursion = *at->recursion;
    if (at->calls >= recursion.most_calls()) {
        return fault(kTooDeep, at->calls + 1, recursion.most_calls());
    }
    const auto index = static_cast<std::size_t>(number);
    const Part& function = recursion.parts()[index];
    Activation made{&recursion, at->outer, at->fault, at->calls + 1, nullptr, 0};
    const Status status =
        on_stack(around, made, [&] { return call(arguments, function, made); });
    if (status.values[0] != 0) at->fault->note(inside(index, status));
    return status;
}

Status Recur::call(void* const* arguments, const Part& function, const Activation& made) const {
    const std::size_t arena_bytes = function.program->arena_bytes();
    try {
        const Memory arena = arena_bytes > 0 ? Memory(arena_bytes) : Memory();
        return function.run(std::span(arguments, operands_),
                            std::span(arguments + operands_, results_), arena.data(), &made);
    } catch (const OutOfMemory& error) {
        return no_memory(error.requested_bytes);
    }
}

}  // namespace lamina
