#pragma once

// Which instruction set the numerical kernels run on: chosen once, at the first question, as the best this
// machine has, or as the environment variable OPTIONSIB_SIMD says (baseline, avx2 or avx512).
//
// Within one path every result is a pure function of its element's inputs; between paths prices and Greeks
// differ by a few rounding errors. `baseline` uses no fused multiply-add and gives the same bits on every
// machine with IEEE arithmetic.

#include <cstdint>

namespace optionsib {

enum class SimdPath : std::int8_t { baseline = 0, avx2 = 1, avx512 = 2 };

// The path in use. Where OPTIONSIB_SIMD names none, or one this machine cannot run, it is `baseline` and
// simd_path_error() says why.
[[nodiscard]] SimdPath simd_path() noexcept;

// nullptr, or a sentence about a bad OPTIONSIB_SIMD for the user.
[[nodiscard]] const char* simd_path_error() noexcept;

[[nodiscard]] const char* simd_path_name(SimdPath path) noexcept;

[[nodiscard]] bool simd_path_supported(SimdPath path) noexcept;

}  // namespace optionsib
