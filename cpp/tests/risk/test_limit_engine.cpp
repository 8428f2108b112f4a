#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "generous_limits.hpp"
#include "optionsib/risk/limit_engine.hpp"

namespace optionsib::risk {

namespace {

constexpr Money kFee = 650'000;
constexpr std::uint32_t kCall50 = 0;
constexpr std::uint32_t kCall55 = 1;
constexpr std::uint32_t kStock = 2;

std::vector<ContractRules> contracts() {
    const std::vector<TickBand> option_bands{{0, 100}, {30'000, 500}};
    return {{{1, 0, 500'000, 100, kFee}, option_bands},
            {{1, 0, 550'000, 100, kFee}, option_bands},
            {{0, 0, 0, 1, 0}, {{0, 100}}}};
}

void tell_market(LimitEngine& engine) {
    engine.set_market(kCall50, {5.50, 5.60, 0.8, 0.03, 5.0, 0.0, 0.0});
    engine.set_market(kCall55, {2.00, 2.10, 0.5, 0.05, 8.0, 0.0, 0.0});
    engine.set_market(kStock, {54.99, 55.01, 1.0, 0.0, 0.0, 0.0, 0.0});
    engine.set_underlying(55.0, 0.0);
}

}  // namespace

TEST_CASE("a vertical: accepted, worked, filled, closed under a halt") {
    LimitEngine engine(generous(10, 3), contracts());
    tell_market(engine);
    const std::vector<Leg> open{{kCall50, 1}, {kCall55, -1}};
    const OrderTerms order{open, 1, 35'000};
    REQUIRE(engine.is_well_formed(order));
    const Verdict verdict = engine.check(order, 0);
    CHECK(verdict.accepts);
    CHECK_FALSE(verdict.reduces_risk);
    CHECK(verdict.max_loss == 350'000'000 + 4 * kFee);

    const OrderHandle handle = engine.add_working(order, 0);
    CHECK(engine.exposure().worst_loss == verdict.max_loss);
    CHECK(engine.fill(handle, 2, std::nullopt) == Booking::bad_quantity);
    CHECK(engine.fill(handle, 1, std::nullopt) == Booking::ok);
    CHECK(engine.working_count() == 0);
    CHECK(engine.position(kCall55) == -1);
    CHECK(engine.exposure().worst_loss == verdict.max_loss);

    engine.set_state(State::halted);
    CHECK(engine.check(order, 0).check == Check::kill_switch);
    const std::vector<Leg> close{{kCall50, -1}, {kCall55, 1}};
    const Verdict closing = engine.check({close, 1, -34'000}, 0);
    CHECK(closing.accepts);
    CHECK(closing.reduces_risk);
}

TEST_CASE("trades that offset each other can each be closed, within the portfolio's limit") {
    Limits limits = generous(10, 3);
    LimitEngine engine(limits, contracts());
    tell_market(engine);
    // Trade 1 buys the 50-55 call spread, trade 2 sells it: together they are flat.
    const std::vector<Leg> bought{{kCall50, 1}, {kCall55, -1}};
    const std::vector<Leg> sold{{kCall50, -1}, {kCall55, 1}};
    CHECK(engine.fill(engine.add_working({bought, 1, 35'000, 1}, 0), 1, std::nullopt) == Booking::ok);
    CHECK(engine.fill(engine.add_working({sold, 1, -34'000, 2}, 0), 1, std::nullopt) == Booking::ok);

    engine.set_state(State::halted);
    CHECK(engine.check({sold, 1, -33'000, 1}, 0).reduces_risk);
    CHECK(engine.check({bought, 1, 36'000, 2}, 0).reduces_risk);
    // The same orders without a trade to close, for more than the trade holds, or at a price that costs
    // more than the trade can lose, open risk.
    CHECK_FALSE(engine.check({sold, 1, -33'000}, 0).reduces_risk);
    CHECK_FALSE(engine.check({sold, 1, -33'000, 3}, 0).reduces_risk);
    CHECK_FALSE(engine.check({sold, 2, -33'000, 1}, 0).reduces_risk);
    CHECK_FALSE(engine.check({bought, 1, 51'000, 2}, 0).reduces_risk);
    // A second close of the same trade, while the first works, opens risk too.
    engine.add_working({sold, 1, -33'000, 1}, 0);
    CHECK_FALSE(engine.check({sold, 1, -33'000, 1}, 0).reduces_risk);
}

TEST_CASE("closing a trade that another one leans on is judged by the whole portfolio") {
    LimitEngine engine(generous(10, 3), contracts());
    tell_market(engine);
    const std::vector<Leg> long_call{{kCall50, 1}};
    const std::vector<Leg> short_call{{kCall55, -1}};
    const std::vector<Leg> close_long{{kCall50, -1}};
    CHECK(engine.fill(engine.add_working({long_call, 1, 55'500, 1}, 0), 1, std::nullopt) == Booking::ok);
    CHECK(engine.fill(engine.add_working({short_call, 1, -20'500, 2}, 0), 1, std::nullopt) == Booking::ok);
    CHECK_FALSE(engine.check({close_long, 1, -55'000, 1}, 0).reduces_risk);  // would uncover the short call
}

TEST_CASE("a price that cannot lose reduces nothing; a hedge keeps its size, a close need not") {
    Limits limits = generous(10, 3);
    limits.order_quantity = 1;
    LimitEngine engine(limits, contracts());
    tell_market(engine);
    const std::vector<Leg> bought{{kCall50, 1}, {kCall55, -1}};
    const std::vector<Leg> sold{{kCall50, -1}, {kCall55, 1}};
    CHECK_FALSE(engine.check({bought, 2, -10'000}, 0).reduces_risk);
    for (int i = 0; i < 2; ++i)
        CHECK(engine.fill(engine.add_working({bought, 1, 35'000}, 0), 1, std::nullopt) == Booking::ok);
    CHECK_FALSE(engine.check({bought, 2, -10'000}, 0).reduces_risk);
    const Verdict close = engine.check({sold, 2, -34'000}, 0);
    CHECK(close.accepts);
    CHECK(close.reduces_risk);

    LimitEngine naked(limits, contracts());
    tell_market(naked);
    const std::vector<Leg> short_call{{kCall55, -1}};
    const std::vector<Leg> hedge{{kCall50, 1}};
    naked.add_working({short_call, 1, -20'500}, 0);
    CHECK_FALSE(naked.check({hedge, 1, 55'500}, 0).reduces_risk);  // it may never fill
    naked.set_position(kCall55, -1);
    CHECK(naked.check({hedge, 1, 55'500}, 0).reduces_risk);
    const Verdict many = naked.check({hedge, 2, 55'500}, 0);
    CHECK(many.reduces_risk);
    CHECK(many.check == Check::order_quantity);
}

TEST_CASE("without limits and without a market nothing passes") {
    LimitEngine engine(Limits{}, contracts());
    const std::vector<Leg> legs{{kCall50, 1}};
    const Verdict missing = engine.check({legs, 1, 55'500}, 0);
    CHECK((missing.finding == Finding::missing_limit && missing.check == Check::order_quantity));
    LimitEngine blind(generous(10, 3), contracts());
    const Verdict unknown = blind.check({legs, 1, 55'500}, 0);
    CHECK((unknown.finding == Finding::unknown && unknown.check == Check::stale_feed));
}

TEST_CASE("extreme but well-formed orders neither overflow nor pass") {
    LimitEngine engine(generous(10, 3), contracts());
    tell_market(engine);
    const std::vector<Leg> legs{{kCall50, -kMaxContracts}, {kStock, kMaxContracts}};
    const OrderTerms order{legs, 1, -kMaxLimitPrice};
    REQUIRE(engine.is_well_formed(order));
    CHECK(engine.check(order, 0).max_loss == kUnbounded);
    const std::vector<Leg> one{{kCall50, 1}};
    const OrderTerms too_many{one, kMaxContracts + 1, 100};
    CHECK_FALSE(engine.is_well_formed(too_many));
    const std::vector<Leg> lowest{{kCall50, std::numeric_limits<std::int64_t>::min()}, {kCall55, 1}};
    CHECK_FALSE(engine.is_well_formed({lowest, 1, 0}));
    const std::vector<Leg> unknown{{7, 1}};
    CHECK_FALSE(engine.is_well_formed({unknown, 1, 100}));
}

TEST_CASE("the rate window moves") {
    LimitEngine engine(generous(10, 3), contracts());
    tell_market(engine);
    const std::vector<Leg> legs{{kCall55, 1}};
    const OrderTerms order{legs, 1, 21'000};
    OrderHandle first = kNoOrder;
    for (std::int64_t second = 0; second < 3; ++second) {
        const OrderHandle handle = engine.add_working(order, second * 1'000'000'000);
        if (second == 0) first = handle;
    }
    CHECK(engine.check(order, 59'000'000'000).check == Check::order_rate);
    CHECK(engine.check(order, 60'000'000'000).accepts);
    CHECK(engine.check(order, 59'000'000'000, first).accepts);  // a reprice is no new order
}

TEST_CASE("a working order on other terms: smaller and no dearer reduces risk, larger is judged anew") {
    LimitEngine engine(generous(10, 3), contracts());
    tell_market(engine);
    const std::vector<Leg> legs{{kCall55, 1}};
    const OrderHandle handle = engine.add_working({legs, 4, 21'000}, 0);
    engine.set_state(State::reduce_only);
    CHECK(engine.check({legs, 3, 21'000}, 0, handle).reduces_risk);
    CHECK(engine.check({legs, 3, 20'900}, 0, handle).accepts);
    CHECK_FALSE(engine.check({legs, 3, 21'100}, 0, handle).accepts);
    CHECK_FALSE(engine.check({legs, 4, 21'000}, 0, handle).accepts);
    CHECK_FALSE(engine.check({legs, 5, 21'000}, 0, handle).accepts);
    engine.set_state(State::active);

    CHECK(engine.amend(handle, 5, 20'000) == Booking::ok);
    CHECK(engine.exposure().worst_loss == 5 * (200'000'000 + 2 * kFee));
    CHECK(engine.amend(handle, 0, 20'000) == Booking::bad_order);
    CHECK(engine.amend(handle, 1, std::numeric_limits<std::int64_t>::max()) == Booking::bad_order);
    CHECK(engine.amend(handle + 1, 1, 20'000) == Booking::unknown_order);
    CHECK(engine.submit({legs, 2, 20'500}, 0, handle).handle == handle);
    CHECK(engine.exposure().worst_loss == 2 * (205'000'000 + 2 * kFee));
    CHECK(engine.fill(handle, 3, std::nullopt) == Booking::bad_quantity);
    CHECK(engine.fill(handle, 2, std::nullopt) == Booking::ok);
    CHECK(engine.amend(handle, 1, 20'000) == Booking::ok);  // it has ended: a late fill is booked
    CHECK(engine.working_count() == 0);
    CHECK(engine.fill(handle, 1, std::nullopt) == Booking::ok);
    CHECK(engine.position(kCall55) == 3);
}

}  // namespace optionsib::risk
