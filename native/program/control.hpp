// Loops and branches: kernels that run other programs, as often as data says, without leaving
// native code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "program/program.hpp"

namespace lamina {

// A program inside another one. Its results are outputs of the program, or inputs or constants of
// it that are passed on.
struct Part {
    enum class Source : int { output = 0, input = 1, constant = 2 };
    struct Result {
        Source source;
        std::size_t number;
        std::size_t size_bytes;
    };

    std::shared_ptr<Program> program;
    std::vector<void*> constants;  // kept alive by the owner of the whole program
    std::vector<Result> results;
    std::size_t outputs = 0;  // of the program

    // Writes every result to its address. Inputs and results must not overlap.
    Status run(std::span<void* const> inputs, std::span<void* const> results, void* arena,
               const Activation* around) const;
};

// What a kernel that is no machine code does.
class Control {
 public:
    virtual ~Control() = default;

    // The arguments are those of the kernel, in the order that each kind below gives. The status
    // names the part and the kernel in it where something went wrong.
    virtual Status run(void* const* arguments, const Activation* around) const = 0;

    virtual std::size_t argument_count() const = 0;

    // The most that one of the parts needs.
    std::size_t arena_bytes() const;
    std::size_t scratch_bytes() const;
    virtual bool checks() const;  // whether something can go wrong in a part

    const std::vector<Part>& parts() const noexcept { return parts_; }

 protected:
    explicit Control(std::vector<Part> parts);

    static Status inside(std::size_t part, const Status& status);

    std::vector<Part> parts_;
};

// `length` steps of one part. Arguments: constants, first state, stacked inputs; last state,
// stacked results; a second state, one slice of each result; the arena.
class Scan final : public Control {
 public:
    struct Sizes {
        std::size_t constants;
        std::vector<std::size_t> state_bytes;
        std::vector<std::size_t> slice_bytes;  // of one step's slice of each stacked input
        std::vector<std::size_t> made_bytes;   // of one step's slice of each stacked result
    };

    Scan(Part body, std::int64_t length, bool reverse, Sizes sizes);

    Status run(void* const* arguments, const Activation* around) const override;
    std::size_t argument_count() const override;

 private:
    std::int64_t length_;
    bool reverse_;
    Sizes sizes_;
};

// Steps of the second part while the first one answers true. Arguments: constants, first state;
// last state; a second state, the answer; the arena.
class While final : public Control {
 public:
    While(Part condition, Part body, std::size_t constants, std::vector<std::size_t> state_bytes);

    Status run(void* const* arguments, const Activation* around) const override;
    std::size_t argument_count() const override;

 private:
    std::size_t constants_;
    std::vector<std::size_t> state_bytes_;
};

// One of the parts. Arguments: the index (a 32-bit integer), operands; results; the arena.
class Switch final : public Control {
 public:
    Switch(std::vector<Part> branches, std::size_t operands, std::size_t results);

    Status run(void* const* arguments, const Activation* around) const override;
    std::size_t argument_count() const override;

 private:
    std::size_t operands_;
    std::size_t results_;
};

}  // namespace lamina
