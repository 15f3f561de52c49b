// What this machine is made of, read from the machine.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace lamina {

struct Topology {
    int logical_cpus = 1;    // that this process may use
    int physical_cores = 1;  // behind them
    std::int64_t l1d_bytes = 32 << 10;
    std::int64_t l2_bytes = 512 << 10;
    std::int64_t l3_bytes = 0;  // 0: there is none
    int l2_sharers = 1;         // logical CPUs behind one L2
    int l3_sharers = 1;
    int line_bytes = 64;
    std::int64_t memory_bytes = 0;
    std::string architecture;  // x86_64, aarch64, ...
    std::string vendor;        // GenuineIntel, AuthenticAMD, ...; empty when unknown
    std::string model;
    std::vector<std::pair<std::string, bool>> features;
};

// CPUs this process may run on: its affinity mask, capped by its cgroup's quota.
int usable_cpu_count();

// Instruction sets that the processor has and the operating system saves, by name.
std::vector<std::pair<std::string, bool>> cpu_features();

Topology read_topology();

}  // namespace lamina
