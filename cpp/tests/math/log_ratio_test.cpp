#include "optionsib/math/log_ratio.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

TEST_CASE("the logarithm of a ratio keeps its relative accuracy near one and at the ends of the range") {
    struct Row {
        double a, b, exact;  // exact: mpmath, 50 digits
    };
    constexpr Row rows[] = {{100.0, 100.0, 0.0},
                            {100.00000000000001, 100.0, 1.421085471520200271e-16},
                            {100.0, 100.00001, -9.999999503174169525e-8},
                            {3.0, 2.0, 0.405465108108164382},
                            {1.9999, 1.0, 0.6930971793099036467},
                            {0.5001, 1.0, -0.6929472005572790647},
                            {2.5, 1.0, 0.9162907318741550652},
                            {0.001, 7.0, -8.853665428037450336},
                            {1e+300, 1.1e+300, -0.09531017980432486004},
                            {1.7e+308, 1e+308, 0.5306282510621703493},
                            {1e+300, 1e-300, 1381.55105579642741},
                            {5e-324, 1e-320, -7.612831030407356163},
                            {3e-310, 2e-310, 0.405465108108164382}};
    for (const Row& row : rows) {
        CAPTURE(row.a);
        CAPTURE(row.b);
        const double bound = 3 * std::numeric_limits<double>::epsilon() * std::fabs(row.exact);
        CHECK(std::fabs(optionsib::math::log_ratio(row.a, row.b) - row.exact) <= bound);
    }
}
