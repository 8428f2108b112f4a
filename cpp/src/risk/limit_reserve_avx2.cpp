#include "optionsib/math/simd/lanes.hpp"

#ifdef OPTIONSIB_LANES_AVX2  // not so where all files are compiled for one processor
#include "limit_reserve.hpp"

namespace optionsib::risk {

namespace {

struct Lanes {
    using Four = simd::Pack<1>;
    OPTIONSIB_INLINE static Four of(double a, double b) {
        return simd::Reals(_mm256_blend_pd(_mm256_set1_pd(a), _mm256_set1_pd(b), 8));
    }
};

}  // namespace

std::size_t LimitEngine::reserve_avx2(LimitEngine& engine, std::span<const OrderRecord> records,
                                      VerdictRecord* verdicts) {
    return engine.reserve_run<Lanes>(records, verdicts);
}

void LimitEngine::release_avx2(LimitEngine& engine, const WorkingOrder& order) {
    engine.release_one<Lanes>(order);
}

}  // namespace optionsib::risk
#endif
