"""Kernels for the CPU, compiled by Numba when they are first wanted.

Nothing here is imported before a kernel is asked for: `bitspike.kernels` decides.
"""
