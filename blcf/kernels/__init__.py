"""Compiled loops (numba): arrays in, arrays out, nothing checked.

Kernels import numpy and numba only, write into arrays that the caller allocated, run serially
and release the interpreter lock, so that one query per thread is safe. Each has a plain twin in
``tests/oracle.py``. A kernel calls only kernels of its own file: the on-disk cache of numba does
not see edits in another file. `compiling.kernel` compiles them all, and says where that cache is.
"""
