"""Compile and link the Vault program: python vault/build.py -o vault.so [--compiler "clang-19 -target bpf"].

Without ``--compiler`` the pinned clang of ziglang is used (scripts/vault_env.sh makes its environment); every
file is compiled in the program's folder by its bare name, so that two folders give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from link import LinkError, link  # noqa: E402

PROGRAM = HERE / "program"
ZIG_PYTHON = HERE.parent / "build" / "vault-compiler" / "bin" / "python"
ZIG = f"{ZIG_PYTHON} -m ziglang cc -target bpfel-freestanding-none"
FLAGS = [
    "-std=c11",
    "-mcpu=v2",
    "-O2",
    "-ffreestanding",
    "-fno-builtin",
    "-nostdinc",
    "-g0",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unused-command-line-argument",
    "-mllvm",
    "-bpf-stack-size=4096",
]


class CompileError(ValueError):
    """The compiler refused a file; its message."""


def compile_file(source: Path, compiler: str, extra: tuple[str, ...] = ()) -> bytes:
    """Return the object file of one C file; ``extra`` arguments come last."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "out.o"
        command = [*shlex.split(compiler), *FLAGS, *extra, "-c", source.name, "-o", str(target)]
        done = subprocess.run(command, cwd=source.parent, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CompileError(f"{source.name}: {done.stderr.strip()}")
        return target.read_bytes()


def build(compiler: str = ZIG, folder: Path = PROGRAM) -> bytes:
    """Return the linked program of all C files in ``folder``."""
    return link({source.name: compile_file(source, compiler) for source in sorted(folder.glob("*.c"))})


def main() -> int:
    """Build from the command line; print the SHA-256."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", dest="output", type=Path, default=PROGRAM / "vault.so")
    parser.add_argument("--compiler", default=ZIG)
    options = parser.parse_args()
    try:
        program = build(options.compiler)
    except (CompileError, LinkError) as error:
        print(f"vault: {error}", file=sys.stderr)
        return 1
    options.output.write_bytes(program)
    digest = hashlib.sha256(program).hexdigest()
    options.output.with_suffix(".so.sha256").write_text(f"{digest}  {options.output.name}\n")
    print(f"{options.output.name}: {len(program)} bytes, SHA-256 {digest}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
