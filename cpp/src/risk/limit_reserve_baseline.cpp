#include "limit_reserve.hpp"

namespace optionsib::risk {

namespace {

struct Lanes {
    using Four = simd::Pack<2>;
    OPTIONSIB_INLINE static Four of(double a, double b) {
        return {simd::Doubles{a, a}, simd::Pack<1>(simd::Reals(simd::Doubles{a, b}))};
    }
};

}  // namespace

std::size_t LimitEngine::reserve_baseline(LimitEngine& engine, std::span<const OrderRecord> records,
                                          VerdictRecord* verdicts) {
    return engine.reserve_run<Lanes>(records, verdicts);
}

void LimitEngine::release_baseline(LimitEngine& engine, const WorkingOrder& order) {
    engine.release_one<Lanes>(order);
}

}  // namespace optionsib::risk
