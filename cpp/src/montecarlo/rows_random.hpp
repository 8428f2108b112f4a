#pragma once

// Kernels that draw normal numbers.

#include "optionsib/montecarlo/normals.hpp"
#include "optionsib/montecarlo/sobol.hpp"
#include "rows_machine.hpp"

namespace optionsib::montecarlo {
inline namespace OPTIONSIB_LANES {

// `next(j, words)` gives the words of registers j and j + 1 of the row.
template <class Source>
OPTIONSIB_INLINE void fill(Source& next, double* d, double* e) {
    for (int j = 0; j < row_paths / Words::size; j += 2) {
        WordPair words[2];
        next(j, words);
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
            const auto pair = normal_pair(words[i].first, words[i].second);
            put(d + (j + i) * Words::size, pair.first);
            put(e + (j + i) * Words::size, pair.second);
        }
    }
}
template <class Source>
OPTIONSIB_INLINE void fill(Source& next, float* d, float* e) {
    for (int j = 0; j < row_paths / Floats::size; j += 2) {
        WordPair words[2];
        next(j, words);
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
            const auto pair = narrow_normal_pair(words[i].first, words[i].second);
            put(d + (j + i) * Floats::size, pair.first);
            put(e + (j + i) * Floats::size, pair.second);
        }
    }
}
template <class Source>
void fill_paired(Source& next, double* d, double* e) {
    std::uint32_t first[row_paths], second[row_paths];
    std::uint64_t one[row_paths], two[row_paths];
    for (int j = 0; j < row_paths / Floats::size; j += 2) {
        WordPair words[2];
        next(j, words);
        for (int i = 0; i < 2; ++i) {
            const auto a = simd::halves(words[i].first), b = simd::halves(words[i].second);
            __builtin_memcpy(first + (j + i) * Floats::size, &a, sizeof a);
            __builtin_memcpy(second + (j + i) * Floats::size, &b, sizeof b);
        }
    }
    for (int j = 0; j < row_paths; ++j) {
        one[j] = word_of_first_half(first[j]);
        two[j] = word_of_second_half(second[j]);
    }
    auto paired = [&](int j, WordPair(&words)[2]) {
        for (int i = 0; i < 2; ++i) {
            const int at = (j + i) * Words::size;
            words[i] = {simd::load_words(one + at), simd::load_words(two + at)};
        }
    };
    fill(paired, d, e);
}
template <class E, class Source>
OPTIONSIB_INLINE void fill_rows(Machine<E>& m, Source& next, E* d, E* e) {
    if constexpr (sizeof(E) == 8) {
        if (m.program->precision == Precision::paired) {
            fill_paired(next, d, e);
            return;
        }
    }
    fill(next, d, e);
}

// Single precision: two neighbouring paths share the 128 bits of a counter.
template <class E>
void philox_rows(Machine<E>& m, const Instruction& i) noexcept {
    const bool shared = m.program->precision != Precision::wide;
    std::uint64_t first[Words::size];
    for (int j = 0; j < Words::size; ++j)
        first[j] = (shared ? m.path / 2 : m.path) + static_cast<std::uint64_t>(j);
    const Words lanes = simd::load_words(first);
    const PhiloxKeys keys = m.keys;  // where no store can change it
    const std::uint64_t draw = i.n;
    auto next = [&](int j, WordPair(&words)[2]) __attribute__((always_inline)) {
        const auto at = static_cast<std::uint64_t>(j) * Words::size;
        const Words path[2] = {lanes + Words(at), lanes + Words(at + Words::size)};
        philox(keys, path, draw, 0, words);
    };
    fill_rows(m, next, m.row(i.d), m.row(i.e));
}

template <class E>
void xoshiro_rows(Machine<E>& m, const Instruction& i) noexcept {
    Xoshiro streams(m.streams);
    auto next = [&](int j, WordPair(&words)[2]) __attribute__((always_inline)) {
        for (int r = 0; r < 2; ++r) {
            const int place = (j + r) % Xoshiro::registers;
            const Words first = streams.next(place);
            words[r] = {first, streams.next(place)};
        }
    };
    fill_rows(m, next, m.row(i.d), m.row(i.e));
    for (int r = 0; r < Xoshiro::registers; ++r) {
        const int place = r * Words::size;
        simd::store(m.streams.word[0] + place, streams.at[r].a);
        simd::store(m.streams.word[1] + place, streams.at[r].b);
        simd::store(m.streams.word[2] + place, streams.at[r].c);
        simd::store(m.streams.word[3] + place, streams.at[r].d);
    }
}

template <class E>
void sobol_row(Machine<E>& m, const Instruction& i) noexcept {
    const std::uint64_t replicate = m.path / m.program->replicate_paths;
    const auto index = static_cast<std::uint32_t>(m.path % m.program->replicate_paths);
    const std::uint32_t* v = m.program->directions.data() + std::size_t{i.n} * 32;
    std::uint32_t x[row_paths];
    x[0] = 0;
    for (int bit = 8; bit < 32; ++bit) x[0] ^= v[bit] & (0u - (index >> bit & 1u));
    for (int bit = 0; bit < 8; ++bit)
        for (int j = 0; j < 1 << bit; ++j) x[(1 << bit) + j] = x[j] ^ v[bit];
    const std::uint32_t seed = scramble_seed(m.program->seed, replicate, i.n);
    double uniforms[row_paths];
    for (int j = 0; j < row_paths; ++j) {
        std::uint32_t y = owen_scrambled(x[j], seed);
        y = (y >> 1 & 0x55555555u) | (y & 0x55555555u) << 1;
        y = (y >> 2 & 0x33333333u) | (y & 0x33333333u) << 2;
        y = (y >> 4 & 0x0f0f0f0fu) | (y & 0x0f0f0f0fu) << 4;
        y = (y >> 8 & 0x00ff00ffu) | (y & 0x00ff00ffu) << 8;
        y = y >> 16 | y << 16;
        uniforms[j] = (static_cast<double>(y) + 0.5) * 0x1p-32;
    }
    E* d = m.row(i.d);
    if constexpr (sizeof(E) == 8) {
        for (int j = 0; j < row_paths; j += Reals::size) put(d + j, normal_quantile(get(uniforms + j)));
    } else {
        for (int j = 0; j < row_paths; j += Reals::size)
            put(uniforms + j, normal_quantile(get(uniforms + j)));
        for (int j = 0; j < row_paths; ++j) d[j] = static_cast<float>(uniforms[j]);
    }
}

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::montecarlo
