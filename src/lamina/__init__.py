"""Lamina: a machine-learning system in Python that compiles.

    import lamina as lm

The names here are those of the Python array API standard (2024.12), the transforms of functions
(`jit`, `grad`, `vmap`, ...) and the rooms `random`, `functional` and `tree`. Nothing here imports the
compiler; it is loaded when the first program is compiled.
"""
