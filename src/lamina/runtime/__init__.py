"""The runtime: buffers, devices, programs and the fast path of a jitted call.

A thin Python face of the C++ in `native/`. It names no op.
"""

from lamina.runtime.call import Call, raised_by
from lamina.runtime.device import (
    CPU,
    Device,
    apply_environment,
    num_threads,
    set_num_threads,
    topology,
)
from lamina.runtime.memory import (
    Buffer,
    MemoryStats,
    memory_stats,
    reset_peak,
    set_memory_limit,
    trim_pool,
)
from lamina.runtime.native import (
    Flat,
    KernelFault,
    OutOfMemory,
    Signature,
    flatten,
    now_ns,
    register_leaf,
    register_node,
)
from lamina.runtime.program import (
    NO_MEMORY,
    PART_RADIX,
    TOO_DEEP,
    Argument,
    Control,
    Launch,
    Mode,
    Output,
    Program,
    Slot,
    Timing,
)

apply_environment()
