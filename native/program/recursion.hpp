// Functions that call themselves and each other, as deep as data says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "program/control.hpp"

namespace lamina {

// Codes of faults that no kernel reports; those of kernels are positive.
inline constexpr std::int64_t kTooDeep = -1;   // value and limit: calls inside one another
inline constexpr std::int64_t kNoMemory = -2;  // value: bytes that were asked for

// Programs by name, the first of which is run. Inside them a `Recur` runs any of them again.
// Arguments: operands, results of the first program; its arena.
class Recursion final : public Control {
 public:
    Recursion(std::vector<std::string> names, std::vector<Part> functions, std::size_t operands,
              std::int64_t most_calls);

    Status run(void* const* arguments, const Activation* around) const override;
    std::size_t argument_count() const override;
    bool checks() const override { return true; }

    // The number of a function, or -1.
    int find(const std::string& name) const noexcept;
    std::int64_t most_calls() const noexcept { return most_calls_; }

 private:
    std::vector<std::string> names_;
    std::size_t operands_;
    std::int64_t most_calls_;
};

// A call of a function of a recursion around the program. Arguments: operands, results; the arena,
// of 0 bytes: the call takes memory of its own.
class Recur final : public Control {
 public:
    Recur(std::string name, std::size_t operands, std::size_t results);

    Status run(void* const* arguments, const Activation* around) const override;
    std::size_t argument_count() const override;
    bool checks() const override { return true; }

 private:
    Status call(void* const* arguments, const Part& function, const Activation& made) const;

    std::string name_;
    std::size_t operands_;
    std::size_t results_;
};

// The first fault in a recursion, with the way from the innermost call only: further out there may
// be thousands.
class FirstFault {
 public:
    void note(const Status& status);
    std::optional<Status> found();

 private:
    std::mutex mutex_;
    std::optional<Status> status_;
};

// One call of a function of a recursion, as what is called inside sees it.
struct Activation {
    const Recursion* recursion;
    const Activation* outer;  // where the recursion itself stands
    FirstFault* fault;
    std::int64_t calls;       // inside one another
    const std::byte* stack;   // an address near the beginning of this thread's stack
    std::size_t stack_bytes;  // how far from there calls may go
};

}  // namespace lamina
