#pragma once

// Code of one instruction set must never be merged with another's by the linker, so everything under
// math/simd is inlined, always.
#define OPTIONSIB_INLINE [[gnu::always_inline]] inline
#define OPTIONSIB_FRIEND [[gnu::always_inline]] friend inline
