"""The build beyond what pyproject.toml says: one extension, the kernels (see build_native.py), and the addresses."""

import re
from pathlib import Path

from setuptools import Extension, setup


def addresses() -> dict[str, str]:
    """Addresses of the page on PyPI, made of the repository, which CITATION.cff alone names; none without that file."""
    citation = Path("CITATION.cff")
    text = citation.read_text(encoding="utf-8") if citation.is_file() else ""
    named = re.search(r'^repository-code: "(https://github\.com/([^/]+)/(.+))"$', text, re.MULTILINE)
    if named is None:
        return {}
    repository, owner, name = named.groups()
    return {
        "Documentation": f"https://{owner}.github.io/{name}/latest/",
        "Changelog": f"{repository}/blob/main/CHANGELOG.md",
        "Source": repository,
        "Issues": f"{repository}/issues",
    }


setup(ext_modules=[Extension("hiergeo._kernels", sources=["csrc/library.cpp"])], project_urls=addresses())
