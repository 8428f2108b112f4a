"""Write compute units and rent of every Vault instruction into docs/vault-program.md: `make vault-costs`."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.vault_scenes import SCENES, Scene, close_with  # noqa: E402
from tests.vault_world import World  # noqa: E402

from optionsib.vault.schema import size_of  # noqa: E402

PAGE = ROOT / "docs" / "vault-program.md"
BEGIN, END = "<!-- costs: make vault-costs -->", "<!-- end of costs -->"


def units(scene: Scene) -> int:
    """Return what one instruction used."""
    world, instructions, signers = scene
    world.must(world.send(instructions, *signers))
    assert world.last is not None
    return int(world.last.compute_units_consumed())


def table() -> str:
    """Return the tables."""
    rent = World().vm.minimum_balance_for_rent_exemption
    vault, token, trade = rent(size_of("Vault")), rent(165), rent(size_of("Trade"))
    paid = {"create": vault + 2 * token, "open": trade}
    scenes = dict(SCENES)
    rows = [(name, scenes.pop(name)) for name in ("create", "deposit", "withdraw", "open")]
    rows += [("close with a loss", close_with(-50)), ("close with a profit and fee", scenes.pop("close"))]
    lines = ["| instruction | compute units | rent paid, SOL |", "| --- | ---: | ---: |"]
    for name, scene in (*rows, *scenes.items()):
        lamports = paid.get(name)
        lines.append(f"| {name} | {units(scene(World()))} | {f'{lamports / 1e9:.6f}' if lamports else ''} |")
    size = (ROOT / "vault" / "program" / "vault.so").stat().st_size
    program = rent(36) + rent(45 + size)
    lines += [
        "",
        f"The program itself has {size} bytes and costs {program / 1e9:.4f} SOL of rent once. A vault takes "
        f"{vault / 1e9:.6f} SOL and its two token accounts {2 * token / 1e9:.6f} SOL; the "
        f"{trade / 1e9:.6f} SOL of a trade come back when it ends. The units include the search for "
        "addresses and vary with the keys by some thousand.",
    ]
    return "\n".join(lines)


def main() -> int:
    """Write the page."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
