// Two exercise boundaries: against finite differences, the boundaries themselves, continuity at the region's
// borders, and Greeks against differences.
#include "optionsib/pricing/american_double_boundary.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <vector>

#include "american_finite_difference.hpp"
#include "american_reference.hpp"

namespace {

using namespace optionsib::pricing;

constexpr std::array tiers = {Tier::fast, Tier::accurate, Tier::high};

double price_of(Tier tier, const European& option, double volatility) {
    double result = -1.0;
    REQUIRE(american_double_boundary_price(tier, option, volatility, result) == Status::ok);
    return result;
}

European put(double spot, double strike, double expiry, double rate, double yield) {
    return {-1.0, spot, strike, expiry, rate, yield};
}

}  // namespace

TEST_CASE("Prices are those of an independent grid" * doctest::test_suite("slow")) {
    struct Row {
        European option;
        double volatility;
    };
    // Before the boundaries meet, after it, just after it, and with a volatility below the critical one.
    const std::array rows = {
        Row{put(100.0, 104.0, 1.0, -0.01, -0.05), 0.10},
        Row{put(100.0, 94.0, 2.6, -0.0171, -0.0763), 0.20},
        Row{put(100.0, 109.0, 2.8, -0.0831, -0.0930), 0.30},
        Row{put(100.0, 122.7, 2.3, -0.0121, -0.0868), 0.416},
        Row{put(100.0, 128.0, 0.7, -0.0680, -0.0769), 0.164},
        Row{put(100.0, 130.0, 1.2, -0.03, -0.06), 0.35},
        Row{put(100.0, 80.0, 1.36, -0.0123, -0.0398), 0.262},
        Row{put(30.0, 100.0, 1.0, -0.02, -0.05), 0.15},
    };
    constexpr std::array bounds = {1.6e-5, 2e-6, 2e-7};  // of the strike
    for (const Row& row : rows) {
        const European& o = row.option;
        const double truth = american_finite_difference::price(
            {o.strike, o.time_to_expiry, o.rate, o.dividend_yield, row.volatility}, o.spot, 1600);
        for (std::size_t t = 0; t < tiers.size(); ++t) {
            const double value = price_of(tiers[t], o, row.volatility);
            CAPTURE(o.strike);
            CAPTURE(t);
            CAPTURE(value);
            CAPTURE(truth);
            CHECK(std::fabs(value - truth) <= bounds[t] * o.strike);
            // The call that mirrors it.
            const European call{1.0, o.strike, o.spot, o.time_to_expiry, o.dividend_yield, o.rate};
            CHECK(price_of(tiers[t], call, row.volatility) == doctest::Approx(value).epsilon(1e-12));
        }
    }
}

TEST_CASE("The boundaries solve the one-sided problems and close in on one another") {
    const European o = put(100.0, 100.0, 2.0, -0.02, -0.06);
    double last_lower = 100.0 / 3.0, last_upper = 100.0;
    for (const double T : {1e-3, 0.1, 0.5, 2.0, 8.0}) {
        European at = o;
        at.time_to_expiry = T;
        double lower = 0.0, upper = 0.0;
        REQUIRE(american_double_boundary_exercise(Tier::high, at, 0.09, lower, upper) == Status::ok);
        CHECK(lower > last_lower);
        CHECK(upper < last_upper);
        CHECK(lower < upper);
        last_lower = lower;
        last_upper = upper;
        const american_reference::Boundary<double> above({100.0, -0.02, -0.06, 0.09, T}, 32, 81);
        CHECK(upper == doctest::Approx(above.at(T)).epsilon(1e-6));
        // Exercised within, held outside; both sides meet the exercise value.
        at.spot = 0.5 * (lower + upper);
        CHECK(price_of(Tier::high, at, 0.09) == 100.0 - at.spot);
        for (const double spot : {lower * 0.999, upper * 1.001}) {
            at.spot = spot;
            const double time_value = price_of(Tier::high, at, 0.09) - (100.0 - spot);
            CHECK(time_value >= 0.0);
            CHECK(time_value < 1e-2);
        }
    }
    double lower = 0.0, upper = 0.0;
    REQUIRE(american_double_boundary_exercise(Tier::high, o, 0.6, lower, upper) == Status::ok);
    CHECK(std::isnan(lower));
    CHECK(std::isnan(upper));
}

TEST_CASE("Never below the European price or the exercise value, and rising with time and volatility") {
    for (const Tier tier : tiers)
        for (const double spot : {30.0, 60.0, 95.0, 130.0}) {
            double last = 0.0;
            for (const double v : {0.02, 0.1, 0.2, 0.25, 0.3, 0.6, 1.2}) {
                const European o = put(spot, 100.0, 1.5, -0.015, -0.07);
                double european = 0.0;
                REQUIRE(price(Model::bsm, o, v, european) == Status::ok);
                const double value = price_of(tier, o, v);
                CHECK(value >= european);
                CHECK(value >= 100.0 - spot);
                CHECK(value >= last - 1e-3);
                last = value;
            }
        }
}

TEST_CASE("The price is continuous at the borders of the region" * doctest::test_suite("slow")) {
    for (const Tier tier : tiers) {
        const double bound = tier == Tier::high ? 2e-5 : 2e-3;
        // rate -> 0 from below: one boundary at rate 0, here by the reference.
        const american_reference::Boundary<double> single({100.0, 0.0, -0.04, 0.2, 1.0}, 32, 81);
        for (const double spot : {80.0, 100.0, 120.0}) {
            const double limit = spot <= single.at(1.0) ? 100.0 - spot : single.value(spot).price;
            CHECK(std::fabs(price_of(tier, put(spot, 100.0, 1.0, -1e-9, -0.04), 0.2) - limit) < bound);
            // yield -> rate: European.
            const European nearly = put(spot, 100.0, 1.0, -0.04, -0.04 - 1e-9);
            double european = 0.0;
            REQUIRE(price(Model::bsm, nearly, 0.2, european) == Status::ok);
            CHECK(std::fabs(price_of(tier, nearly, 0.2) - std::max(european, 100.0 - spot)) < bound);
        }
        // The volatility above which the boundaries meet, and the time at which they do: no jump and no kink.
        const double critical = std::sqrt(0.06) * std::sqrt(2.0) - std::sqrt(0.04);
        const auto straight = [&](const auto& value, double most) {
            for (int step = -10; step <= 10; ++step)
                CHECK(std::fabs(value(step - 1) - 2.0 * value(step) + value(step + 1)) < most);
        };
        const double noise = tier == Tier::high ? 1e-5 : tier == Tier::accurate ? 5e-4 : 3e-3;
        straight(
            [&](int step) {
                return price_of(tier, put(100.0, 110.0, 5.0, -0.02, -0.06), critical * (1.0 + 1e-5 * step));
            },
            noise);
        // They meet at 0.343 years.
        straight(
            [&](int step) {
                return price_of(tier, put(100.0, 130.0, 0.343 + 1e-3 * step, -0.03, -0.06), 0.4);
            },
            noise);
    }
}

TEST_CASE("Greeks are the slopes of the price" * doctest::test_suite("slow")) {
    for (const European o :
         {put(100.0, 94.0, 2.6, -0.0171, -0.0763), put(100.0, 128.0, 0.7, -0.0680, -0.0769),
          put(30.0, 100.0, 1.0, -0.02, -0.05), European{1.0, 94.0, 100.0, 2.6, -0.0763, -0.0171}}) {
        const double v = 0.2;
        std::array<double, 9> g{};
        REQUIRE(american_double_boundary_greeks(Tier::high, o, v, g) == Status::ok);
        const auto at = [&](Greek greek) { return g[static_cast<std::size_t>(greek)]; };
        const auto grid = [&](const European& of, double volatility) {
            const bool call = of.kind > 0.0;
            return american_finite_difference::price(
                {call ? of.spot : of.strike, of.time_to_expiry, call ? of.dividend_yield : of.rate,
                 call ? of.rate : of.dividend_yield, volatility},
                call ? of.strike : of.spot, 800);
        };
        const auto slope = [&](double European::* field, double by) {
            European up = o, down = o;
            up.*field += by;
            down.*field -= by;
            return (grid(up, v) - grid(down, v)) / (2.0 * by);
        };
        CHECK(at(Greek::price) == doctest::Approx(price_of(Tier::high, o, v)).epsilon(1e-14));
        CHECK(std::fabs(at(Greek::delta) - slope(&European::spot, 0.5)) < 2e-4);
        CHECK(std::fabs(at(Greek::dual_delta) - slope(&European::strike, 0.5)) < 2e-4);
        CHECK(std::fabs(at(Greek::vega) - (grid(o, v + 0.01) - grid(o, v - 0.01)) / 0.02) < 0.1);
        CHECK(std::fabs(at(Greek::rho) - slope(&European::rate, 1e-3)) < 0.2);
        CHECK(std::fabs(at(Greek::epsilon) - slope(&European::dividend_yield, 1e-3)) < 0.2);
        CHECK(std::fabs(at(Greek::theta) + slope(&European::time_to_expiry, 0.01)) < 0.02);
        // The pricing equation, with a theta that does not come from it.
        const double residual = at(Greek::theta) + 0.5 * v * v * o.spot * o.spot * at(Greek::gamma) +
                                (o.rate - o.dividend_yield) * o.spot * at(Greek::delta) -
                                o.rate * at(Greek::price);
        CHECK(std::fabs(residual) < 1e-4);
        CHECK(o.spot * at(Greek::delta) + o.strike * at(Greek::dual_delta) ==
              doctest::Approx(at(Greek::price)).epsilon(1e-12));
    }
}
