"""The linker refuses what would not do on the chain what it says in C."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest
from tests.vault_tools import CLANG, ROOT, load

link = load("link")
BUILD = load("build")
COMPILERS = {"clang": CLANG, "ziglang": BUILD.ZIG}
ENTRY = "unsigned long long entrypoint(unsigned char *in) {"


def compiler(name: str) -> str:
    if name == "clang" and shutil.which("clang-19") is None:
        pytest.skip("Debian's clang-19 is not installed")
    if name == "ziglang" and not (ROOT / "build" / "vault-compiler" / "complete").exists():
        pytest.skip("the pinned compiler is not installed: scripts/vault_env.sh")
    return COMPILERS[name]


def objects(tmp_path: Path, name: str, *sources: str, extra: str = "") -> dict[str, bytes]:
    found = {}
    for number, source in enumerate(sources):
        path = tmp_path / f"part{number}.c"
        path.write_text(source)
        found[path.name] = BUILD.compile_file(path, compiler(name), ("-w", *extra.split()))
    return found


REFUSED = {
    "32-bit arithmetic": (
        ENTRY + "return *(unsigned *)in + 1u == *(unsigned *)(in + 4); }",
        "-mcpu=v3",
        "32-bit",
    ),
    "data that can be written": (
        "long count = 5;" + ENTRY + "return count++; }",
        "",
        "data that can be written",
    ),
    "zeroed data": ("long count;" + ENTRY + "return count++; }", "", "data that can be written"),
    "indirect call": (
        "typedef unsigned long long (*F)(void);" + ENTRY + "return (*(F *)in)(); }",
        "",
        "indirect call",
    ),
    "address of a function": (
        "void other(void); void other(void) {}" + ENTRY + "*(void **)in = (void *)other; return 0; }",
        "",
        "address of a function",
    ),
    "table of functions": (
        "typedef void (*F)(void); void one(void); void two(void); void one(void) {} void two(void) {}"
        "extern F const TABLE[2]; F const TABLE[2] = {one, two};"
        + ENTRY
        + "*(F *)in = TABLE[in[9]]; return 0; }",
        "",
        "address of a function",
    ),
    "atomic": (ENTRY + "return __sync_fetch_and_add((long *)in, 1); }", "-mcpu=v3", "atomic|32-bit"),
    "byte swap": (ENTRY + "return __builtin_bswap64(*(unsigned long long *)in); }", "", "32-bit|opcode"),
    "unknown function": (
        "void sol_unknown(void);" + ENTRY + "sol_unknown(); return 0; }",
        "",
        "sol_unknown is neither",
    ),
    "copy of a large structure": (
        "struct S { char b[4096]; };" + ENTRY + "*(struct S *)in = *(struct S *)(in + 8192); return 0; }",
        "",
        "memcpy",
    ),
    "no entry point": ("int other(void); int other(void) { return 1; }", "", "no function entrypoint"),
    "thread-local data": (
        "__thread long count;" + ENTRY + "return count; }",
        "",
        "thread-local|TLS|not supported|error",
    ),
}


@pytest.mark.parametrize("name", sorted(COMPILERS))
@pytest.mark.parametrize("what", sorted(REFUSED))
def test_refused(what: str, name: str, tmp_path: Path) -> None:
    source, extra, reason = REFUSED[what]
    with pytest.raises((link.LinkError, BUILD.CompileError), match=reason):
        link.link(objects(tmp_path, name, source, extra=extra))


NOT_COMPILED = {
    "signed division": ENTRY + "return *(long *)in / *(long *)(in + 8); }",
    "128-bit multiplication": ENTRY
    + "return ((unsigned __int128)*(unsigned long long *)in * in[8]) >> 64; }",
    "floating point": ENTRY + "return (unsigned long long)(*(double *)in * 1.5); }",
    "a frame above 4096 bytes": "void use(volatile char *);"
    + ENTRY
    + "volatile char big[5000]; big[in[0]] = 1; return big[in[1]]; }",
    "more than five arguments": (
        "__attribute__((noinline)) static long f(long a, long b, long c, long d, long e, long g)"
        "{ return a * b + c * d + e * g; }" + ENTRY + "return f(in[0], in[1], in[2], in[3], in[4], in[5]); }"
    ),
}


@pytest.mark.parametrize("name", sorted(COMPILERS))
@pytest.mark.parametrize("what", sorted(NOT_COMPILED))
def test_not_compiled_or_refused(what: str, name: str, tmp_path: Path) -> None:
    """Either the compiler stops, or it calls a helper function that the linker does not know."""
    with pytest.raises((link.LinkError, BUILD.CompileError)):
        link.link(objects(tmp_path, name, NOT_COMPILED[what]))


def test_defined_twice(tmp_path: Path) -> None:
    whole = ENTRY + "return 0; }"
    with pytest.raises(link.LinkError, match="defined twice"):
        link.link(objects(tmp_path, "clang", whole, whole))


def test_a_syscall_is_not_redefined(tmp_path: Path) -> None:
    source = (
        "void sol_memcpy_(void *, void *, long); void sol_memcpy_(void *a, void *b, long n) {}"
        + ENTRY
        + "return 0; }"
    )
    with pytest.raises(link.LinkError, match="defined twice"):
        link.link(objects(tmp_path, "clang", source))


@pytest.mark.parametrize(
    "raw", [b"", b"\x7fELF", b"\x7fELF\x02\x01" + bytes(200), b"MZ" * 50, b"\x7fELF\x02\x01" + b"\xff" * 90]
)
def test_not_an_object(raw: bytes) -> None:
    with pytest.raises(link.LinkError, match=r"a\.o"):
        link.link({"a.o": raw})


@pytest.mark.parametrize(
    "opcode", [0x04, 0xB4, 0x16, 0xDC, 0xD4, 0xDB, 0xC3, 0x8D, 0x9D, 0x06, 0x00, 0xFF, 0x81]
)
def test_every_other_opcode_is_refused(opcode: int) -> None:
    with pytest.raises(link.LinkError):
        link._check_code(struct.pack("<BBhi", opcode, 0, 0, 0) + struct.pack("<BBhi", 0x95, 0, 0, 0), set())


@pytest.mark.parametrize("offset", [-4104, 0, 8])
@pytest.mark.parametrize(("opcode", "registers"), [(0x79, 0xA0), (0x7B, 0x0A), (0x7A, 0x0A)])
def test_stack_accesses_outside_the_frame(opcode: int, registers: int, offset: int) -> None:
    with pytest.raises(link.LinkError, match="stack"):
        link._check_code(struct.pack("<BBhi", opcode, registers, offset, 0), set())
    link._check_code(struct.pack("<BBhi", opcode, registers, -4096, 0), set())


def test_a_call_out_of_the_code_is_refused() -> None:
    with pytest.raises(link.LinkError, match="nowhere"):
        link._check_code(struct.pack("<BBhi", 0x85, 0x10, 0, 7), set())
    with pytest.raises(link.LinkError, match="nowhere"):
        link._check_code(struct.pack("<BBhi", 0x85, 0, 0, -1), set())


def test_syscalls_are_named_by_murmur3() -> None:
    assert link.murmur3_32(b"") == 0
    assert link.murmur3_32(b"hello") == 0x248BFA47
    assert link.murmur3_32(b"hello, world") == 0x149BBB7F


@pytest.mark.parametrize("name", sorted(COMPILERS))
def test_tables_of_constants_and_strings_run_in_the_vm(name: str, tmp_path: Path) -> None:
    pytest.importorskip("solders")
    from solders.instruction import Instruction
    from solders.litesvm import LiteSVM
    from solders.message import Message
    from solders.transaction import Transaction
    from tests.vault_world import key

    source = (
        "extern const long SQUARES[]; const long SQUARES[] = {0, 1, 4, 9, 16, 25, 36, 49, 64, 81};"
        'extern const char *const WORDS[]; const char *const WORDS[] = {"zero", "one", "two"};'
        + ENTRY
        + "unsigned char n = in[16]; switch (n) { case 7: return 1000 + WORDS[n - 5][1]; case 2: return 70;"
        " default: return SQUARES[n % 10]; } }"
    )
    vm, payer, program = LiteSVM().with_mainnet_features(), key("payer"), key("program").pubkey()
    vm.airdrop(payer.pubkey(), 10**9)
    vm.add_program(program, link.link(objects(tmp_path, name, source)))
    for value, expected in ((7, 1000 + ord("w")), (2, 70), (9, 81)):
        instruction = Instruction(program, bytes([value]), [])
        message = Message.new_with_blockhash([instruction], payer.pubkey(), vm.latest_blockhash())
        result = vm.send_transaction(Transaction([payer], message, vm.latest_blockhash()))
        answer = str(result.err())  # type: ignore[union-attr]
        assert f"Custom({expected})" in answer
