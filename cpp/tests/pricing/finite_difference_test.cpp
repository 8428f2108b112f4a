#include "optionsib/pricing/finite_difference.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "optionsib/pricing/leisen_reimer.hpp"

using namespace optionsib::pricing;

namespace {

FiniteDifferenceResult solve(ExerciseStyle style, const European& option, double volatility,
                             FiniteDifferenceGrid grid) {
    std::vector<double> workspace(finite_difference_workspace(grid));
    FiniteDifferenceResult result{};
    REQUIRE(finite_difference(style, option, volatility, grid, workspace, result) == Status::ok);
    return result;
}

}  // namespace

TEST_CASE("finite differences: European options converge with the square of the steps") {
    for (const double kind : {1.0, -1.0})
        for (const double strike : {80.0, 100.0, 130.0}) {
            const European o{kind, 100, strike, 1.5, 0.05, 0.02};
            Greeks exact{};
            REQUIRE(greeks(Model::bsm, 1, Units::raw, o, 0.3, exact) == Status::ok);
            const FiniteDifferenceResult coarse = solve(ExerciseStyle::european, o, 0.3, {200, 100});
            const FiniteDifferenceResult fine = solve(ExerciseStyle::european, o, 0.3, {800, 400});
            CHECK(std::fabs(coarse.price - exact[Greek::price]) < 1e-2);
            CHECK(std::fabs(fine.price - exact[Greek::price]) < 7e-4);
            CHECK(std::fabs(fine.delta - exact[Greek::delta]) < 5e-4);
            CHECK(std::fabs(fine.gamma - exact[Greek::gamma]) < 3e-5);
            CHECK(std::fabs(fine.theta - exact[Greek::theta]) < 1e-2);
        }
}

TEST_CASE("finite differences: American options of every region of r and q") {
    // Below zero for both, exercise is best between two boundaries.
    for (const double kind : {1.0, -1.0})
        for (const auto& [rate, yield] : {std::pair{0.05, 0.0}, std::pair{0.02, 0.07},
                                          std::pair{-0.005, -0.02}, std::pair{-0.02, -0.005}}) {
            const European o{kind, 100, 103, 2.0, rate, yield};
            std::vector<double> workspace(leisen_reimer_workspace(2001));
            LeisenReimerResult tree{};
            REQUIRE(leisen_reimer(ExerciseStyle::american, o, 0.2, 2001, workspace, tree) == Status::ok);
            const FiniteDifferenceResult grid = solve(ExerciseStyle::american, o, 0.2, {1200, 1200});
            CHECK(std::fabs(grid.price - tree.price) < 1e-3);
            CHECK(grid.price >= solve(ExerciseStyle::european, o, 0.2, {1200, 1200}).price - 1e-9);
        }
}

TEST_CASE("finite differences: a drift that the grid is too coarse for") {
    const auto status_of = [](const European& o, FiniteDifferenceGrid grid, double& price) {
        std::vector<double> workspace(finite_difference_workspace(grid));
        FiniteDifferenceResult result{};
        const Status status = finite_difference(ExerciseStyle::american, o, 0.2, grid, workspace, result);
        price = result.price;
        return status;
    };
    // Exercised within hours if at all: the call is the perpetual one, in closed form (Merton 1973).
    const auto perpetual = [](double rate, double yield) {
        const double half = 0.5 - (rate - yield) / 0.04,
                     power = half + std::sqrt(half * half + 2.0 * rate / 0.04),
                     critical = 100.0 * power / (power - 1.0);
        return (critical - 100.0) * std::pow(100.0 / critical, power);
    };
    double price = 0.0;
    for (const double yield : {10.0, -10.0}) {
        CHECK(status_of({yield > 0.0 ? 1.0 : -1.0, 100, 100, 1.0, 0.03, yield}, {}, price) ==
              Status::unsupported);
        CHECK(std::isnan(price));
    }
    CHECK(status_of({1, 100, 100, 1.0, 0.03, 3.0}, {}, price) == Status::unsupported);
    CHECK(status_of({1, 100, 100, 1.0, 0.03, 3.0}, {6000, 6000}, price) == Status::ok);
    CHECK(std::fabs(price - perpetual(0.03, 3.0)) < 0.02 * price);
    CHECK(status_of({1, 100, 100, 1.0, 0.03, 1.0}, {}, price) == Status::ok);
    CHECK(std::fabs(price - perpetual(0.03, 1.0)) < 0.02 * price);
}

TEST_CASE("finite differences: exercise at once, and what they refuse") {
    const FiniteDifferenceResult result =
        solve(ExerciseStyle::american, {-1, 60, 100, 1.0, 0.08, 0.0}, 0.15, {400, 200});
    CHECK(result.price == 40.0);
    CHECK(std::fabs(result.delta + 1.0) < 1e-3);
    CHECK(result.theta == 0.0);

    std::vector<double> workspace(finite_difference_workspace({100, 10}));
    FiniteDifferenceResult nothing{};
    const auto status = [&](const European& o, double v, FiniteDifferenceGrid grid) {
        const Status said = finite_difference(ExerciseStyle::american, o, v, grid, workspace, nothing);
        CHECK(std::isnan(nothing.price) == (said != Status::ok));
        return said;
    };
    CHECK(status({-1, 100, 100, 1, 0.05, 0}, 0.2, {99, 10}) == Status::ok);  // raised to 100
    CHECK(status({-1, 100, 100, 1, 0.05, 0}, 0.2, {102, 10}) == Status::unsupported);
    CHECK(status({-1, 100, 100, 0, 0.05, 0}, 0.2, {100, 10}) == Status::unsupported);
    CHECK(status({-1, 100, 100, -1, 0.05, 0}, 0.2, {100, 10}) == Status::expired);
    CHECK(status({-1, 100, -100, 1, 0.05, 0}, 0.2, {100, 10}) == Status::invalid_input);
}
