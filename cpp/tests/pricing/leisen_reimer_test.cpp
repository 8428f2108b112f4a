#include "optionsib/pricing/leisen_reimer.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "optionsib/pricing/finite_difference.hpp"

using namespace optionsib::pricing;

namespace {

LeisenReimerResult tree(ExerciseStyle style, const European& option, double volatility, std::size_t steps) {
    std::vector<double> workspace(leisen_reimer_workspace(steps | 1));
    LeisenReimerResult result{};
    REQUIRE(leisen_reimer(style, option, volatility, steps, workspace, result) == Status::ok);
    return result;
}

}  // namespace

TEST_CASE("leisen-reimer: European options converge with the square of the steps") {
    for (const double kind : {1.0, -1.0})
        for (const double strike : {80.0, 100.0, 130.0}) {
            const European o{kind, 100, strike, 1.5, 0.05, 0.02};
            Greeks exact{};
            REQUIRE(greeks(Model::bsm, 1, Units::raw, o, 0.3, exact) == Status::ok);
            const LeisenReimerResult coarse = tree(ExerciseStyle::european, o, 0.3, 101);
            const LeisenReimerResult fine = tree(ExerciseStyle::european, o, 0.3, 401);
            CHECK(std::fabs(coarse.price - exact[Greek::price]) < 1e-3);
            CHECK(std::fabs(fine.price - exact[Greek::price]) < 6e-5);
            CHECK(std::fabs(fine.delta - exact[Greek::delta]) < 1e-3);
            CHECK(std::fabs(fine.gamma - exact[Greek::gamma]) < 1e-4);
            CHECK(std::fabs(fine.theta - exact[Greek::theta]) < 5e-2);
        }
}

TEST_CASE("leisen-reimer: an American put by another method") {
    for (const double yield : {0.0, 0.03, 0.08}) {
        const European o{-1, 100, 105, 1.0, 0.05, yield};
        std::vector<double> workspace(finite_difference_workspace({1600, 1600}));
        FiniteDifferenceResult grid{};
        REQUIRE(finite_difference(ExerciseStyle::american, o, 0.25, {1600, 1600}, workspace, grid) ==
                Status::ok);
        const LeisenReimerResult result = tree(ExerciseStyle::american, o, 0.25, 2001);
        CHECK(std::fabs(result.price - grid.price) < 4e-4);
        CHECK(std::fabs(result.delta - grid.delta) < 1e-3);
        CHECK(std::fabs(result.gamma - grid.gamma) < 1e-4);
    }
}

TEST_CASE("leisen-reimer: exercise at once, and what it refuses") {
    const European deep{-1, 50, 100, 1.0, 0.08, 0.0};
    const LeisenReimerResult result = tree(ExerciseStyle::american, deep, 0.1, 201);
    CHECK(result.price == 50.0);
    CHECK(std::fabs(result.delta + 1.0) < 1e-12);
    CHECK(result.theta == 0.0);

    std::vector<double> workspace(leisen_reimer_workspace(101));
    LeisenReimerResult nothing{};
    const auto status = [&](const European& o, double v, std::size_t steps) {
        const Status said = leisen_reimer(ExerciseStyle::american, o, v, steps, workspace, nothing);
        CHECK(std::isnan(nothing.price) == (said != Status::ok));
        return said;
    };
    CHECK(status({-1, 100, 100, 1, 0.05, 0}, 0.2, 100) == Status::ok);  // raised to 101
    CHECK(status({-1, 100, 100, 1, 0.05, 0}, 0.2, 103) == Status::unsupported);
    CHECK(status({-1, 100, 100, 1, 0.05, 0}, 0.0, 101) == Status::unsupported);
    CHECK(status({-1, 100, 100, -1, 0.05, 0}, 0.2, 101) == Status::expired);
    CHECK(status({-1, -100, 100, 1, 0.05, 0}, 0.2, 101) == Status::invalid_input);
    CHECK(status({0, 100, 100, 1, 0.05, 0}, 0.2, 101) == Status::invalid_input);
    CHECK(status({-1, 100, 100, 1, std::numeric_limits<double>::quiet_NaN(), 0}, 0.2, 101) ==
          Status::invalid_input);
}

TEST_CASE("leisen-reimer: the array call is the single one") {
    const std::int8_t kind = -1;
    const double spots[] = {90.0, 100.0, 110.0}, strike = 100, expiry = 0.7, rate = 0.04, yield = 0.01,
                 v = 0.3;
    const auto all = [](const double& x) { return In<double>{reinterpret_cast<const std::byte*>(&x), 0}; };
    double price[3], theta[3];
    std::int8_t status[3];
    leisen_reimer(ExerciseStyle::american, 3,
                  {{reinterpret_cast<const std::byte*>(&kind), 0},
                   {reinterpret_cast<const std::byte*>(spots), sizeof(double)},
                   all(strike),
                   all(expiry),
                   all(rate),
                   all(yield)},
                  all(v), 51,
                  {{reinterpret_cast<std::byte*>(price), sizeof(double)},
                   {},
                   {},
                   {reinterpret_cast<std::byte*>(theta), sizeof(double)}},
                  {reinterpret_cast<std::byte*>(status), 1});
    for (int i = 0; i < 3; ++i) {
        const LeisenReimerResult single =
            tree(ExerciseStyle::american, {-1, spots[i], strike, expiry, rate, yield}, v, 51);
        CHECK(status[i] == 0);
        CHECK(price[i] == single.price);
        CHECK(theta[i] == single.theta);
    }
}
