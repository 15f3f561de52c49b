#include "machine/topology.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#if defined(__linux__)
#include <sched.h>
#endif

namespace lamina {
namespace {

std::string first_line(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

// "48K" -> 49152; 0 when it is no size.
std::int64_t parse_size(const std::string& text) {
    std::istringstream stream(text);
    std::int64_t size = 0;
    if (!(stream >> size)) return 0;
    const char unit = static_cast<char>(stream.get());
    if (unit == 'K') return size << 10;
    if (unit == 'M') return size << 20;
    return size;
}

// "0-3,8" -> 5.
int count_cpus(const std::string& list) {
    std::istringstream stream(list);
    std::string range;
    int count = 0;
    while (std::getline(stream, range, ',')) {
        std::istringstream ends(range);
        int low = 0;
        int high = 0;
        if (!(ends >> low)) continue;
        count += ends.get() == '-' && ends >> high ? high - low + 1 : 1;
    }
    return std::max(count, 1);
}

std::vector<int> allowed_cpus() {
    std::vector<int> cpus;
#if defined(__linux__)
    cpu_set_t mask;
    CPU_ZERO(&mask);
    if (sched_getaffinity(0, sizeof mask, &mask) == 0) {
        for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            if (CPU_ISSET(cpu, &mask)) cpus.push_back(cpu);
        }
    }
#endif
    if (cpus.empty()) cpus.push_back(0);
    return cpus;
}

std::string cpu_folder(int cpu) { return "/sys/devices/system/cpu/cpu" + std::to_string(cpu); }

int count_cores(const std::vector<int>& cpus) {
    std::set<std::string> cores;
    for (const int cpu : cpus) {
        const std::string siblings =
            first_line(cpu_folder(cpu) + "/topology/thread_siblings_list");
        cores.insert(siblings.empty() ? std::to_string(cpu) : siblings);
    }
    return static_cast<int>(cores.size());
}

void read_caches(int cpu, Topology& machine) {
    for (int index = 0; index < 8; ++index) {
        const std::string folder = cpu_folder(cpu) + "/cache/index" + std::to_string(index);
        const std::string level = first_line(folder + "/level");
        if (level.empty()) return;
        if (first_line(folder + "/type") == "Instruction") continue;
        const std::int64_t bytes = parse_size(first_line(folder + "/size"));
        if (bytes == 0) continue;
        const int sharers = count_cpus(first_line(folder + "/shared_cpu_list"));
        if (level == "1") machine.l1d_bytes = bytes;
        if (level == "2") {
            machine.l2_bytes = bytes;
            machine.l2_sharers = sharers;
        }
        if (level == "3") {
            machine.l3_bytes = bytes;
            machine.l3_sharers = sharers;
        }
        const std::int64_t line = parse_size(first_line(folder + "/coherency_line_size"));
        if (line > 0) machine.line_bytes = static_cast<int>(line);
    }
}

void read_names(Topology& machine) {
    utsname names{};
    if (uname(&names) == 0) machine.architecture = names.machine;
    std::ifstream file("/proc/cpuinfo");
    std::string line;
    while (std::getline(file, line)) {
        if (line.empty()) return;  // the end of the first CPU's entry
        const auto colon = line.find(':');
        if (colon == std::string::npos || colon + 2 > line.size()) continue;
        const std::string value = line.substr(std::min(colon + 2, line.size()));
        if (line.starts_with("vendor_id")) machine.vendor = value;
        if (line.starts_with("model name")) machine.model = value;
        if (line.starts_with("CPU implementer")) machine.vendor = "implementer " + value;
        if (line.starts_with("CPU part")) machine.model = "part " + value;
    }
}

}  // namespace

Topology read_topology() {
    Topology machine;
    const std::vector<int> cpus = allowed_cpus();
    machine.logical_cpus = usable_cpu_count();
    machine.physical_cores = std::min(count_cores(cpus), machine.logical_cpus);
    read_caches(cpus.front(), machine);
    read_names(machine);
    const long pages = sysconf(_SC_PHYS_PAGES);
    const long page_bytes = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page_bytes > 0) machine.memory_bytes = std::int64_t{pages} * page_bytes;
    machine.features = cpu_features();
    return machine;
}

}  // namespace lamina
