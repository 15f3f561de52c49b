#include "memory/scratch.hpp"

#include "memory/block_pool.hpp"

namespace lamina {

void* thread_scratch(std::size_t bytes) {
    thread_local Memory scratch;
    if (bytes == 0) return nullptr;
    if (scratch.capacity() < bytes) {
        scratch = Memory();  // first, so that the pool may hand the old block on
        scratch = Memory(bytes);
    }
    return scratch.data();
}

}  // namespace lamina
