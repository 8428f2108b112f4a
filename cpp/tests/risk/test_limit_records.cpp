// Records: the quick way agrees with the general one, bad records are refused, nothing is allocated, and
// threads cannot breach a limit together. (The sanitizers run this file too; ThreadSanitizer through
// scripts/test.sh.)
#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include "optionsib/risk/limit_engine.hpp"

namespace optionsib::risk {

namespace {

constexpr std::size_t kContracts = 40;
constexpr std::int64_t kSecond = 1'000'000'000;

std::vector<ContractRules> chain() {
    std::vector<ContractRules> rules;
    for (std::size_t i = 0; i < kContracts; ++i) {
        ContractRules one;
        one.terms = {i % 2 == 0 ? 1 : -1, static_cast<std::int32_t>(i / 20),
                     450'000 + 10'000 * static_cast<std::int64_t>(i % 20), 100, 650'000};
        one.bands = {{0, 100}, {30'000, 500}};
        one.underlying = static_cast<std::uint32_t>(i / 20);
        rules.push_back(one);
    }
    return rules;
}

Limits wide() {
    Limits limits;
    limits.order_quantity = 1'000'000;
    limits.order_delta = limits.order_gamma = limits.order_vega = limits.order_notional = 1e15;
    limits.portfolio = limits.strategy = limits.underlying = limits.expiry = {1e15, 1e15, 1e15, 1e15};
    limits.order_loss = limits.portfolio_loss = limits.scenario_loss = limits.daily_loss = limits.credit =
        std::int64_t{1} << 60;
    limits.position = limits.open_quantity = limits.open_orders = std::int64_t{1} << 40;
    limits.order_price = 10'000'000;
    limits.price_collar = 5'000;
    limits.orders_per_minute = 100'000;
    limits.feed_age = limits.change_age = 1e9;
    limits.duplicate_window = 0.0;
    limits.order_to_trade = 1e12;
    limits.repeated_executions = limits.protection_quantity = 1 << 30;
    limits.repeated_window = limits.protection_window = 1.0;
    return limits;
}

void tell_market(LimitEngine& engine, std::size_t contracts = kContracts) {
    for (std::uint32_t u = 0; u < 2; ++u) engine.set_underlying(55.0, 0.0, 0, u);
    for (std::uint32_t c = 0; c < contracts; ++c) {
        engine.set_market(c, {1.95, 2.05, c % 2 == 0 ? 0.5 : -0.5, 0.03, 5.0, 0.0, 0.0});
    }
}

OrderRecord buy(std::uint32_t contract, std::int64_t quantity, std::int64_t price, std::int64_t time_ns) {
    OrderRecord record{};
    record.time_ns = time_ns;
    record.contract = contract;
    record.quantity = quantity;
    record.price = price;
    record.side = 1;
    return record;
}

}  // namespace

TEST_CASE("a record and the same order in terms of legs get the same verdict") {
    Limits limits = wide();
    limits.order_quantity = 8;
    limits.portfolio.delta = 3'000.0;
    limits.expiry.vega = 20'000.0;
    limits.position = 25;
    limits.portfolio_loss = 30'000'000'000;
    limits.scenario_loss = 15'000'000'000;
    Sizes sizes;
    sizes.scenarios = 6;
    LimitEngine by_record(limits, chain(), sizes);
    LimitEngine by_legs(limits, chain(), sizes);
    std::mt19937_64 random(5);
    for (LimitEngine* engine : {&by_record, &by_legs}) tell_market(*engine);
    for (std::uint32_t c = 0; c < kContracts; ++c) {
        double gains[6];
        for (double& gain : gains) gain = static_cast<double>(random() % 400) - 200.0;
        by_record.set_scenarios(c, gains);
        by_legs.set_scenarios(c, gains);
    }
    std::vector<OrderHandle> working;
    std::size_t refused[kCheckCount] = {};
    for (std::int64_t n = 0; n < 4'000; ++n) {
        OrderRecord record = buy(static_cast<std::uint32_t>(random() % kContracts),
                                 1 + static_cast<std::int64_t>(random() % 10),
                                 17'000 + 50 * static_cast<std::int64_t>(random() % 200), n * kSecond);
        record.side = random() % 2 == 0 ? 1 : -1;
        VerdictRecord verdict;
        const Check check = by_record.submit(record, verdict);
        const Leg leg{record.contract, record.side};
        const OrderTerms order{{&leg, 1}, record.quantity, record.side * record.price};
        const Submission same = by_legs.submit(order, record.time_ns);
        REQUIRE(same.verdict.check == check);
        REQUIRE(same.verdict.value == verdict.value);
        REQUIRE(same.verdict.limit == verdict.limit);
        ++refused[static_cast<std::size_t>(check)];
        if (check == Check::none) working.push_back(verdict.handle);
        // Handles are equal in both: the same orders came in the same order.
        if (!working.empty() && random() % 3 == 0) {
            const std::size_t at = random() % working.size();
            for (LimitEngine* engine : {&by_record, &by_legs}) {
                CHECK(engine->fill(working[at], 1, std::nullopt, n * kSecond) == Booking::ok);
                CHECK(engine->finish(working[at]) == Booking::ok);
            }
            working.erase(working.begin() + static_cast<std::ptrdiff_t>(at));
        }
        const Exposure a = by_record.exposure(), b = by_legs.exposure();
        REQUIRE(a.worst.delta == b.worst.delta);
        REQUIRE(a.worst_loss == b.worst_loss);
    }
    for (const Check check : {Check::none, Check::order_quantity, Check::price_collar, Check::price_grid}) {
        CHECK(refused[static_cast<std::size_t>(check)] > 20);
    }
}

TEST_CASE("what increments keep equals what is summed up anew" * doctest::test_suite("slow")) {
    LimitEngine engine(wide(), chain());
    tell_market(engine);
    std::mt19937_64 random(8);
    std::vector<OrderHandle> working;
    for (std::int64_t n = 0; n < 3'000; ++n) {
        OrderRecord record = buy(static_cast<std::uint32_t>(random() % kContracts),
                                 1 + static_cast<std::int64_t>(random() % 5), 20'000, n * kSecond);
        if (random() % 2 == 0) record.side = -1, record.price = 20'100;
        VerdictRecord verdict;
        if (engine.submit(record, verdict) == Check::none) working.push_back(verdict.handle);
        if (!working.empty() && random() % 2 == 0) {
            if (random() % 2 == 0) engine.fill(working.back(), 1, std::nullopt);
            if (random() % 2 == 0) engine.finish(working.back()), working.pop_back();
        }
        if (random() % 4 == 0) {
            const double delta = static_cast<double>(random() % 200) / 100.0 - 1.0;
            engine.set_market(static_cast<std::uint32_t>(random() % kContracts),
                              {1.95, 2.05, delta, 0.02, 3.0, 0.0, 0.0});
        }
        if (n % 100 != 0) continue;
        const Exposure kept = engine.exposure();
        engine.set_limits(wide());  // has all sums made anew
        const Exposure anew = engine.exposure();
        REQUIRE(kept.held.delta == anew.held.delta);
        REQUIRE(kept.worst.delta == anew.worst.delta);
        REQUIRE(kept.worst.vega == anew.worst.vega);
        REQUIRE(kept.notional == anew.notional);
    }
}

TEST_CASE("states and what they let through") {
    struct Row {
        State state;
        bool opens, reduces, reprices_opening, reprices_reducing, cancels;
    };
    const Row table[] = {{State::active, true, true, true, true, true},
                         {State::reduce_only, false, true, false, true, true},
                         {State::cancel_only, false, false, false, false, true},
                         {State::halted, false, true, false, true, true}};
    for (const bool whole : {true, false}) {
        for (const Row& row : table) {
            LimitEngine engine(wide(), chain());
            tell_market(engine);
            engine.set_position(0, 5);
            const auto send = [&](OrderRecord record) {
                VerdictRecord verdict;
                engine.submit(record, verdict);
                return verdict;
            };
            OrderRecord close = buy(0, 2, 19'500, 0);
            close.side = -1;
            const OrderRecord opening =
                buy(25, 1, 20'000, 0);  // of the other expiry: no hedge of what is held
            VerdictRecord opened, closing;
            REQUIRE(engine.submit(buy(2, 1, 20'000, 0), opened) == Check::none);
            REQUIRE(engine.submit(close, closing) == Check::none);
            whole ? engine.set_state(row.state) : engine.set_account_state(0, row.state);
            CHECK(send(opening).accepts == row.opens);
            CHECK(send(close).accepts == row.reduces);
            OrderRecord move = buy(0, 0, 20'100, 0);
            move.action = static_cast<std::uint8_t>(Action::reprice);
            move.handle = opened.handle;
            CHECK(send(move).accepts == row.reprices_opening);
            move.handle = closing.handle;
            move.price = 19'600;
            CHECK(send(move).accepts == row.reprices_reducing);
            OrderRecord cancel{};
            cancel.action = static_cast<std::uint8_t>(Action::cancel);
            cancel.handle = opened.handle;
            CHECK(send(cancel).accepts == row.cancels);
        }
    }
}

TEST_CASE("a throttle stops new risk, never a cancel and never what reduces risk") {
    Limits limits = wide();
    limits.orders_per_minute = 2;
    limits.repeated_executions = 0;
    limits.protection_quantity = 0;
    limits.daily_loss = 0;
    limits.order_to_trade = 1.0;
    LimitEngine engine(limits, chain());
    tell_market(engine);
    engine.set_position(0, 5);
    const std::vector<Leg> legs{{0, 1}};
    for (int n = 0; n < 4; ++n) {
        const OrderHandle handle = engine.add_working({legs, 1, 20'000}, 0);
        REQUIRE(engine.fill(handle, 1, -21'000'000'000) == Booking::ok);  // dear: the day is lost too
    }
    VerdictRecord verdict;
    CHECK(engine.submit(buy(1, 1, 20'000, 1), verdict) == Check::daily_loss);
    OrderRecord close = buy(0, 2, 19'500, 1);
    close.side = -1;
    CHECK(engine.submit(close, verdict) == Check::none);
    CHECK(verdict.reduces_risk == 1);
    OrderRecord cancel{};
    cancel.action = static_cast<std::uint8_t>(Action::cancel);
    CHECK(engine.submit(cancel, verdict) == Check::none);
}

TEST_CASE("records with any content are judged or refused") {
    Sizes sizes;
    sizes.orders = 64;
    sizes.strategies = 3;
    LimitEngine engine(wide(), chain(), sizes);
    tell_market(engine);
    std::mt19937_64 random(11);
    std::vector<OrderRecord> records(20'000);
    for (OrderRecord& record : records) {
        unsigned char bytes[sizeof record];
        for (unsigned char& byte : bytes) byte = static_cast<unsigned char>(random());
        std::memcpy(&record, bytes, sizeof record);
        // Half of them nearly right, so that every path is taken.
        if (random() % 2 == 0) {
            record = buy(static_cast<std::uint32_t>(random() % (kContracts + 1)),
                         static_cast<std::int64_t>(random() % 5), 20'000,
                         static_cast<std::int64_t>(random() % 1000));
            record.action = static_cast<std::uint8_t>(random() % 4);
            record.side = static_cast<std::int8_t>(random() % 4) - 1;
            record.handle = (random() % 3) << 32 | random() % 70;
            record.strategy = static_cast<std::uint32_t>(random() % 4);
            if (random() % 8 == 0) record.quantity = INT64_MAX;
            if (random() % 8 == 0) record.price = INT64_MIN;
        }
    }
    std::vector<VerdictRecord> verdicts(records.size());
    const std::size_t accepted = engine.submit_batch(records, verdicts.data());
    std::size_t found = 0;
    for (const VerdictRecord& verdict : verdicts) {
        CHECK(verdict.check < kCheckCount);
        CHECK((verdict.accepts == 1) == (verdict.check == 0));
        found += verdict.accepts;
    }
    CHECK(found == accepted);
    CHECK(engine.working_count() <= 64);
    CHECK(engine.exposure().worst.delta <= 64.0 * 4 * 50);
}

TEST_CASE("threads together stay within every limit") {
    Limits limits = wide();
    limits.portfolio.delta = 5'000.0;
    limits.open_quantity = 170;
    limits.open_orders = 90;
    limits.portfolio_loss = 40'000'000'000;
    Sizes sizes;
    sizes.accounts = 2;
    LimitEngine engine(limits, chain(), sizes);
    tell_market(engine);
    constexpr std::size_t kThreads = 4;
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < kThreads; ++t) {
        threads.emplace_back([&engine, t] {
            std::mt19937_64 random(t);
            std::vector<OrderHandle> mine;
            for (std::int64_t n = 0; n < 2'000; ++n) {
                OrderRecord record = buy(static_cast<std::uint32_t>(random() % kContracts),
                                         1 + static_cast<std::int64_t>(random() % 3), 20'000, n);
                record.account = static_cast<std::uint32_t>(random() % 2);
                VerdictRecord verdict;
                if (engine.submit(record, verdict) == Check::none) mine.push_back(verdict.handle);
                if (!mine.empty() && random() % 4 == 0) {
                    CHECK(engine.finish(mine.back()) == Booking::ok);
                    mine.pop_back();
                }
                if (n % 64 == 0) engine.set_market(0, {1.95, 2.05, 0.5, 0.03, 5.0, 0.0, 0.0});
                if (n % 128 == 0) {
                    const Exposure seen = engine.exposure(record.account);
                    CHECK(seen.worst.delta <= 5'000.0);
                    CHECK(seen.worst_loss <= 40'000'000'000);
                }
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(engine.working_count() <= 180);
    CHECK(engine.working_count() > 50);
}

TEST_CASE("executions stop a strategy and a market maker until somebody looks") {
    Limits limits = wide();
    limits.repeated_executions = 2;
    limits.protection_quantity = 1'000;
    Sizes sizes;
    sizes.strategies = 2;
    LimitEngine engine(limits, chain(), sizes);
    tell_market(engine);
    VerdictRecord verdict;
    const auto trade = [&](std::int64_t quantity, std::int64_t time_ns) {
        OrderRecord record = buy(1, quantity, 20'000, time_ns);
        record.strategy = 1;
        if (engine.submit(record, verdict) != Check::none) return false;
        return engine.fill(verdict.handle, quantity, std::nullopt, time_ns) == Booking::ok;
    };
    for (std::int64_t n = 0; n < 3; ++n) CHECK(trade(1, n));
    CHECK_FALSE(trade(1, 3));
    CHECK(verdict.check == static_cast<std::uint8_t>(Check::repeated_executions));
    CHECK_FALSE(trade(1, 100 * kSecond));  // time alone does not heal it
    engine.reset_repeated_executions(1);
    CHECK(trade(1, 100 * kSecond));
    CHECK(trade(1'000, 100 * kSecond + 1));
    CHECK_FALSE(trade(1, 300 * kSecond));
    CHECK(verdict.check == static_cast<std::uint8_t>(Check::market_maker_protection));
    CHECK(verdict.value == 1'001.0);
    OrderRecord elsewhere = buy(30, 1, 20'000, 300 * kSecond);
    CHECK(engine.submit(elsewhere, verdict) == Check::none);  // another underlying
    engine.reset_protection(0, 0);
    CHECK(trade(1, 300 * kSecond));
}

TEST_CASE("duplicates, own orders, lists and switches") {
    Limits limits = wide();
    limits.duplicate_window = 1.0;
    LimitEngine engine(limits, chain());
    tell_market(engine);
    VerdictRecord verdict;
    CHECK(engine.submit(buy(0, 1, 20'000, 0), verdict) == Check::none);
    CHECK(engine.submit(buy(0, 1, 20'000, kSecond - 1), verdict) == Check::duplicate);
    CHECK(engine.submit(buy(0, 1, 20'000, kSecond), verdict) == Check::none);
    CHECK(engine.submit(buy(0, 2, 20'000, kSecond), verdict) == Check::none);
    CHECK(engine.submit(buy(7, 1, 20'000, kSecond), verdict) == Check::none);
    OrderRecord sell = buy(7, 1, 20'000, kSecond);
    sell.side = -1;
    CHECK(engine.submit(sell, verdict) == Check::self_match);
    sell.price = 20'100;
    CHECK(engine.submit(sell, verdict) == Check::none);
    sell.contract = 0;
    CHECK(engine.submit(sell, verdict) == Check::order_loss);  // a naked call
    CHECK(verdict.value == std::numeric_limits<double>::infinity());
    engine.set_tradable(1, false);
    engine.set_restricted(3, true);
    CHECK(engine.submit(buy(1, 1, 20'000, kSecond), verdict) == Check::tradable);
    CHECK(engine.submit(buy(3, 1, 20'000, kSecond), verdict) == Check::restricted);
    CHECK(engine.submit(buy(5, 1, 0, kSecond), verdict) == Check::price_positive);
    engine.set_account_enabled(0, false);
    CHECK(engine.submit(buy(5, 1, 20'000, kSecond), verdict) == Check::account_enabled);
}

}  // namespace optionsib::risk
