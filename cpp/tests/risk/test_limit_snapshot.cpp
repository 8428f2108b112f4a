// Books as bytes: an engine restored from them judges and books as the one they came from; damaged bytes
// change nothing. And the quick way gives the same verdicts on every instruction set.
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "optionsib/risk/limit_engine.hpp"

namespace optionsib::risk {

namespace {

constexpr std::uint32_t kContracts = 24;
constexpr std::uint32_t kStock = kContracts - 1;

std::vector<ContractRules> chain(std::int64_t first_strike = 450'000) {
    std::vector<ContractRules> rules;
    for (std::uint32_t i = 0; i < kContracts; ++i) {
        ContractRules one;
        one.terms = {i % 2 == 0 ? 1 : -1, static_cast<std::int32_t>(i / 12),
                     first_strike + 10'000 * static_cast<std::int64_t>(i % 12), 100, 650'000};
        if (i == kStock) one.terms = {0, 0, 0, 1, 10'000};
        one.bands = {{0, 100}, {30'000, 500}};
        one.underlying = i / 12;
        rules.push_back(one);
    }
    return rules;
}

Limits limits() {
    Limits made;
    made.order_quantity = 9;
    made.order_delta = made.order_gamma = made.order_vega = 1e4;
    made.order_notional = 1e6;
    made.portfolio = made.underlying = {4e3, 1e3, 3e4, 2e6};
    made.strategy = made.expiry = {3e3, 1e3, 2e4, 1e6};
    made.order_loss = made.portfolio_loss = made.scenario_loss = std::int64_t{1} << 60;
    made.daily_loss = 30'000'000'000;
    made.credit = 60'000'000'000;
    made.position = 40;
    made.open_quantity = 150;
    made.open_orders = 40;
    made.order_price = 100'000;
    made.price_collar = 5'000;
    made.orders_per_minute = 60;
    made.feed_age = made.change_age = 1e9;
    made.duplicate_window = 5.0;
    made.order_to_trade = 60.0;
    made.repeated_executions = 25;
    made.repeated_window = 10.0;
    made.protection_quantity = 60;
    made.protection_window = 10.0;
    return made;
}

void tell_market(LimitEngine& engine) {
    for (std::uint32_t u = 0; u < 2; ++u) engine.set_underlying(55.0, 0.0, 0, u);
    for (std::uint32_t c = 0; c < kContracts; ++c) {
        engine.set_market(c, {1.95, 2.05, c % 2 == 0 ? 0.5 : -0.5, 0.03, 5.0, 0.0, 0.0});
        std::vector<double> gains(engine.scenario_count(), c % 3 == 0 ? -20.0 : 35.0);
        if (!gains.empty()) engine.set_scenarios(c, gains);
    }
}

// What happens to an engine, the same for the same seed.
class Story {
  public:
    explicit Story(std::uint64_t seed) : random_(seed) {}

    struct Answer {
        std::uint64_t handle;
        int check;
        double value, limit;
        bool operator==(const Answer&) const = default;
    };
    Answer step(LimitEngine& engine) {
        now_ns_ += static_cast<std::int64_t>(below(1'000'000'000));
        const auto chosen = below(20);
        if (chosen < 3 && !live_.empty()) {
            const OrderHandle handle = live_[below(live_.size())];
            return {0, static_cast<int>(engine.fill(handle, 1, std::nullopt, now_ns_)), 0.0, 0.0};
        }
        if (chosen < 7 && !live_.empty()) {
            const auto at = static_cast<std::ptrdiff_t>(below(live_.size()));
            const OrderHandle handle = live_[static_cast<std::size_t>(at)];
            live_.erase(live_.begin() + at);
            return {0, static_cast<int>(engine.finish(handle)), 0.0, 0.0};
        }
        if (chosen == 7) {
            engine.reset_repeated_executions(static_cast<std::uint32_t>(below(2)));
            engine.reset_protection(0, static_cast<std::uint32_t>(below(2)));
        }
        if (chosen == 8) {
            const Leg legs[] = {{static_cast<std::uint32_t>(below(6)), 1},
                                {static_cast<std::uint32_t>(6 + below(6)), -1}};
            const OrderTerms order{legs, 1, 100 * static_cast<std::int64_t>(below(20)), 0, 0, 1};
            const Submission done = engine.submit(order, now_ns_);
            if (done.handle != kNoOrder) live_.push_back(done.handle);
            return {done.handle, static_cast<int>(done.verdict.check), done.verdict.value,
                    done.verdict.limit};
        }
        OrderRecord record{};
        record.time_ns = now_ns_;
        record.contract = static_cast<std::uint32_t>(below(kContracts));
        record.strategy = static_cast<std::uint32_t>(below(2));
        record.side = below(2) == 0 ? 1 : -1;
        record.quantity = 1 + static_cast<std::int64_t>(below(10));
        record.price = 500 * static_cast<std::int64_t>(36 + below(10));
        VerdictRecord verdict;
        const Check check = engine.submit(record, verdict);
        if (check == Check::none) live_.push_back(verdict.handle);
        return {verdict.handle, static_cast<int>(check), verdict.value, verdict.limit};
    }

  private:
    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

    std::mt19937_64 random_;
    std::vector<OrderHandle> live_;
    std::int64_t now_ns_ = 0;
};

void require_same_sums(LimitEngine& one, LimitEngine& other) {
    const Exposure a = one.exposure(), b = other.exposure();
    REQUIRE(a.held.delta == b.held.delta);
    REQUIRE(a.worst.delta == b.worst.delta);
    REQUIRE(a.worst.vega == b.worst.vega);
    REQUIRE(a.notional == b.notional);
    REQUIRE(a.worst_loss == b.worst_loss);
    REQUIRE(a.scenario_loss == b.scenario_loss);
    REQUIRE(a.profit == b.profit);
    REQUIRE(one.working_count() == other.working_count());
}

}  // namespace

TEST_CASE("an engine restored from a snapshot goes on as the one that made it") {
    for (std::uint64_t seed = 0; seed < 12; ++seed) {
        Sizes sizes;
        sizes.orders = 50;
        sizes.scenarios = seed % 3 == 0 ? 4 : 0;
        sizes.judges_losses = seed % 3 == 0;
        sizes.strategies = 2;
        LimitEngine first(limits(), chain(), sizes);
        tell_market(first);
        Story story(seed);
        for (int n = 0; n < 400; ++n) story.step(first);
        if (seed % 4 == 1) first.set_state(State::reduce_only);
        first.set_tradable(3, false);
        const std::vector<std::byte> stored = first.snapshot();

        const bool has_past = seed % 2 == 0;  // that must be gone
        sizes.strategies = has_past ? 2 : 1;  // the other one comes with the snapshot
        LimitEngine second(limits(), chain(), sizes);
        tell_market(second);
        Story other(seed + 100);
        for (int n = 0; has_past && n < 50; ++n) other.step(second);
        REQUIRE(second.restore(stored));
        REQUIRE(second.state() == first.state());
        require_same_sums(first, second);
        REQUIRE(second.snapshot() == stored);
        Story same = story;
        std::size_t accepted = 0;
        for (int n = 0; n < 400; ++n) {
            const auto told = story.step(first);
            REQUIRE(same.step(second) == told);
            accepted += told.handle != kNoOrder;
        }
        REQUIRE(accepted + seed % 4 * 400 > 20);
        require_same_sums(first, second);
        REQUIRE(first.snapshot() == second.snapshot());
    }
}

TEST_CASE("damaged snapshots, and those of another chain, change nothing") {
    Sizes sizes;
    sizes.orders = 8;
    sizes.strategies = 2;
    LimitEngine engine(limits(), chain(), sizes);
    tell_market(engine);
    Story story(3);
    for (int n = 0; n < 60; ++n) story.step(engine);
    const std::vector<std::byte> stored = engine.snapshot();
    for (int n = 0; n < 20; ++n) story.step(engine);
    const std::vector<std::byte> now = engine.snapshot();
    REQUIRE(now != stored);
    for (std::size_t at = 0; at < stored.size(); at += 7) {
        std::vector<std::byte> damaged = stored;
        damaged[at] ^= std::byte{0x20};
        REQUIRE(!engine.restore(damaged));
        REQUIRE(!engine.restore(std::span(stored).first(at)));
    }
    LimitEngine elsewhere(limits(), chain(460'000), sizes);
    REQUIRE(!elsewhere.restore(stored));
    sizes.orders = 9;
    LimitEngine roomier(limits(), chain(), sizes);
    REQUIRE(!roomier.restore(stored));
    REQUIRE(engine.snapshot() == now);
    REQUIRE(engine.restore(stored));
    REQUIRE(engine.snapshot() == stored);
}

TEST_CASE("every instruction set gives the same verdicts and sums") {
    for (const SimdPath path : {SimdPath::avx2, SimdPath::avx512}) {
#ifdef OPTIONSIB_X86_PATHS
        if (!simd_path_supported(path)) continue;
#endif
        Sizes sizes;
        sizes.strategies = 2;
        sizes.judges_losses = false;
        sizes.path = SimdPath::baseline;
        LimitEngine plain(limits(), chain(), sizes);
        sizes.path = path;
        LimitEngine wide(limits(), chain(), sizes);
        for (LimitEngine* engine : {&plain, &wide}) tell_market(*engine);
        Story one(9), same(9);
        std::size_t accepted = 0;
        for (int n = 0; n < 4'000; ++n) {
            const auto told = one.step(plain);
            REQUIRE(same.step(wide) == told);
            accepted += told.handle != kNoOrder;
        }
        CHECK(accepted > 200);
        require_same_sums(plain, wide);
        CHECK(plain.snapshot() == wide.snapshot());
    }
}

TEST_CASE("a reprice and a cancel that leave count as messages, once each") {
    Limits few = limits();
    few.order_to_trade = 3.0;
    LimitEngine engine(few, chain());
    tell_market(engine);
    const Leg leg{0, 1};
    const OrderTerms order{{&leg, 1}, 1, 20'000};
    const OrderHandle handle = engine.submit(order, 0).handle;
    REQUIRE(handle != kNoOrder);
    CHECK(engine.count_message(handle) == Booking::ok);
    CHECK(engine.check(order, 20'000'000'000).accepts);
    CHECK(engine.count_message(handle) == Booking::ok);
    const Verdict refused = engine.check(order, 20'000'000'000);
    CHECK(refused.check == Check::order_to_trade);
    CHECK(refused.value == 4.0);
    CHECK(engine.count_message(handle + 1) == Booking::unknown_order);
    REQUIRE(engine.fill(handle, 1, std::nullopt) == Booking::ok);  // one execution: the ratio counts on it
    CHECK(engine.check(order, 20'000'000'000).check == Check::order_to_trade);
}

}  // namespace optionsib::risk
