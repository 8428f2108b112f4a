"""Write the primitive polynomials and initial direction numbers of Sobol's sequence.

    python scripts/generate_sobol_numbers.py

They are the first dimensions of new-joe-kuo-6 (S. Joe and F. Y. Kuo, SIAM J. Sci. Comput. 30 (2008)), read
from the copy that SciPy ships; the file written is cpp/src/montecarlo/sobol_numbers.hpp.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.stats

DIMENSIONS = 1024
ROOT = Path(__file__).resolve().parents[1]
NOTICE = ROOT / "NOTICE"  # whose last part is the numbers' licence
TARGET = ROOT / "cpp" / "src" / "montecarlo" / "sobol_numbers.hpp"


def main() -> None:
    """Write the header."""
    with np.load(Path(scipy.stats.__file__).parent / "_sobol_direction_numbers.npz") as numbers:
        polynomials = [int(p) for p in numbers["poly"][:DIMENSIONS]]
        initial = [
            int(m)
            for p, row in zip(polynomials, numbers["vinit"], strict=False)
            for m in row[: p.bit_length() - 1]
        ]
    notice = NOTICE.read_text().split("under this licence:\n\n")[1]
    text = (
        "// Written by scripts/generate_sobol_numbers.py; do not edit. From new-joe-kuo-6 of S. Joe and\n"
        "// F. Y. Kuo (see sobol.hpp), under this licence:\n//\n"
        + "".join(f"// {line}".rstrip() + "\n" for line in notice.splitlines())
        + "#pragma once\n\n#include <cstdint>\n\n"
        "// clang-format off\nnamespace optionsib::montecarlo {\n\n"
        "// Coefficients as bits, the highest first; the first dimension has none.\n"
    )
    for name, values in (("sobol_polynomials", polynomials), ("sobol_initial", initial)):
        text += f"inline constexpr std::uint16_t {name}[{len(values)}] = {{\n"
        for i in range(0, len(values), 20):
            text += "    " + " ".join(f"{value}," for value in values[i : i + 20]) + "\n"
        text += "};\n\n"
    TARGET.write_text(text + "}  // namespace optionsib::montecarlo\n// clang-format on\n")


if __name__ == "__main__":
    main()
