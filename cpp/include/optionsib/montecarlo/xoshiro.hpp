#pragma once

// xoshiro256++ 1.0 (D. Blackman, S. Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 2021).
// Eight generators side by side, 2^192 steps apart, give the words of eight neighbouring paths; the blocks of
// paths are 2^128 steps apart. So a number depends on seed and path, not on lanes or threads.

#include <cstdint>

#include "optionsib/math/simd/lanes.hpp"

namespace optionsib::montecarlo {

inline constexpr int xoshiro_streams = 8;

struct XoshiroState {
    std::uint64_t word[4][xoshiro_streams];
};

// The state of the first block: the four words of SplitMix64 from `seed`, and seven long jumps from there.
[[nodiscard]] XoshiroState xoshiro_seeded(std::uint64_t seed) noexcept;

// 2^128 steps on, for every stream: to the next block.
void xoshiro_jump(XoshiroState& state) noexcept;

// `blocks` such jumps, in time proportional to the logarithm.
void xoshiro_skip(XoshiroState& state, std::uint64_t blocks);

// One step of one stream; returns its word.
std::uint64_t xoshiro_step(XoshiroState& state, int stream) noexcept;

inline namespace OPTIONSIB_LANES {

// The streams in registers.
struct Xoshiro {
    static constexpr int registers = xoshiro_streams / simd::Words::size;

    struct Register {
        simd::Words a, b, c, d;
    };
    Register at[registers];

    OPTIONSIB_INLINE explicit Xoshiro(const XoshiroState& state) {
        for (int i = 0; i < registers; ++i) {
            const int place = i * simd::Words::size;
            at[i] = {simd::load_words(state.word[0] + place), simd::load_words(state.word[1] + place),
                     simd::load_words(state.word[2] + place), simd::load_words(state.word[3] + place)};
        }
    }

    // The next words of the streams of register `i`.
    OPTIONSIB_INLINE simd::Words next(int i) {
        using namespace simd;  // NOLINT
        Register& s = at[i];
        const Words word = rotate_left<23>(s.a + s.d) + s.a, shifted = shift_left<17>(s.b);
        s.c = s.c ^ s.a;
        s.d = s.d ^ s.b;
        s.b = s.b ^ s.c;
        s.a = s.a ^ s.d;
        s.c = s.c ^ shifted;
        s.d = rotate_left<45>(s.d);
        return word;
    }
};

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::montecarlo
