#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "optionsib/payoff/geometry.hpp"

namespace optionsib::payoff {

TEST_CASE("a call spread, exactly") {
    const std::vector<Leg<std::int64_t>> legs{{1, 500'000, 1, 100}, {1, 550'000, -1, 100}};
    Geometry<std::int64_t> result;
    REQUIRE(payoff_geometry(legs, -200'000'000, result) == Status::ok);
    CHECK(result.loss_bounded);
    CHECK(result.gain_bounded);
    CHECK(result.max_loss == 200'000'000);
    CHECK(result.max_gain == 300'000'000);
    CHECK(result.break_evens == std::vector<double>{520'000.0});
    CHECK(result.kinks == std::vector<std::int64_t>{0, 500'000, 550'000});
}

TEST_CASE("tails without bound") {
    Geometry<double> result;
    const std::vector<Leg<double>> short_call{{1, 50.0, -1.0, 100.0}};
    REQUIRE(payoff_geometry(short_call, 200.0, result) == Status::ok);
    CHECK_FALSE(result.loss_bounded);
    CHECK(result.max_gain == 200.0);
    CHECK(result.break_evens == std::vector<double>{52.0});
    const std::vector<Leg<double>> stock{{0, 0.0, 1.0, 1.0}};
    REQUIRE(payoff_geometry(stock, -40.0, result) == Status::ok);
    CHECK_FALSE(result.gain_bounded);
    CHECK(result.max_loss == 40.0);
}

TEST_CASE("bad numbers are named, not computed with") {
    Geometry<double> floating;
    Geometry<std::int64_t> exact;
    const double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK(payoff_geometry(std::vector<Leg<double>>{{2, 1.0, 1.0, 1.0}}, 0.0, floating) == Status::bad_kind);
    CHECK(payoff_geometry(std::vector<Leg<double>>{{1, -1.0, 1.0, 1.0}}, 0.0, floating) ==
          Status::bad_strike);
    CHECK(payoff_geometry(std::vector<Leg<double>>{{1, nan, 1.0, 1.0}}, 0.0, floating) == Status::bad_number);
    const std::int64_t huge = std::numeric_limits<std::int64_t>::max();
    const std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
    using ExactLegs = std::vector<Leg<std::int64_t>>;
    CHECK(payoff_geometry(ExactLegs{{1, huge, huge, huge}}, huge, exact) == Status::overflow);
    CHECK(payoff_geometry(ExactLegs{{-1, 0, lowest, 1}}, lowest, exact) == Status::overflow);
    const std::int64_t large = 1'000'000'000'000'000;
    CHECK(payoff_geometry(ExactLegs{{-1, large, large, 1}}, 0, exact) == Status::overflow);
}

}  // namespace optionsib::payoff
