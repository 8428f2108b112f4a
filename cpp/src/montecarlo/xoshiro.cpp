#include "optionsib/montecarlo/xoshiro.hpp"

#include <array>
#include <bit>
#include <vector>

namespace optionsib::montecarlo {
namespace {

using Polynomial = std::array<std::uint64_t, 4>;

// Of the authors' reference code: x^(2^128) and x^(2^192) modulo the generator's characteristic polynomial.
constexpr Polynomial jump = {0x180ec6d33cfd0aba, 0xd5a61266f0c9392c, 0xa9582618e03fc9aa, 0x39abdc4529b1661c};
constexpr Polynomial long_jump = {0x76e15d3efefdcbbf, 0xc5004e441c522fb3, 0x77710069854ee241,
                                  0x39109bb02acbe635};

void advance(XoshiroState& state, int stream, const Polynomial& polynomial) noexcept {
    std::uint64_t sum[4] = {};
    for (const std::uint64_t coefficients : polynomial) {
        for (int bit = 0; bit < 64; ++bit) {
            if (coefficients >> bit & 1U)
                for (int i = 0; i < 4; ++i) sum[i] ^= state.word[i][stream];
            xoshiro_step(state, stream);
        }
    }
    for (int i = 0; i < 4; ++i) state.word[i][stream] = sum[i];
}

// A jump is linear over the field of two elements: column i is where bit i of the state goes.
using Words4 = std::array<std::uint64_t, 4>;
using Matrix = std::array<Words4, 256>;

Words4 product(const Matrix& matrix, const Words4& state) noexcept {
    Words4 sum{};
    for (std::size_t bit = 0; bit < 256; ++bit) {
        const std::uint64_t mask = 0 - (state[bit / 64] >> (bit % 64) & 1U);
        for (std::size_t i = 0; i < 4; ++i) sum[i] ^= matrix[bit][i] & mask;
    }
    return sum;
}

// The matrices of 2^0, 2^1, ... jumps.
std::vector<Matrix> powers_of_jump() {
    std::vector<Matrix> powers(48);
    for (std::size_t bit = 0; bit < 256; ++bit) {
        XoshiroState state{};
        state.word[bit / 64][0] = std::uint64_t{1} << (bit % 64);
        advance(state, 0, jump);
        for (std::size_t i = 0; i < 4; ++i) powers[0][bit][i] = state.word[i][0];
    }
    for (std::size_t k = 1; k < powers.size(); ++k)
        for (std::size_t bit = 0; bit < 256; ++bit)
            powers[k][bit] = product(powers[k - 1], powers[k - 1][bit]);
    return powers;
}

}  // namespace

std::uint64_t xoshiro_step(XoshiroState& state, int stream) noexcept {
    std::uint64_t &a = state.word[0][stream], &b = state.word[1][stream], &c = state.word[2][stream],
                  &d = state.word[3][stream];
    const std::uint64_t word = std::rotl(a + d, 23) + a, shifted = b << 17;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = std::rotl(d, 45);
    return word;
}

XoshiroState xoshiro_seeded(std::uint64_t seed) noexcept {
    XoshiroState state;
    for (auto& words : state.word) {
        seed += 0x9e3779b97f4a7c15u;
        std::uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        words[0] = z ^ (z >> 31);
    }
    for (int stream = 1; stream < xoshiro_streams; ++stream) {
        for (auto& words : state.word) words[stream] = words[stream - 1];
        advance(state, stream, long_jump);
    }
    return state;
}

void xoshiro_jump(XoshiroState& state) noexcept {
    for (int stream = 0; stream < xoshiro_streams; ++stream) advance(state, stream, jump);
}

void xoshiro_skip(XoshiroState& state, std::uint64_t blocks) {
    static const std::vector<Matrix> powers = powers_of_jump();
    for (std::size_t k = 0; k < powers.size(); ++k) {
        if ((blocks >> k & 1U) == 0) continue;
        for (int stream = 0; stream < xoshiro_streams; ++stream) {
            Words4 words;
            for (std::size_t i = 0; i < 4; ++i) words[i] = state.word[i][stream];
            words = product(powers[k], words);
            for (std::size_t i = 0; i < 4; ++i) state.word[i][stream] = words[i];
        }
    }
}

}  // namespace optionsib::montecarlo
