#include "optionsib/math/normal.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace {

using namespace optionsib::math;

constexpr double eps = std::numeric_limits<double>::epsilon();

struct Row {
    double x, mills, slope, density, tail;  // A(x), B(x), n(x), N(-x)
};

// Source: mpmath, 400 digits; 0 stands for values that underflow.
constexpr Row rows[] = {
    {0.0, 1.253314137315500251, 1.0, 0.3989422804014326779, 0.5},
    {1e-12, 1.253314137314500251, 0.9999999999987466859, 0.3989422804014326779, 0.4999999999996010577},
    {0.1, 1.159262399618736324, 0.8840737600381263612, 0.3969525474770117653, 0.4601721627229710163},
    {0.5, 0.8763644564536923467, 0.5618177717731538266, 0.3520653267642994778, 0.3085375387259868964},
    {1.0, 0.6556795424187984715, 0.3443204575812015285, 0.2419707245191433498, 0.1586552539314570514},
    {2.5, 0.3542651113297936668, 0.114337221675515833, 0.01752830049356853736, 0.006209665325776135167},
    {4.0, 0.2366523829135606706, 0.0533904683457573175, 0.0001338302257648853518, 0.00003167124183311992125},
    {5.0, 0.1928081047153157649, 0.03595947642342117561, 1.486719514734297708e-6, 2.866515718791939117e-7},
    {7.5, 0.1310793558044917635, 0.01690483146631177384, 2.434320533029009826e-13, 3.190891672910896228e-14},
    {12.0, 0.08276628650136917725, 0.006804561983569872973, 2.146383735663060345e-32,
     1.776482112077678998e-33},
    {20.0, 0.04987592598183678366, 0.002481480363264326835, 5.52094836215976319e-88,
     2.753624118606233695e-89},
    {37.5, 0.02664774401489855033, 0.0007095994413043625336, 1.728233732284105221e-306,
     4.605353009581954844e-308},
    {60.0, 0.01666204088971375385, 0.0002775466171747691187, 0.0, 0.0},
    {1000.0, 0.000999999000002999985, 9.99997000014999895e-7, 0.0, 0.0}};

bool close(double value, double exact, double bound) {
    return std::fabs(value - exact) <= bound * std::fabs(exact) + std::numeric_limits<double>::min();
}

}  // namespace

TEST_CASE("Mills ratio and its slope keep their relative accuracy on the half line") {
    for (const Row& row : rows) {
        CAPTURE(row.x);
        CHECK(close(mills_ratio(row.x), row.mills, 4 * eps));
        CHECK(close(mills_slope(row.x), row.slope, 4 * eps));
    }
}

TEST_CASE("density and distribution keep their relative accuracy in both tails") {
    for (const Row& row : rows) {
        CAPTURE(row.x);
        CHECK(close(normal_density(row.x), row.density, 8 * eps));
        CHECK(normal_density(-row.x) == normal_density(row.x));
        CHECK(close(normal_cdf(-row.x), row.tail, 8 * eps));
        CHECK(close(normal_cdf(row.x), 1.0 - row.tail, 4 * eps));
    }
}

TEST_CASE("the distribution does not decrease and ends at its limits") {
    double last = 0.0;
    for (double x = -40.0; x <= 40.0; x += 1.0 / 64) {
        const double value = normal_cdf(x);
        CHECK(value >= last);
        last = value;
    }
    const double infinity = std::numeric_limits<double>::infinity();
    CHECK(normal_cdf(-infinity) == 0.0);
    CHECK(normal_cdf(infinity) == 1.0);
    CHECK(std::isnan(normal_density(std::numeric_limits<double>::quiet_NaN())));
}
