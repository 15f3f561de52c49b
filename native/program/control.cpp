#include "program/control.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace lamina {
namespace {

using Pointers = std::vector<void*>;

constexpr std::size_t kAlignment = 64;  // of results: what kernels take for granted

std::byte* at(void* base, std::int64_t step, std::size_t size_bytes) {
    return static_cast<std::byte*>(base) + static_cast<std::size_t>(step) * size_bytes;
}

void copy(void* to, const void* from, std::size_t size_bytes) {
    if (to != from && size_bytes > 0) std::memcpy(to, from, size_bytes);
}

}  // namespace

Status Part::run(std::span<void* const> inputs, std::span<void* const> addresses, void* arena,
                 const Activation* around) const {
    Pointers made(outputs, nullptr);
    for (std::size_t i = 0; i < results.size(); ++i) {
        const Result& result = results[i];
        if (result.source != Source::output || made[result.number] != nullptr) continue;
        made[result.number] = addresses[i];
    }
    const Status status =
        program->run_in(static_cast<std::byte*>(arena), inputs, made, constants, around);
    if (status.values[0] != 0) return status;
    for (std::size_t i = 0; i < results.size(); ++i) {
        const Result& result = results[i];
        const void* from = nullptr;
        switch (result.source) {
            case Source::output:
                from = made[result.number];
                break;
            case Source::input:
                from = inputs[result.number];
                break;
            case Source::constant:
                from = constants[result.number];
                break;
        }
        copy(addresses[i], from, result.size_bytes);
    }
    return status;
}

Control::Control(std::vector<Part> parts) : parts_(std::move(parts)) {}

std::size_t Control::arena_bytes() const {
    std::size_t most = 0;
    for (const Part& part : parts_) most = std::max(most, part.program->arena_bytes());
    return most;
}

std::size_t Control::scratch_bytes() const {
    std::size_t most = 0;
    for (const Part& part : parts_) most = std::max(most, part.program->scratch_bytes());
    return most;
}

bool Control::checks() const {
    return std::any_of(parts_.begin(), parts_.end(),
                       [](const Part& part) { return part.program->checks(); });
}

Status Control::inside(std::size_t part, const Status& status) {
    Status found = status;
    found.step(1 + part);
    return found;
}

Scan::Scan(Part body, std::int64_t length, bool reverse, Sizes sizes)
    : Control({std::move(body)}), length_(length), reverse_(reverse), sizes_(std::move(sizes)) {}

std::size_t Scan::argument_count() const {
    return sizes_.constants + 3 * sizes_.state_bytes.size() + sizes_.slice_bytes.size() +
           2 * sizes_.made_bytes.size() + 1;
}

Status Scan::run(void* const* arguments, const Activation* around) const {
    const std::size_t state = sizes_.state_bytes.size();
    const std::size_t slices = sizes_.slice_bytes.size();
    const std::size_t made = sizes_.made_bytes.size();
    void* const* const first = arguments + sizes_.constants;
    void* const* const stacked = first + state;
    void* const* const last = stacked + slices;
    void* const* const results = last + state;
    void* const* const second = results + made;
    void* const* const slice = second + state;
    void* const arena = slice[made];

    if (length_ == 0) {
        for (std::size_t i = 0; i < state; ++i) copy(last[i], first[i], sizes_.state_bytes[i]);
    }
    Pointers inputs(arguments, arguments + sizes_.constants + state + slices);
    Pointers outputs(state + made);
    for (std::int64_t k = 0; k < length_; ++k) {
        const std::int64_t step = reverse_ ? length_ - 1 - k : k;
        for (std::size_t i = 0; i < slices; ++i) {
            inputs[sizes_.constants + state + i] = at(stacked[i], step, sizes_.slice_bytes[i]);
        }
        void* const* const next = (length_ - 1 - k) % 2 == 0 ? last : second;
        for (std::size_t i = 0; i < state; ++i) outputs[i] = next[i];
        for (std::size_t i = 0; i < made; ++i) {
            const bool direct = sizes_.made_bytes[i] % kAlignment == 0;
            outputs[state + i] = direct ? at(results[i], step, sizes_.made_bytes[i]) : slice[i];
        }
        const Status status = parts_[0].run(inputs, outputs, arena, around);
        if (status.values[0] != 0) return inside(0, status);
        for (std::size_t i = 0; i < made; ++i) {
            copy(at(results[i], step, sizes_.made_bytes[i]), outputs[state + i],
                 sizes_.made_bytes[i]);
        }
        for (std::size_t i = 0; i < state; ++i) inputs[sizes_.constants + i] = next[i];
    }
    return {};
}

While::While(Part condition, Part body, std::size_t constants,
             std::vector<std::size_t> state_bytes)
    : Control({std::move(condition), std::move(body)}),
      constants_(constants),
      state_bytes_(std::move(state_bytes)) {}

std::size_t While::argument_count() const { return constants_ + 3 * state_bytes_.size() + 2; }

Status While::run(void* const* arguments, const Activation* around) const {
    const std::size_t state = state_bytes_.size();
    void* const* const last = arguments + constants_ + state;
    void* const* const second = last + state;
    void* const answer = second[state];
    void* const arena = second[state + 1];

    Pointers inputs(arguments, arguments + constants_ + state);
    void* const* now = arguments + constants_;
    while (true) {
        Status status = parts_[0].run(inputs, std::span(&answer, 1), arena, around);
        if (status.values[0] != 0) return inside(0, status);
        if (*static_cast<const unsigned char*>(answer) == 0) break;
        void* const* const next = now == last ? second : last;
        status = parts_[1].run(inputs, std::span(next, state), arena, around);
        if (status.values[0] != 0) return inside(1, status);
        now = next;
        for (std::size_t i = 0; i < state; ++i) inputs[constants_ + i] = now[i];
    }
    for (std::size_t i = 0; i < state; ++i) copy(last[i], now[i], state_bytes_[i]);
    return {};
}

Switch::Switch(std::vector<Part> branches, std::size_t operands, std::size_t results)
    : Control(std::move(branches)), operands_(operands), results_(results) {}

std::size_t Switch::argument_count() const { return 1 + operands_ + results_ + 1; }

Status Switch::run(void* const* arguments, const Activation* around) const {
    std::int32_t index = 0;
    std::memcpy(&index, arguments[0], sizeof index);
    const auto chosen = static_cast<std::size_t>(
        std::clamp<std::int64_t>(index, 0, static_cast<std::int64_t>(parts_.size()) - 1));
    void* const* const results = arguments + 1 + operands_;
    const Status status = parts_[chosen].run(std::span(arguments + 1, operands_),
                                             std::span(results, results_), results[results_],
                                             around);
    return status.values[0] != 0 ? inside(chosen, status) : status;
}

}  // namespace lamina
