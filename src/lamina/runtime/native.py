"""The native module `lamina.runtime._native`, or an error that says how to build it."""

try:
    from lamina.runtime import _native as native
except ImportError as error:
    raise ImportError(
        "lamina's native runtime is not built for this Python; "
        "build it with `make setup` or `pip install -e . --no-build-isolation`"
    ) from error

_INTERFACE = 2
if getattr(native, "INTERFACE", 1) != _INTERFACE:
    raise ImportError(
        "lamina's native runtime was built from other sources than these; "
        "build it again with `make setup` or `pip install -e . --no-build-isolation`"
    )

OutOfMemory = native.OutOfMemory
KernelFault = native.KernelFault

flatten = native.flatten
register_leaf = native.register_leaf
register_node = native.register_node
Flat = native.Flat
Signature = native.Signature

now_ns = native.now_ns
