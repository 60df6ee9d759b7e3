"""The build beyond what pyproject.toml says: one extension, which brings the kernels along (see build_native.py)."""

from setuptools import Extension, setup

setup(ext_modules=[Extension("hiergeo._C", sources=["csrc/build_info.cpp"], py_limited_api=True)])
