"""Lane functions LLVM has no instruction for, found by name: `def tanh(s, x)` over `Lanes`."""
