// Working memory of one thread, grown on demand and kept for the next kernel.
#pragma once

#include <cstddef>

namespace lamina {

// At least `bytes` of this thread's scratch, 64-byte aligned; null for 0. Contents are undefined,
// and the next call on the same thread may move it. Throws OutOfMemory.
void* thread_scratch(std::size_t bytes);

}  // namespace lamina
