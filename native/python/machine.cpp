#include "python/machine.hpp"

#include <nanobind/stl/string.h>

#include "machine/clock.hpp"
#include "machine/topology.hpp"
#include "threads/thread_pool.hpp"

namespace nb = nanobind;

namespace lamina::python {
namespace {

nb::dict cache(std::int64_t bytes, int sharers) {
    nb::dict entry;
    entry["bytes"] = bytes;
    entry["sharers"] = sharers;
    return entry;
}

nb::dict topology() {
    const Topology machine = read_topology();
    nb::dict caches;
    caches["l1d"] = cache(machine.l1d_bytes, 1);
    caches["l2"] = cache(machine.l2_bytes, machine.l2_sharers);
    caches["l3"] = cache(machine.l3_bytes, machine.l3_sharers);
    nb::dict features;
    for (const auto& [name, present] : machine.features) features[name.c_str()] = present;

    nb::dict result;
    result["architecture"] = machine.architecture;
    result["vendor"] = machine.vendor;
    result["model"] = machine.model;
    result["logical_cpus"] = machine.logical_cpus;
    result["physical_cores"] = machine.physical_cores;
    result["memory_bytes"] = machine.memory_bytes;
    result["line_bytes"] = machine.line_bytes;
    result["l1d_bytes"] = machine.l1d_bytes;
    result["l2_bytes"] = machine.l2_bytes;
    result["l3_bytes"] = machine.l3_bytes;
    result["caches"] = caches;
    result["features"] = features;
    return result;
}

}  // namespace

void bind_machine(nb::module_& module) {
    module.def("topology", &topology,
               "What the machine is made of: CPUs, cores, caches, names, instruction sets.");
    module.def("now_ns", &now_ns, "Nanoseconds of a clock that never goes backwards.");
    module.def("num_threads", [] { return ThreadPool::process().size(); });
    module.def(
        "set_num_threads",
        [](int threads) {
            if (threads < 1) throw nb::value_error("set_num_threads: at least 1 thread is needed");
            nb::gil_scoped_release released;
            ThreadPool::process().resize(threads);
        },
        nb::arg("threads"), "Threads per kernel, the calling one included.");
}

}  // namespace lamina::python
