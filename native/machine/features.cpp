#include "machine/topology.hpp"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace lamina {

#if defined(__x86_64__) || defined(__i386__)

namespace {

struct Registers {
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(unsigned leaf, unsigned subleaf) {
    Registers r;
    __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
    return r;
}

bool bit(unsigned word, int position) { return ((word >> position) & 1U) != 0; }

// XCR0: the register states the operating system saves and restores.
std::uint64_t saved_states() {
    unsigned low = 0;
    unsigned high = 0;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (std::uint64_t{high} << 32) | low;
}

}  // namespace

std::vector<std::pair<std::string, bool>> cpu_features() {
    constexpr std::uint64_t kAvxState = 0x6;      // XMM and YMM
    constexpr std::uint64_t kAvx512State = 0xe6;  // and opmask, ZMM0-15 high, ZMM16-31
    constexpr std::uint64_t kAmxState = 0x60000;  // tile configuration and data

    const Registers one = cpuid(1, 0);
    const Registers seven = cpuid(7, 0);
    const Registers seven_one = cpuid(7, 1);
    const std::uint64_t saved = bit(one.ecx, 27) ? saved_states() : 0;
    const bool ymm = (saved & kAvxState) == kAvxState;
    const bool zmm = (saved & kAvx512State) == kAvx512State;
    const bool tiles = (saved & kAmxState) == kAmxState;

    return {
        {"sse4_2", bit(one.ecx, 20)},
        {"popcnt", bit(one.ecx, 23)},
        {"avx", ymm && bit(one.ecx, 28)},
        {"f16c", ymm && bit(one.ecx, 29)},
        {"fma", ymm && bit(one.ecx, 12)},
        {"avx2", ymm && bit(seven.ebx, 5)},
        {"bmi2", bit(seven.ebx, 8)},
        {"avx_vnni", ymm && bit(seven_one.eax, 4)},
        {"avx512f", zmm && bit(seven.ebx, 16)},
        {"avx512dq", zmm && bit(seven.ebx, 17)},
        {"avx512cd", zmm && bit(seven.ebx, 28)},
        {"avx512bw", zmm && bit(seven.ebx, 30)},
        {"avx512vl", zmm && bit(seven.ebx, 31)},
        {"avx512vnni", zmm && bit(seven.ecx, 11)},
        {"avx512bf16", zmm && bit(seven_one.eax, 5)},
        {"avx512fp16", zmm && bit(seven.edx, 23)},
        {"amx_bf16", tiles && bit(seven.edx, 22)},
        {"amx_tile", tiles && bit(seven.edx, 24)},
        {"amx_int8", tiles && bit(seven.edx, 25)},
    };
}

#elif defined(__aarch64__) && defined(__linux__)

// Bit numbers from the kernel's asm/hwcap.h, written out so that old headers will do.
std::vector<std::pair<std::string, bool>> cpu_features() {
    const unsigned long first = getauxval(AT_HWCAP);
    const unsigned long second = getauxval(AT_HWCAP2);
    const auto bit = [](unsigned long word, int position) { return ((word >> position) & 1UL) != 0; };
    return {
        {"neon", bit(first, 1)},     {"fp16", bit(first, 10)}, {"dotprod", bit(first, 20)},
        {"sve", bit(first, 22)},     {"sve2", bit(second, 1)}, {"i8mm", bit(second, 13)},
        {"bf16", bit(second, 14)},   {"sme", bit(second, 23)},
    };
}

#else

std::vector<std::pair<std::string, bool>> cpu_features() { return {}; }

#endif

}  // namespace lamina
