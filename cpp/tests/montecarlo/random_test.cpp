#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <vector>

#include "optionsib/simd.hpp"
#include "random_table.hpp"

namespace optionsib::test {
namespace {

struct Path {
    const char* name;
    const RandomNumbers* numbers;
};

std::vector<Path> paths() {
    std::vector<Path> all = {{"baseline", &random_baseline}};
#ifdef OPTIONSIB_X86_PATHS
    if (simd_path_supported(SimdPath::avx2)) all.push_back({"avx2", &random_avx2});
    if (simd_path_supported(SimdPath::avx512)) all.push_back({"avx512", &random_avx512});
#endif
    return all;
}

using Words = std::vector<std::uint64_t>;
using Numbers = std::vector<double>;

// The algorithm as its paper states it.
std::array<std::uint32_t, 4> plain_philox(std::array<std::uint32_t, 4> x, std::array<std::uint32_t, 2> key) {
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t low = std::uint64_t{0xD2511F53} * x[0], high = std::uint64_t{0xCD9E8D57} * x[2];
        x = {static_cast<std::uint32_t>(high >> 32) ^ x[1] ^ key[0], static_cast<std::uint32_t>(high),
             static_cast<std::uint32_t>(low >> 32) ^ x[3] ^ key[1], static_cast<std::uint32_t>(low)};
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
    return x;
}

std::uint64_t join(std::uint32_t low, std::uint32_t high) {
    return low | static_cast<std::uint64_t>(high) << 32;
}

Words xoshiro_words(const RandomNumbers& numbers, std::uint64_t seed, std::size_t size) {
    Words words(size);
    numbers.xoshiro(montecarlo::xoshiro_seeded(seed), size, words.data());
    return words;
}

TEST_CASE("the plain Philox gives the known answers of its authors") {
    // Random123, kat_vectors: philox4x32 10.
    CHECK(plain_philox({0, 0, 0, 0}, {0, 0}) ==
          std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    CHECK(plain_philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
          std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    CHECK(plain_philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
          std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("Philox on registers is the plain one, whatever the path") {
    constexpr std::size_t size = 64;
    Words first(size), second(size);
    for (const Path& path : paths()) {
        CAPTURE(path.name);
        for (const std::uint64_t seed : {0ULL, 0xffffffffffffffffULL, 0x123456789abcdef0ULL})
            for (const std::uint64_t start : {0ULL, 0xffffffe0ULL, 0xfffffffffffffff0ULL})
                for (const std::uint64_t draw : {0ULL, 7ULL, 0xffffffffULL}) {
                    path.numbers->philox(seed, start, draw, draw / 3, size, first.data(), second.data());
                    std::size_t wrong = 0;
                    for (std::size_t i = 0; i < size; ++i) {
                        const std::uint64_t number = start + i;
                        const auto plain = plain_philox(
                            {static_cast<std::uint32_t>(number), static_cast<std::uint32_t>(number >> 32),
                             static_cast<std::uint32_t>(draw), static_cast<std::uint32_t>(draw / 3)},
                            {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
                        wrong +=
                            first[i] != join(plain[0], plain[1]) || second[i] != join(plain[2], plain[3]);
                    }
                    CHECK(wrong == 0);
                }
    }
}

TEST_CASE("xoshiro256++ gives the known first words") {
    // From the state 1, 2, 3, 4, as in the test of the crate rand_xoshiro.
    montecarlo::XoshiroState state{};
    for (std::uint64_t i = 0; i < 4; ++i) state.word[i][3] = i + 1;
    for (const std::uint64_t word :
         {41943041ULL, 58720359ULL, 3588806011781223ULL, 3591011842654386ULL, 9228616714210784205ULL,
          9973669472204895162ULL, 14011001112246962877ULL, 12406186145184390807ULL, 15849039046786891736ULL,
          10450023813501588000ULL})
        CHECK(montecarlo::xoshiro_step(state, 3) == word);
}

TEST_CASE("xoshiro on registers steps every stream as the plain one does") {
    const Words words = xoshiro_words(random_baseline, 20, 4096);
    montecarlo::XoshiroState state = montecarlo::xoshiro_seeded(20);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < words.size(); ++i)
        wrong += words[i] != montecarlo::xoshiro_step(state, static_cast<int>(i % 8));
    CHECK(wrong == 0);
    for (const Path& path : paths()) {
        CAPTURE(path.name);
        CHECK(xoshiro_words(*path.numbers, 20, 4096) == words);
    }
}

using Bits = std::bitset<256>;

Bits bits_of(const montecarlo::XoshiroState& state, int stream) {
    Bits bits;
    for (std::size_t i = 0; i < 256; ++i) bits[i] = state.word[i / 64][stream] >> (i % 64) & 1U;
    return bits;
}

TEST_CASE("jumps go 2^128 and 2^192 steps: by squaring the matrix of one step") {
    std::vector<Bits> columns(256);  // the image of every unit vector
    for (std::size_t i = 0; i < 256; ++i) {
        montecarlo::XoshiroState unit{};
        unit.word[i / 64][0] = std::uint64_t{1} << (i % 64);
        montecarlo::xoshiro_step(unit, 0);
        columns[i] = bits_of(unit, 0);
    }
    const auto times = [](const std::vector<Bits>& matrix, const Bits& vector) {
        Bits sum;
        for (std::size_t i = 0; i < 256; ++i)
            if (vector[i]) sum ^= matrix[i];
        return sum;
    };
    const montecarlo::XoshiroState start = montecarlo::xoshiro_seeded(5);
    montecarlo::XoshiroState next = start;
    montecarlo::xoshiro_jump(next);
    for (int power = 1; power <= 192; ++power) {
        std::vector<Bits> square(256);
        for (std::size_t i = 0; i < 256; ++i) square[i] = times(columns, columns[i]);
        columns = square;
        if (power == 128)
            for (int stream = 0; stream < montecarlo::xoshiro_streams; ++stream)
                CHECK(times(columns, bits_of(start, stream)) == bits_of(next, stream));
    }
    for (int stream = 1; stream < montecarlo::xoshiro_streams; ++stream)
        CHECK(times(columns, bits_of(start, stream - 1)) == bits_of(start, stream));
}

TEST_CASE("uniform numbers stay within (0, 1) at the ends") {
    const Words words = {0, 1, 4095, 4096, ~std::uint64_t{0}, std::uint64_t{1} << 63, 1u << 13, 42};
    for (const Path& path : paths()) {
        CAPTURE(path.name);
        Numbers u(8);
        path.numbers->uniform(8, words.data(), u.data());
        for (std::size_t i = 0; i < 8; ++i)
            CHECK(u[i] == (static_cast<double>(words[i] >> 12) + 0.5) * 0x1p-52);
    }
}

TEST_CASE("the logarithm of a uniform number") {
    Numbers x, logarithm;
    for (int i = 0; i < 40'000; ++i) x.push_back(std::exp2(-53.0 * i / 40'000.0));
    for (int i = 1; i < 24; ++i)
        x.push_back(std::nextafter(1.0 - i / 32.0, 0.0)), x.push_back(1.0 - i / 32.0);
    while (x.size() % 8 != 0) x.push_back(0.5);
    logarithm.resize(x.size());
    for (const Path& path : paths()) {
        CAPTURE(path.name);
        path.numbers->log_of_uniform(x.size(), x.data(), logarithm.data());
        double worst = 0.0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            const double expected = std::log(x[i]);
            worst = std::max(worst, std::fabs(logarithm[i] - expected) / std::max(1.0, std::fabs(expected)));
        }
        CHECK(worst < 4e-16);
    }
}

TEST_CASE("normal pairs are the formula of Box and Muller, and the same on every path") {
    const Words words = xoshiro_words(random_baseline, 1, 16'384);
    const std::size_t size = words.size() / 2;
    const std::uint64_t *first = words.data(), *second = words.data() + size;
    Numbers u(size), v(size), expected_first(size), expected_second(size);
    random_baseline.uniform(size, first, u.data());
    random_baseline.uniform(size, second, v.data());
    for (std::size_t i = 0; i < size; ++i) {
        const double angle = (v[i] - 0.5) * std::acos(0.0), sign = second[i] >> 1 & 1U ? -1.0 : 1.0;
        const double radius = sign * std::sqrt(-2.0 * std::log(u[i]));
        expected_first[i] = radius * (second[i] & 1U ? std::sin(angle) : std::cos(angle));
        expected_second[i] = radius * (second[i] & 1U ? std::cos(angle) : std::sin(angle));
    }
    for (const Path& path : paths()) {
        CAPTURE(path.name);
        Numbers a(size), b(size);
        path.numbers->normal_pair(size, first, second, a.data(), b.data());
        double worst = 0.0;
        for (std::size_t i = 0; i < size; ++i)
            worst =
                std::max({worst, std::fabs(a[i] - expected_first[i]), std::fabs(b[i] - expected_second[i])});
        CHECK(worst < 4e-15);
    }
}

// The cosines of whole multiples of the angle tell a missing quadrant, the moments a wrong radius.
TEST_CASE("normal numbers are normal and independent: moments, quantiles, correlations") {
    constexpr std::size_t size = 1 << 19;
    Words first(size), second(size);
    Numbers a(size), b(size);
    const auto mean = [](const Numbers& x, const auto& f) {
        double sum = 0.0;
        for (const double value : x) sum += f(value);
        return sum / static_cast<double>(x.size());
    };
    for (const bool counter_based : {true, false}) {
        CAPTURE(counter_based);
        const RandomNumbers& numbers = *paths().back().numbers;
        if (counter_based) {
            numbers.philox(99, 0, 3, 0, size, first.data(), second.data());
        } else {
            const Words words = xoshiro_words(numbers, 99, 2 * size);
            std::copy_n(words.begin(), size, first.begin());
            std::copy_n(words.begin() + size, size, second.begin());
        }
        numbers.normal_pair(size, first.data(), second.data(), a.data(), b.data());
        const double root = std::sqrt(static_cast<double>(size));
        double cross = 0.0, squares = 0.0, neighbours = 0.0;
        for (std::size_t i = 0; i < size; ++i) {
            cross += a[i] * b[i];
            squares += (a[i] * a[i] - 1.0) * (b[i] * b[i] - 1.0);
            neighbours += a[i] * a[(i + 1) % size];
        }
        CHECK(std::fabs(cross) / root < 4.0);
        CHECK(std::fabs(squares) / root < 4.0 * 2.0);
        CHECK(std::fabs(neighbours) / root < 4.0);
        for (const Numbers* z : {&a, &b}) {
            CHECK(std::fabs(mean(*z, [](double x) { return x; })) * root < 4.0);
            CHECK(std::fabs(mean(*z, [](double x) { return x * x - 1.0; })) * root < 4.0 * std::sqrt(2.0));
            CHECK(std::fabs(mean(*z, [](double x) { return x * x * x; })) * root < 4.0 * std::sqrt(15.0));
            CHECK(std::fabs(mean(*z, [](double x) { return std::pow(x, 4) - 3.0; })) * root <
                  4.0 * std::sqrt(96.0));
            // Kolmogorov and Smirnov: 1.95 / sqrt(n) has a level of 0.1 %.
            Numbers sorted = *z;
            std::sort(sorted.begin(), sorted.end());
            double distance = 0.0;
            for (std::size_t i = 0; i < size; ++i) {
                const double cdf = 0.5 * std::erfc(-sorted[i] / std::sqrt(2.0));
                distance = std::max(distance, std::fabs(cdf - (static_cast<double>(i) + 0.5) / size));
            }
            CHECK(distance * root < 1.95);
        }
        for (const int multiple : {1, 2, 3, 4, 8}) {
            double sum = 0.0;
            for (std::size_t i = 0; i < size; ++i) sum += std::cos(multiple * std::atan2(b[i], a[i]));
            CHECK(std::fabs(sum) / root < 4.0 * std::sqrt(0.5));
        }
    }
}

}  // namespace
}  // namespace optionsib::test
