// The clock every timer of the runtime reads.
#pragma once

#include <chrono>
#include <cstdint>

namespace lamina {

// Nanoseconds of a clock that never goes backwards; only differences mean anything.
inline std::int64_t now_ns() noexcept {
    using std::chrono::duration_cast;
    using std::chrono::nanoseconds;
    return duration_cast<nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace lamina
