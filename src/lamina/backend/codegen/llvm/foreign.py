"""The kernel that calls a function of the C interface `lamina/kernel.h`, example by example.

It is the same for all such functions: what differs stands in a plan, its first argument.

    void lamina_foreign(void **args, int64_t begin, int64_t end, void *scratch)

`args` holds the plan, the operands, the results, the workspace if there is one, and the status.
[begin, end) are parts of the examples; each part has a workspace of its own.
"""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING

from .disk import Entry
from .module import object_bytes
from .objects import Loaded, compiler_version, disk_cache, load

if TYPE_CHECKING:
    from .objects import KernelTarget

MESSAGE_BYTES = 512
SYMBOL = "lamina_foreign"

PLAN = (
    "kernel",  # int32_t (*)(const LaminaCall *)
    "failed",  # void (*)(const LaminaCall *, int64_t code, int64_t *status)
    "lock",  # an int32_t that is 0 at first, or null: calls come one at a time
    "call",  # the LaminaCall to copy
    "tensors",  # the LaminaTensors to copy, operands and results
    "count",  # of both
    "operands",  # how many of them are operands
    "workspace_bytes",  # of a part
    "rows",  # examples
    "rows_of_part",
    "batched",  # whether one call takes many examples
)
"""The words of a plan, 64 bits each."""

_TYPES = """
%Tensor = type { ptr, ptr, ptr, i64, i64, i32, i32 }
%Call = type { i32, i32, ptr, ptr, i32, i32, i64, ptr, i64, ptr, i32, i32, ptr, ptr, i64 }
%Plan = type { ptr, ptr, ptr, ptr, ptr, i64, i64, i64, i64, i64, i64 }

declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare i32 @sched_yield()
"""

_BODY = """
  %sized = getelementptr %Tensor, ptr null, i64 %count
  %tensor_bytes = ptrtoint ptr %sized to i64
  %inputs = alloca %Tensor, i64 %count, align 16
  call void @llvm.memcpy.p0.p0.i64(ptr %inputs, ptr %tensors, i64 %tensor_bytes, i1 false)
  %outputs = getelementptr %Tensor, ptr %inputs, i64 %operands

  %first = mul i64 %begin, %rows_of_part
  %reach = mul i64 %end, %rows_of_part
  %past = call i64 @llvm.smin.i64(i64 %reach, i64 %rows)
  %all = sub i64 %past, %first
  %whole = icmp ne i64 %batched, 0
  %step = select i1 %whole, i64 %all, i64 1

  %here = getelementptr ptr, ptr %args, i64 1
  %after = getelementptr ptr, ptr %here, i64 %count
  %works = icmp ne i64 %workspace_bytes, 0
  %area = load ptr, ptr %after
  %skipped = mul i64 %begin, %workspace_bytes
  %own = getelementptr i8, ptr %area, i64 %skipped
  %workspace = select i1 %works, ptr %own, ptr null
  %further = zext i1 %works to i64
  %status_place = getelementptr ptr, ptr %after, i64 %further

  %made = alloca %Call, align 16
  %message = alloca [MESSAGE_BYTES x i8], align 16
  %sized_call = getelementptr %Call, ptr null, i64 1
  %call_bytes = ptrtoint ptr %sized_call to i64
  call void @llvm.memcpy.p0.p0.i64(ptr %made, ptr %call, i64 %call_bytes, i1 false)
  store i8 0, ptr %message
  %p2 = getelementptr %Call, ptr %made, i64 0, i32 2
  store ptr %inputs, ptr %p2
  %p3 = getelementptr %Call, ptr %made, i64 0, i32 3
  store ptr %outputs, ptr %p3
  %p6 = getelementptr %Call, ptr %made, i64 0, i32 6
  store i64 %step, ptr %p6
  %p7 = getelementptr %Call, ptr %made, i64 0, i32 7
  store ptr %workspace, ptr %p7
  %p13 = getelementptr %Call, ptr %made, i64 0, i32 13
  store ptr %message, ptr %p13
  %free = icmp eq ptr %lock, null
  br i1 %free, label %rows_begin, label %wait

wait:
  %tried = cmpxchg ptr %lock, i32 0, i32 1 acquire monotonic
  %taken = extractvalue { i32, i1 } %tried, 1
  br i1 %taken, label %rows_begin, label %busy
busy:
  %ignored = call i32 @sched_yield()
  br label %wait

rows_begin:
  br label %row
row:
  %r = phi i64 [ %first, %rows_begin ], [ %next, %good ]
  %more = icmp slt i64 %r, %past
  br i1 %more, label %bind, label %done

bind:
  %t = phi i64 [ 0, %row ], [ %t1, %bind ]
  %place = getelementptr ptr, ptr %here, i64 %t
  %base = load ptr, ptr %place
  %far = getelementptr %Tensor, ptr %inputs, i64 %t, i32 4
  %row_bytes = load i64, ptr %far
  %offset = mul i64 %r, %row_bytes
  %data = getelementptr i8, ptr %base, i64 %offset
  %slot = getelementptr %Tensor, ptr %inputs, i64 %t, i32 0
  store ptr %data, ptr %slot
  %t1 = add i64 %t, 1
  %rest = icmp slt i64 %t1, %count
  br i1 %rest, label %bind, label %run

run:
  %code = call i32 %kernel(ptr %made)
  %bad = icmp ne i32 %code, 0
  br i1 %bad, label %fail, label %good
good:
  %next = add i64 %r, %step
  br label %row
fail:
  %status = load ptr, ptr %status_place
  %wide = sext i32 %code to i64
  call void %failed(ptr %made, i64 %wide, ptr %status)
  br label %done

done:
  br i1 %free, label %end_of_all, label %unlock
unlock:
  store atomic i32 0, ptr %lock release, align 4
  br label %end_of_all
end_of_all:
  ret void
}
"""


def text() -> str:
    """The LLVM IR of the kernel."""
    words = {"kernel", "failed", "lock", "call", "tensors"}
    lines = [_TYPES, "declare i64 @llvm.smin.i64(i64, i64)", ""]
    lines.append(f"define void @{SYMBOL}(ptr %args, i64 %begin, i64 %end, ptr %scratch) {{")
    lines.append("  %plan = load ptr, ptr %args")
    for i, name in enumerate(PLAN):
        lines.append(f"  %at_{name} = getelementptr %Plan, ptr %plan, i64 0, i32 {i}")
        lines.append(f"  %{name} = load {'ptr' if name in words else 'i64'}, ptr %at_{name}")
    return "\n".join(lines) + _BODY.replace("MESSAGE_BYTES", str(MESSAGE_BYTES))


@functools.lru_cache(maxsize=16)
def foreign_kernel(target: KernelTarget) -> Loaded:
    """The kernel in memory; it stays there."""
    made = text()
    version = compiler_version()
    key = hashlib.sha256(f"{made}\n{target.key}\n{version}".encode()).hexdigest()
    disk = disk_cache()
    entry = disk.read(key, version, target.key) if disk else None
    if entry is None:
        entry = Entry(key, version, target.key, SYMBOL, 0, object_bytes(made, target))
        if disk:
            disk.write(entry)
    return load(entry, target)
