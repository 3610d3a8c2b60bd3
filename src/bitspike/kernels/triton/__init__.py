"""Kernels for GPUs, compiled by Triton when they are first wanted.

Nothing here is imported before a kernel is asked for: `bitspike.kernels` decides. With
``TRITON_INTERPRET=1`` in the environment Triton interprets the same kernels on the CPU, slowly:
for tests.
"""
