#include "check.hpp"
#include "machine/clock.hpp"
#include "machine/topology.hpp"

TEST(topology_is_plausible) {
    const auto machine = lamina::read_topology();
    CHECK(machine.logical_cpus >= 1);
    CHECK(machine.physical_cores >= 1 && machine.physical_cores <= machine.logical_cpus);
    CHECK(machine.l1d_bytes >= 4096 && machine.l2_bytes >= machine.l1d_bytes);
    CHECK(machine.line_bytes >= 16 && machine.line_bytes <= 512);
    CHECK(!machine.architecture.empty());
}

TEST(the_clock_goes_forward) {
    const auto first = lamina::now_ns();
    CHECK(lamina::now_ns() >= first);
}
