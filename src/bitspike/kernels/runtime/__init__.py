"""Shared by the kernels of several operations: memory, threads, compilers, double backward.

Only files whose names begin with ``numba`` or ``triton`` import these.
"""
