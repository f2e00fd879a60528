"""Everything but the extension module is in pyproject.toml."""

from setuptools import setup

setup(cffi_modules=["build_krbrepl.py:ffi"])
