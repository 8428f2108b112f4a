// Ways around the limits: each of these orders once got out.
#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "generous_limits.hpp"
#include "optionsib/risk/limit_engine.hpp"

namespace optionsib::risk {

namespace {

constexpr Money kFee = 650'000;
constexpr std::uint32_t kCall50 = 0, kCall55 = 1, kCall60 = 2, kPut50 = 3;

std::vector<ContractRules> contracts() {
    const std::vector<TickBand> bands{{0, 100}, {30'000, 500}};
    return {{{1, 0, 500'000, 100, kFee}, bands},
            {{1, 0, 550'000, 100, kFee}, bands},
            {{1, 0, 600'000, 100, kFee}, bands},
            {{-1, 0, 500'000, 100, kFee}, bands}};
}

void tell_market(LimitEngine& engine, double delta_of_60 = 0.2) {
    engine.set_market(kCall50, {5.50, 5.60, 0.8, 0.03, 5.0, 0.0, 0.0});
    engine.set_market(kCall55, {2.00, 2.10, 0.5, 0.05, 8.0, 0.0, 0.0});
    engine.set_market(kCall60, {0.50, 0.55, delta_of_60, 0.03, 5.0, 0.0, 0.0});
    engine.set_market(kPut50, {0.40, 0.45, -0.1, 0.02, 4.0, 0.0, 0.0});
    engine.set_underlying(55.0, 0.0);
}

void trade(LimitEngine& engine, const OrderTerms& order) {
    CHECK(engine.fill(engine.add_working(order, 0), order.quantity, std::nullopt) == Booking::ok);
}

}  // namespace

TEST_CASE("a Greek that makes no sense for a moment does not wipe out what is held") {
    Limits limits = generous();
    limits.portfolio.delta = 2'000.0;
    LimitEngine engine(limits, contracts());
    tell_market(engine);
    engine.set_position(kCall50, 20);  // a delta of 1600
    engine.set_position(kCall60, 1);
    const std::vector<Leg> call{{kCall55, 1}};
    const OrderTerms order{call, 10, 21'000};
    REQUIRE(engine.check(order, 0).check == Check::portfolio_delta);
    for (const double spike : {1e22, 1e8, -1e9, std::numeric_limits<double>::infinity()}) {
        CAPTURE(spike);
        tell_market(engine, spike);
        CHECK_FALSE(engine.check(order, 0).accepts);
        tell_market(engine);
        CHECK(engine.exposure().held.delta == doctest::Approx(1'620.0));
        CHECK(engine.check(order, 0).check == Check::portfolio_delta);
    }
}

TEST_CASE("a strategy's sums follow Greeks of what another strategy offsets") {
    Limits limits = generous();
    limits.strategy.delta = 100.0;
    Sizes sizes;
    sizes.strategies = 3;
    LimitEngine engine(limits, contracts(), sizes);
    tell_market(engine);
    const std::vector<Leg> bought{{kCall60, 1}}, sold{{kCall60, -1}}, put{{kPut50, 1}};
    trade(engine, {bought, 4, 5'500, kNoTrade, 0, 1});
    trade(engine, {sold, 4, -5'000, kNoTrade, 0, 2});
    const OrderTerms order{put, 1, 4'500, kNoTrade, 0, 1};
    REQUIRE(engine.check(order, 0).accepts);
    tell_market(engine, kUnknown);
    CHECK(engine.check(order, 0).finding == Finding::unknown);
    tell_market(engine, 0.3);
    CHECK(engine.check(order, 0).check == Check::strategy_delta);
}

TEST_CASE("what replaces a working order is that order on other terms, and nothing else") {
    LimitEngine engine(generous(), contracts());
    tell_market(engine);
    const std::vector<Leg> call{{kCall60, 1}}, put{{kPut50, -1}};
    const Submission first = engine.submit({call, 2, 5'500, 1}, 0);
    REQUIRE(first.verdict.accepts);
    for (const OrderTerms& other : {OrderTerms{put, 1, -4'000, 1}, OrderTerms{call, 1, 5'500, 2}}) {
        CHECK(engine.check(other, 0, first.handle).check == Check::malformed);
        CHECK(engine.submit(other, 0, first.handle).verdict.check == Check::malformed);
    }
    // An order that has ended is no working version: what comes under its handle counts as a new order.
    CHECK(engine.finish(first.handle) == Booking::ok);
    const Submission again = engine.submit({call, 10, 5'500, 1}, 0, first.handle);
    CHECK(again.verdict.accepts);
    CHECK(again.handle != first.handle);
    CHECK(engine.working_count() == 1);
    CHECK(engine.exposure().worst.delta == doctest::Approx(200.0));
}

TEST_CASE("no order closes what another account's trade holds, or what belongs to no trade") {
    Sizes sizes;
    sizes.accounts = 2;
    LimitEngine engine(generous(), contracts(), sizes);
    tell_market(engine);
    engine.set_state(State::halted);
    const std::vector<Leg> bought{{kPut50, 1}}, sold{{kPut50, -1}};
    trade(engine, {bought, 2, 4'500, 1, 0});
    CHECK(engine.check({sold, 2, -4'000, 1, 0}, 0).accepts);
    CHECK_FALSE(engine.check({sold, 2, -4'000, 1, 1}, 0).accepts);

    engine.deliver(kCall60, 3, 0, kNoTrade, 0, 1);
    engine.set_position(kCall60, 0, 1);
    const std::vector<Leg> call{{kCall60, -1}};
    CHECK_FALSE(engine.check({call, 1, -5'000, kNoTrade, 1}, 0).accepts);
    engine.deliver(kPut50, 3, 0, kNoTrade, 0, 1);
    engine.set_position(kPut50, 0, 1);
    CHECK_FALSE(engine.check({sold, 1, -4'000, kNoTrade, 1}, 0).accepts);
}

TEST_CASE("cash beyond every account neither wraps nor pays for a loss") {
    Limits limits = generous();
    limits.credit = limits.daily_loss = std::numeric_limits<Money>::max();
    LimitEngine engine(limits, contracts());
    tell_market(engine);
    constexpr Money kLeast = std::numeric_limits<Money>::min();
    engine.set_cash(kLeast);
    const std::vector<Leg> call{{kCall60, 1}};
    CHECK_FALSE(engine.check({call, 1, 5'500}, 0).accepts);
    engine.deliver(kCall60, 1, kLeast, kNoTrade, 0);
    CHECK(engine.cash() < 0);
    CHECK(engine.fill(engine.add_working({call, 1, 5'500}, 0), 1, kLeast) == Booking::ok);
    CHECK(engine.cash() < 0);
    CHECK_FALSE(engine.check({call, 1, 5'500}, 0).accepts);
}

TEST_CASE("an absurd order that was booked and has gone leaves the losses as they were") {
    Limits limits = generous();
    limits.portfolio_loss = 600'000'000;
    LimitEngine engine(limits, contracts());
    tell_market(engine);
    const std::vector<Leg> sold{{kCall50, -1}, {kCall55, 1}}, call{{kCall60, 1}};
    trade(engine, {sold, 2, -35'000});
    REQUIRE(engine.check({sold, 3, -34'000}, 0).check == Check::portfolio_loss);
    CHECK(engine.finish(engine.add_working({call, kMaxContracts, kMaxLimitPrice}, 0)) == Booking::ok);
    CHECK(engine.check({sold, 3, -34'000}, 0).check == Check::portfolio_loss);
}

TEST_CASE("another expiry does not make covered stock look bare, and so any order a rescue") {
    std::vector<ContractRules> with_stock = contracts();
    with_stock.push_back({{1, 1, 500'000, 100, kFee}, {{0, 100}}});
    with_stock.push_back({{0, 0, 0, 1, kFee}, {{0, 100}}});
    constexpr std::uint32_t kLateCall50 = 4, kStock = 5;
    LimitEngine engine(generous(), with_stock);
    tell_market(engine);
    engine.set_market(kLateCall50, {6.00, 6.20, 0.75, 0.02, 9.0, 0.0, 0.0});
    engine.set_market(kStock, {54.99, 55.01, 1.0, 0.0, 0.0, 0.0, 0.0});
    engine.set_position(kStock, -100);
    engine.set_position(kCall55, 1);
    engine.set_state(State::halted);
    const std::vector<Leg> legs{{kStock, 100}, {kLateCall50, 1}};
    CHECK_FALSE(engine.check({legs, 5, 611'200}, 0).accepts);  // 30,000 and more, most of it for shares
    const std::vector<Leg> cover{{kStock, 1}};
    CHECK_FALSE(engine.check({cover, 200, 550'200}, 0).accepts);
    engine.set_position(kCall55, 0);
    CHECK(engine.check({cover, 100, 550'200}, 0).accepts);
    const std::vector<Leg> bought{{kLateCall50, 1}};
    const std::vector<Leg> uncover{{kStock, -1}};
    engine.set_position(kStock, 100);
    engine.set_position(kCall55, -1);
    CHECK_FALSE(engine.check({uncover, 100, -549'900}, 0).accepts);
    engine.set_position(kLateCall50, 1);  // this does not cover the other one's expiry, nor free the shares
    engine.set_position(kCall60, -1);
    CHECK_FALSE(engine.check({uncover, 100, -549'900}, 0).accepts);
    engine.set_position(kCall55, 0);
    engine.set_position(kCall60, 0);
    CHECK(engine.check({uncover, 100, -549'900}, 0).accepts);
    engine.set_position(kLateCall50, 0);
    engine.set_position(kStock, -100);
    CHECK(engine.check({bought, 1, 62'000}, 0).accepts);  // bare stock: a call of any expiry bounds the loss
}

TEST_CASE("a quote that is dated in the future is no fresher than one of now") {
    LimitEngine engine(generous(), contracts());
    tell_market(engine);
    constexpr std::int64_t kNow = 1'000'000'000'000'000;
    engine.set_market(kCall60, {0.50, 0.55, 0.2, 0.03, 5.0, -3'600.0, -3'600.0}, kNow);
    engine.set_underlying(55.0, -3'600.0, kNow);
    const std::vector<Leg> call{{kCall60, 1}};
    CHECK(engine.check({call, 1, 5'500}, kNow).accepts);
    CHECK(engine.check({call, 1, 5'500}, kNow + 61'000'000'000).check == Check::stale_feed);
}

TEST_CASE("an order that can lose nothing but its fees hedges nothing") {
    LimitEngine engine(generous(), contracts());
    tell_market(engine);
    engine.set_position(kCall50, -1);  // with the 60s, a spread that loses above 50
    engine.set_position(kCall60, 1);
    const std::vector<Leg> bought{{kCall55, 1}, {kCall60, -1}};
    CHECK(engine.check({bought, 1, 15'000}, 0).reduces_risk);
    CHECK_FALSE(engine.check({bought, 1, 0}, 0).reduces_risk);
    CHECK_FALSE(engine.check({bought, 1, -200}, 0).reduces_risk);
}

TEST_CASE("who knows that an order closes is answered by what no closing order passes") {
    LimitEngine engine(generous(), contracts());
    tell_market(engine);
    const std::vector<Leg> bought{{kCall60, 1}};
    const OrderTerms order{bought, 1, 5'500};
    engine.set_state(State::halted);
    CHECK(engine.check(order, 0).check == Check::kill_switch);
    CHECK(engine.check(order, 0, kNoOrder, true).accepts);
    CHECK(engine.check({bought, 1, 60'000}, 0, kNoOrder, true).check == Check::price_collar);
    engine.set_tradable(kCall60, false);
    CHECK(engine.check(order, 0, kNoOrder, true).check == Check::tradable);
    engine.set_tradable(kCall60, true);
    engine.set_account_state(0, State::cancel_only);
    CHECK(engine.check(order, 0, kNoOrder, true).check == Check::account_kill);
}

}  // namespace optionsib::risk
