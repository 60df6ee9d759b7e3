"""The build beyond what pyproject.toml says: extension modules are added here, never asked of the user's torch."""

from setuptools import setup

setup(ext_modules=[])
