// Every primitive on every instruction set of this machine, against long double.

#include "optionsib/simd.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "primitives_table.hpp"

using namespace optionsib;
using namespace optionsib::test;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr long double half_pi = 1.570796326794896619231321691639751442L;
using Reference = long double (*)(long double a, long double b);

struct Path {
    SimdPath path;
    const Primitives* primitives;
};

std::vector<Path> paths() {
    std::vector<Path> all = {{SimdPath::baseline, &primitives_baseline}};
#ifdef OPTIONSIB_X86_PATHS
    if (simd_path_supported(SimdPath::avx2)) all.push_back({SimdPath::avx2, &primitives_avx2});
    if (simd_path_supported(SimdPath::avx512)) all.push_back({SimdPath::avx512, &primitives_avx512});
#endif
    return all;
}

// A multiple of every pack size.
constexpr std::size_t count = 24 * 400;

struct Range {
    double low, high;
    bool logarithmic = false;
};

std::vector<double> draw(Range range, unsigned seed) {
    std::mt19937_64 generator(seed);
    std::vector<double> values(count);
    for (double& value : values) {
        const double u = static_cast<double>(generator() >> 11) * 0x1p-53;
        value = range.logarithmic ? range.low * std::pow(range.high / range.low, u)
                                  : range.low + (range.high - range.low) * u;
    }
    return values;
}

// In units in the last place of the exact value.
double error_in_ulp(double got, long double exact) {
    const double rounded = std::fabs(static_cast<double>(exact));
    const double ulp = std::nextafter(rounded, infinity) - rounded;
    return static_cast<double>(std::fabs(static_cast<long double>(got) - exact) / ulp);
}

void check(Primitive which, Range first, Range second, Reference exact, double bound) {
    const std::vector<double> a = draw(first, 1), b = draw(second, 2);
    for (const Path& path : paths()) {
        CAPTURE(std::string(simd_path_name(path.path)));
        CAPTURE(static_cast<int>(which));
        std::vector<double> one(count), three(count);
        path.primitives->one(which, count, a.data(), b.data(), one.data());
        path.primitives->three(which, count, a.data(), b.data(), three.data());
        CHECK(std::memcmp(one.data(), three.data(), count * sizeof(double)) == 0);
        double worst = 0.0, worst_a = 0.0, worst_b = 0.0;
        for (std::size_t i = 0; i < count; ++i) {
            const double error = error_in_ulp(one[i], exact(a[i], b[i]));
            if (error <= worst) continue;
            worst = error;
            worst_a = a[i];
            worst_b = b[i];
        }
        CAPTURE(worst);
        CAPTURE(worst_a);
        CAPTURE(worst_b);
        CHECK(worst <= bound);
    }
}

long double mills(long double x) {
    if (x < 5.0L) return std::sqrt(half_pi) * std::erfc(x / std::sqrt(2.0L)) * std::exp(x * x / 2.0L);
    long double fraction = x;
    for (int k = 200; k > 0; --k) fraction = x + static_cast<long double>(k) / fraction;
    return 1.0L / fraction;
}

long double mills_slope(long double x) {
    if (x < 3.0L) return 1.0L - x * mills(x);
    long double fraction = x;
    for (int k = 300; k > 1; --k) fraction = x + static_cast<long double>(k) / fraction;
    return (1.0L / fraction) / (x + 1.0L / fraction);
}

// A(a) - A(a + b) by the integral of B over [a, a + b], Gauss-Legendre of eight points in pieces.
long double mills_difference(long double a, long double b) {
    constexpr long double node[4] = {0.1834346424956498049394761L, 0.5255324099163289858177390L,
                                     0.7966664774136267395915539L, 0.9602898564975362316835609L};
    constexpr long double weight[4] = {0.3626837833783619829651504L, 0.3137066458778872873379622L,
                                       0.2223810344533744705443560L, 0.1012285362903762591525314L};
    const int pieces = 1 + static_cast<int>(b * 8.0L);
    const long double half = b / static_cast<long double>(2 * pieces);
    long double sum = 0.0L;
    for (int piece = 0; piece < pieces; ++piece) {
        const long double centre = a + half * static_cast<long double>(2 * piece + 1);
        for (int i = 0; i < 4; ++i)
            sum += weight[i] * (mills_slope(centre - half * node[i]) + mills_slope(centre + half * node[i]));
    }
    return sum * half;
}

double apply_one(const Path& path, Primitive which, double a, double b = 0.0) {
    double as[8], bs[8], out[8];
    for (int i = 0; i < 8; ++i) {
        as[i] = a;
        bs[i] = b;
    }
    path.primitives->one(which, 8, as, bs, out);
    return out[7];
}

}  // namespace

TEST_CASE("exponential and logarithms") {
    const auto exp = [](long double a, long double) { return std::exp(a); };
    check(Primitive::exp, {-700, 700}, {0, 1}, exp, 1.5);
    check(Primitive::exp, {-1, 1}, {0, 1}, exp, 1.5);
    check(Primitive::exp, {-745, -708}, {0, 1}, exp, 1.5);
    const auto log = [](long double a, long double) { return std::log(a); };
    check(Primitive::log, {1e-307, 1, true}, {0, 1}, log, 3);
    check(Primitive::log, {1, 8e307, true}, {0, 1}, log, 3);
    check(Primitive::log, {0.5, 2}, {0, 1}, log, 3);
    check(Primitive::log, {0.9999, 1.0001}, {0, 1}, log, 3);
    const auto log1p = [](long double a, long double) { return std::log1p(a); };
    check(Primitive::log1p, {-0.99, 3}, {0, 1}, log1p, 3);
    check(Primitive::log1p, {-1e-3, 1e-3}, {0, 1}, log1p, 3);
    check(Primitive::log1p, {1e-12, 1e12, true}, {0, 1}, log1p, 3);
    const auto ratio = [](long double a, long double b) {
        return std::fabs(a / b - 1.0L) < 0.1L ? std::log1p((a - b) / b) : std::log(a / b);
    };
    check(Primitive::log_ratio, {90, 110}, {90, 110}, ratio, 3);
    check(Primitive::log_ratio, {127.9999, 128.0001}, {127.9999, 128.0001}, ratio, 3);
    check(Primitive::log_ratio, {1e-150, 1e150, true}, {1e-150, 1e150, true}, ratio, 3);
}

TEST_CASE("normal distribution") {
    const auto ratio = [](long double a, long double) { return mills(a); };
    check(Primitive::mills_ratio, {-0.25, 5}, {0, 1}, ratio, 10);
    check(Primitive::mills_ratio, {5, 1e8, true}, {0, 1}, ratio, 12);
    const auto slope = [](long double a, long double) { return mills_slope(a); };
    check(Primitive::mills_slope, {0, 3}, {0, 1}, slope, 12);
    check(Primitive::mills_slope, {3, 64}, {0, 1}, slope, 12);
    check(
        Primitive::erfcx, {0, 3.5}, {0, 1},
        [](long double a, long double) { return std::exp(a * a) * std::erfc(a); }, 12);
    const auto density = [](long double a, long double) {
        return std::exp(-0.5L * a * a) / std::sqrt(4.0L * half_pi);
    };
    check(Primitive::normal_density, {-1, 1}, {0, 1}, density, 4);
    check(Primitive::normal_density, {-37, 37}, {0, 1}, density, 4 + 37 * 37 / 2);
    const auto cdf = [](long double a, long double) { return 0.5L * std::erfc(-a / std::sqrt(2.0L)); };
    check(Primitive::normal_cdf, {-1, 8}, {0, 1}, cdf, 10);
    check(Primitive::normal_cdf, {-37, 0}, {0, 1}, cdf, 10 + 37 * 37);
}

TEST_CASE("the difference of two Mills ratios keeps its accuracy however near they are") {
    const auto exact = [](long double a, long double b) { return mills_difference(a, b); };
    check(Primitive::mills_difference, {0, 3}, {1e-9, 1, true}, exact, 30);
    check(Primitive::mills_difference, {3, 38}, {1e-9, 1, true}, exact, 100);
}

TEST_CASE("arithmetic") {
    const Range wide{1e-150, 1e150, true}, other{1e-100, 1e100, true}, sides{-2, 2};
    check(Primitive::reciprocal, wide, wide, [](long double a, long double) { return 1.0L / a; }, 1.0);
    check(Primitive::sqrt, wide, wide, [](long double a, long double) { return std::sqrt(a); }, 0.5001);
    check(Primitive::divide, wide, other, [](long double a, long double b) { return a / b; }, 0.5001);
    check(
        Primitive::round, {-1e6, 1e6}, wide, [](long double a, long double) { return std::nearbyint(a); }, 0);
    check(
        Primitive::exponent, wide, wide, [](long double a, long double) { return std::floor(std::log2(a)); },
        0);
    check(
        Primitive::mantissa, wide, wide,
        [](long double a, long double) { return std::ldexp(a, -std::ilogb(a)); }, 0);
    check(Primitive::minimum, sides, sides, [](long double a, long double b) { return std::min(a, b); }, 0);
    check(Primitive::maximum, sides, sides, [](long double a, long double b) { return std::max(a, b); }, 0);
    check(Primitive::absolute, sides, sides, [](long double a, long double) { return std::fabs(a); }, 0);
    check(Primitive::flip_sign, sides, sides, [](long double a, long double b) { return b < 0 ? -a : a; }, 0);
    check(
        Primitive::select_less, sides, sides,
        [](long double a, long double b) { return a < b ? 1.0L : 0.0L; }, 0);
    check(
        Primitive::select_logic, sides, {-2, 3},
        [](long double a, long double b) { return (((a < b) != (a == b)) && !(b > 0)) || b >= 2 ? a : b; },
        0);
    check(Primitive::fma, {1, 2}, {1, 2}, [](long double a, long double b) { return a * b + a; }, 1.5);
}

TEST_CASE("ends of the number range") {
    for (const Path& path : paths()) {
        CAPTURE(std::string(simd_path_name(path.path)));
        CHECK(apply_one(path, Primitive::exp, 0.0) == 1.0);
        CHECK(apply_one(path, Primitive::exp, -infinity) == 0.0);
        CHECK(apply_one(path, Primitive::exp, infinity) == infinity);
        CHECK(apply_one(path, Primitive::exp, -1e300) == 0.0);
        CHECK(std::isnan(apply_one(path, Primitive::exp, not_a_number)));
        CHECK(apply_one(path, Primitive::exp, -744.0) > 0.0);
        CHECK(apply_one(path, Primitive::log, 1.0) == 0.0);
        CHECK(apply_one(path, Primitive::log1p, 0.0) == 0.0);
        CHECK(apply_one(path, Primitive::scale, 1.5, -1074.0) == 0x1p-1073);
        CHECK(apply_one(path, Primitive::scale, 1.5, -1080.0) == 0.0);
        CHECK(apply_one(path, Primitive::scale, 1.5, 1023.0) == 0x1.8p1023);
        CHECK(apply_one(path, Primitive::scale, 1.5, 1024.0) == infinity);
        CHECK(apply_one(path, Primitive::scale, 0x1p-1000, 2000.0) == 0x1p1000);
        CHECK(apply_one(path, Primitive::normal_cdf, -infinity) == 0.0);
        CHECK(apply_one(path, Primitive::normal_cdf, infinity) == 1.0);
        CHECK(apply_one(path, Primitive::normal_density, -infinity) == 0.0);
        for (int i = 0; i < 8; ++i) CHECK(apply_one(path, Primitive::gather, i) == i * i);
        // Comparisons with NaN are false.
        CHECK(apply_one(path, Primitive::select_less, not_a_number, 1.0) == 0.0);
        CHECK(apply_one(path, Primitive::select_less, 1.0, not_a_number) == 0.0);
        std::vector<double> signs(static_cast<std::size_t>(2 * path.primitives->width), 1.0);
        signs[1] = signs.back() = -1.0;
        CHECK(path.primitives->sign_bits(signs.data()) == (2u | (1u << (signs.size() - 1))));
        const double x = 1.0 + 0x1p-30;
        const bool fused = apply_one(path, Primitive::fma, x, x - 1.0) == std::fma(x, x - 1.0, x);
        CHECK((fused || !path.primitives->fused));
    }
}
