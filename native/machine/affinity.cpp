#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <thread>

#include "machine/topology.hpp"

#if defined(__linux__)
#include <sched.h>
#endif

namespace lamina {
namespace {

int affinity_count() {
#if defined(__linux__)
    cpu_set_t mask;
    CPU_ZERO(&mask);
    if (sched_getaffinity(0, sizeof mask, &mask) == 0 && CPU_COUNT(&mask) > 0) {
        return CPU_COUNT(&mask);
    }
#endif
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// cgroup v2 writes "<quota> <period>" in microseconds, or "max <period>".
int quota_count() {
    std::ifstream file("/sys/fs/cgroup/cpu.max");
    std::string quota;
    double period_us = 0;
    if (!(file >> quota >> period_us) || quota == "max" || period_us <= 0) return 0;
    try {
        return static_cast<int>(std::ceil(std::stod(quota) / period_us));
    } catch (const std::exception&) {
        return 0;
    }
}

}  // namespace

int usable_cpu_count() {
    const int allowed = affinity_count();
    const int quota = quota_count();
    return quota > 0 ? std::min(allowed, quota) : allowed;
}

}  // namespace lamina
