"""The build tools of ``vault/`` as modules, and the program as Debian's clang builds it."""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]
CLANG = "clang-19 -target bpf"


@functools.cache
def load(name: str) -> ModuleType:
    """Import a build tool of ``vault/``, which is no package."""
    sys.path.insert(0, str(ROOT / "vault"))
    try:
        specification = importlib.util.spec_from_file_location(name, ROOT / "vault" / f"{name}.py")
        assert specification is not None
        assert specification.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
    finally:
        sys.path.remove(str(ROOT / "vault"))
    return module


@functools.cache
def debian_clang_build() -> bytes:
    """Compile and link with clang-19."""
    return bytes(load("build").build(CLANG))
