"""The build beyond what pyproject.toml says: one extension, the kernels (see build_native.py)."""

from setuptools import Extension, setup

setup(ext_modules=[Extension("hiergeo._kernels", sources=["csrc/library.cpp"])])
