#include "cash_dividends_grid.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "american_table.hpp"

namespace optionsib::pricing {
namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

// Nodes where exercise is never best between ex-dates, and where it is; there, time steps of a segment as
// long as the life of the option, and at least; half the grid's width in standard deviations. Errors in
// optionsib/pricing/cash_dividends.hpp; too many time steps for the nodes make them larger.
struct TierGrid {
    int free_nodes, nodes;
    double steps, least_steps, width;
};
constexpr TierGrid tier_grids[] = {{64, 112, 18, 3, 4.8}, {128, 384, 56, 8, 5.5}, {384, 1280, 360, 64, 6.5}};

const TierGrid& grid_of(Tier tier) noexcept {
    return tier_grids[static_cast<std::size_t>(tier)];
}

// Of volatility times the root of time: less is raised to it.
constexpr double least_deviation = 1e-5;

// How many times finer than its tier's a grid must be: where its nodes lie far apart in spot,
// or where the life after the last ex-date is too short for them to see;
int finer_space(const CashDividendOption& of, const TierGrid& tier) noexcept {
    const double root = std::sqrt(of.option.time_to_expiry);
    int finer = of.volatility * root > 1.5 ? 2 : 1;
    if (!of.closed) return finer;
    const double last = std::sqrt(std::max(of.option.time_to_expiry - of.last_time, 0.0)) / root;
    while (finer < 8 && last * tier.free_nodes * finer < 1.8 * tier.width) finer *= 2;
    return finer;
}
// and where the exercise boundary runs far, or faster than the deviation.
double finer_time(const CashDividendOption& of) noexcept {
    const European& o = of.option;
    const double deviation = of.volatility * std::sqrt(o.time_to_expiry);
    const double run = std::max(std::fabs(o.rate), std::fabs(o.dividend_yield)) * o.time_to_expiry;
    const double ratio = std::max(deviation, run / std::max(deviation, 1e-3));
    return std::clamp(std::ceil(ratio), 1.0, 12.0);
}

double at_least(double volatility, double expiry) noexcept {
    return std::max(volatility, least_deviation / std::sqrt(expiry));
}

}  // namespace

European european_at(const EuropeanColumns& o, std::size_t i) noexcept {
    return {static_cast<double>(o.kind[i]),
            o.spot[i],
            o.strike[i],
            o.time_to_expiry[i],
            o.rate[i],
            o.dividend_yield[i]};
}

CashDividendOption read_option(ExerciseStyle style, const EuropeanColumns& options,
                               const CashDividends& dividends, double volatility, std::size_t i) noexcept {
    CashDividendOption result{european_at(options, i), volatility};
    const European& o = result.option;
    const DividendSchedule& schedule = dividends.schedule;
    const auto entries = static_cast<std::int64_t>(schedule.count);
    const std::int64_t begin = schedule.offsets.data == nullptr ? 0 : schedule.offsets[i];
    const std::int64_t end = schedule.offsets.data == nullptr ? entries : schedule.offsets[i + 1];
    if (begin < 0 || end < begin || end > entries) {
        result.status = Status::invalid_input;
        return result;
    }
    double before = -std::numeric_limits<double>::infinity();
    result.first = end;
    for (std::int64_t j = begin; j < end; ++j) {
        const double time = schedule.ex_times_years[static_cast<std::size_t>(j)];
        const double amount = schedule.cash_amounts[static_cast<std::size_t>(j)];
        if (!(time >= before) || !std::isfinite(time) || !(amount >= 0.0) || !std::isfinite(amount)) {
            result.status = Status::invalid_input;
            return result;
        }
        before = time;
        if (!(time > 0.0) || !(time <= o.time_to_expiry)) continue;
        if (result.count == 0) result.first = j;
        ++result.count;
        result.last_time = time;
        if (dividends.model == DividendModel::escrowed) {
            const double worth = amount * std::exp((o.dividend_yield - o.rate) * time);
            result.present += worth;
            result.present_times += worth * time;
        }
    }
    if (result.count == 0) return result;
    // The rest is judged as the models without dividends do it.
    const double size =
        std::exp(std::fabs(o.rate * o.time_to_expiry) + std::fabs(o.dividend_yield * o.time_to_expiry));
    const bool valid = (o.kind == 1.0 || o.kind == -1.0) && std::isfinite(o.spot) &&
                       std::isfinite(o.strike) && o.spot > 0.0 && o.strike > 0.0 &&
                       std::isfinite(o.time_to_expiry) && size < 1e100 && o.spot < 1e150 && o.spot > 1e-150 &&
                       o.strike < 1e150 && o.strike > 1e-150 && volatility >= 0.0 &&
                       std::isfinite(volatility);
    if (!valid || result.present >= o.spot)
        result.status = Status::invalid_input;
    else if (volatility * std::sqrt(o.time_to_expiry) > largest_deviation)
        result.status = Status::unsupported;
    else if (result.count > static_cast<int>(most_cash_dividends))
        result.status = Status::unsupported;
    const double r = o.kind > 0.0 ? o.dividend_yield : o.rate, q = o.kind > 0.0 ? o.rate : o.dividend_yield;
    const double nothing = negligible_exponent / o.time_to_expiry;
    result.closed = style == ExerciseStyle::european || (r <= nothing && q >= r - nothing);
    return result;
}

const CashDividendKernels& cash_dividend_kernels(SimdPath path) noexcept {
#ifdef OPTIONSIB_X86_PATHS
    if (path == SimdPath::avx512) return cash_dividends_avx512;
    if (path == SimdPath::avx2) return cash_dividends_avx2;
#else
    static_cast<void>(path);
#endif
    return cash_dividends_baseline;
}

CashDividendSolver::CashDividendSolver(ExerciseStyle style, Tier tier, const CashDividends& dividends,
                                       SimdPath path)
    : style_(style),
      tier_(tier),
      dividends_(dividends),
      kernels_(cash_dividend_kernels(path)),
      group_(std::make_unique<CashDividendGroup>()) {}

void CashDividendSolver::lay_out(int nodes) {
    if (nodes > room_) {
        workspace_ = std::make_unique_for_overwrite<double[]>(
            cash_dividend_workspace(static_cast<std::size_t>(nodes)));
        room_ = nodes;
    }
    group_->nodes = nodes;
    group_->workspace = workspace_.get();
}

void CashDividendSolver::fill(const CashDividendOption& of, int lane, bool wide) {
    CashDividendGroup& g = *group_;
    const TierGrid& tier = grid_of(tier_);
    const double half = 0.5 * g.nodes;
    const European& o = of.option;
    const bool escrowed = dividends_.model == DividendModel::escrowed;
    const double expiry = o.time_to_expiry, volatility = at_least(of.volatility, expiry);
    const double carry = o.rate - o.dividend_yield, drift = carry - 0.5 * volatility * volatility;
    g.kind.lane[lane] = o.kind;
    g.strike.lane[lane] = o.strike;
    g.expiry.lane[lane] = expiry;
    g.rate.lane[lane] = o.rate;
    g.yield.lane[lane] = o.dividend_yield;
    g.volatility.lane[lane] = volatility;
    g.dividends.lane[lane] = of.count;
    const DividendSchedule& schedule = dividends_.schedule;
    // The path of the forward, and its variance: a dividend raises the volatility relative to what is left.
    // Where next to nothing is left, what counts are the paths that were far above; none of them comes above
    // the path that pays nothing.
    double forward = o.spot - of.present, variance = 0.0, present = of.present,
           present_times = of.present_times, unpaid = forward;
    const double reach = wide ? 1.0 + std::fabs(std::log(o.spot / o.strike)) : 0.0;
    const double times_finer = finer_time(of);
    double start = 0.0;
    for (int k = 0; k <= of.count; ++k) {
        Segment& segment = g.segment[k];
        const auto entry = static_cast<std::size_t>(of.first + k);
        const double end = k < of.count ? schedule.ex_times_years[entry] : expiry;
        const double length = end - start;
        double amount = 0.0;
        if (k > 0) {
            amount = schedule.cash_amounts[entry - 1];
            if (escrowed) {
                present = std::max(present - amount, 0.0);
            } else {
                const double left =
                    std::max(forward - amount, std::max(0.2 * forward, std::min(0.05 * unpaid, forward)));
                const double lever = forward / left;
                variance *= lever * lever;
                forward = left;
            }
        }
        const double at_start = forward;
        forward *= std::exp(carry * length);
        unpaid *= std::exp(carry * length);
        variance += volatility * volatility * length;
        segment.start.lane[lane] = start;
        segment.end.lane[lane] = end;
        segment.amount.lane[lane] = amount;
        segment.present.lane[lane] = present;
        segment.present_times.lane[lane] = present_times;
        segment.steps.lane[lane] =
            length > 0.0
                ? std::max(tier.least_steps, std::ceil(tier.steps * std::sqrt(length / expiry))) * times_finer
                : 0.0;
        const double deviation = wide ? volatility * std::sqrt(expiry) : std::sqrt(variance);
        const double whole = volatility * std::sqrt(expiry);
        const double highest = forward < 0.3 * unpaid
                                   ? std::log(unpaid / forward) + whole * (tier.width + 0.5 * whole)
                                   : std::numeric_limits<double>::infinity();
        segment.center.lane[lane] =
            k == 0 ? std::log(at_start) : std::log(at_start) + (carry - drift) * length;
        segment.step.lane[lane] =
            std::max(std::min(deviation * (tier.width + 0.5 * deviation), highest), reach) / half;
        // To the time of the next dividend.
        const double growth = std::exp(carry * length);
        present_times = growth * (present_times - length * present);
        present *= growth;
        start = end;
    }
    g.segments = std::max(g.segments, of.count + 1);
}

CashDividendValue CashDividendSolver::value(const CashDividendOption& of, int lane, Wanted wanted) const {
    const CashDividendGroup& g = *group_;
    const European& o = of.option;
    const double discount = std::exp(-o.rate * o.time_to_expiry);
    const double spot = o.spot - of.present, volatility = g.volatility.lane[lane],
                 carry = o.rate - o.dividend_yield;
    double u[5];
    for (int j = 0; j < 5; ++j) u[j] = g.result.values[j].lane[lane];
    const double step = g.segment[0].step.lane[lane];
    const double first = (u[0] - 8.0 * u[1] + 8.0 * u[3] - u[4]) / (12.0 * step);
    const double second = (-u[0] + 16.0 * u[1] - 30.0 * u[2] + 16.0 * u[3] - u[4]) / (12.0 * step * step);
    const double intrinsic = o.kind * (o.spot - o.strike);
    CashDividendValue v{};
    if (g.american && !g.hold_first && u[2] <= g.result.exercise.lane[lane] && intrinsic >= 0.0) {
        v.exercised = true;
        v.price = intrinsic;
        v.delta = o.kind;
        v.dual_delta = -o.kind;
        return v;
    }
    v.price = std::max(discount * u[2], 0.0);  // NaN stays
    if (g.american && !g.hold_first) v.price = std::max(v.price, std::max(intrinsic, 0.0));
    v.delta = discount * first / spot;
    v.gamma = discount * (second - first) / (spot * spot);
    v.theta =
        o.rate * v.price - carry * o.spot * v.delta - 0.5 * volatility * volatility * spot * spot * v.gamma;
    if (wanted == Wanted::price) return v;
    if (wanted == Wanted::dual_delta) {
        v.dual_delta = discount * g.result.tangents[0].lane[lane];
        return v;
    }
    v.vega = discount * g.result.tangents[0].lane[lane];
    if (wanted == Wanted::vega) return v;
    // Escrowed: the part that moves is the spot less the dividends' value, which the carry moves.
    const double moved = v.delta * of.present_times;
    v.rho = discount * (g.result.tangents[1].lane[lane] - o.time_to_expiry * u[2]) + moved;
    v.epsilon = discount * g.result.tangents[2].lane[lane] - moved;
    v.dual_delta = discount * g.result.tangents[3].lane[lane];
    return v;
}

void CashDividendSolver::solve(Wanted wanted, const CashDividendOption* options, const std::size_t* which,
                               std::size_t count, CashDividendValue* values, bool hold_first) {
    CashDividendGroup& g = *group_;
    const TierGrid& tier = grid_of(tier_);
    g.american = style_ == ExerciseStyle::american;
    g.escrowed = dividends_.model == DividendModel::escrowed;
    g.hold_first = hold_first;
    g.vega = wanted == Wanted::vega;
    g.dual_delta = wanted == Wanted::dual_delta;
    g.all_tangents = wanted == Wanted::all;
    g.record = nullptr;
    // Lanes whose segments are alike side by side. The order has no influence on results.
    order_.resize(count);
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
        const CashDividendOption &x = options[which[a]], &y = options[which[b]];
        if (x.closed != y.closed) return x.closed < y.closed;
        if (finer_space(x, tier) != finer_space(y, tier)) return finer_space(x, tier) < finer_space(y, tier);
        if (x.count != y.count) return x.count < y.count;
        if (x.option.time_to_expiry != y.option.time_to_expiry)
            return x.option.time_to_expiry < y.option.time_to_expiry;
        return a < b;
    });
    const auto lanes = static_cast<std::size_t>(kernels_.lanes);
    for (std::size_t i = 0; i < count;) {
        const bool closed = options[which[order_[i]]].closed;
        const int finer = finer_space(options[which[order_[i]]], tier);
        std::size_t here = 0;
        g.segments = 0;
        lay_out((closed ? tier.free_nodes : tier.nodes) * finer);
        while (here < lanes && i + here < count && options[which[order_[i + here]]].closed == closed &&
               finer_space(options[which[order_[i + here]]], tier) == finer) {
            fill(options[which[order_[i + here]]], static_cast<int>(here), false);
            ++here;
        }
        for (std::size_t lane = here; lane < lanes; ++lane)
            fill(options[which[order_[i]]], static_cast<int>(lane), false);
        g.closed = closed;
        kernels_.run(g);
        for (std::size_t lane = 0; lane < here; ++lane) {
            const std::size_t at = order_[i + lane];
            values[at] = value(options[which[at]], static_cast<int>(lane), wanted);
        }
        i += here;
    }
}

void CashDividendSolver::critical_spots(const CashDividendOption& of, double* spots) {
    CashDividendGroup& g = *group_;
    const TierGrid& tier = grid_of(tier_);
    lay_out(tier.nodes * finer_space(of, tier));
    const auto row = static_cast<std::size_t>(g.nodes + 1) * most_lanes;
    record_.resize(row * static_cast<std::size_t>(of.count + 1));
    g.american = true;
    g.escrowed = dividends_.model == DividendModel::escrowed;
    g.closed = of.closed;
    g.hold_first = g.vega = g.dual_delta = g.all_tangents = false;
    g.record = record_.data();
    g.segments = 0;
    for (int lane = 0; lane < kernels_.lanes; ++lane) fill(of, lane, true);
    kernels_.run(g);
    g.record = nullptr;
    for (int k = 1; k <= of.count; ++k) {
        const Segment& segment = g.segment[k - 1];
        const auto difference = [&](int i) {
            return record_[static_cast<std::size_t>(k) * row + static_cast<std::size_t>(i) * most_lanes];
        };
        // Node 0 is the far end of the exercise side.
        int i = 0;
        while (i <= g.nodes && difference(i) <= 0.0) ++i;
        double& spot = spots[k - 1];
        spot = not_a_number;
        if (i == 0 || i > g.nodes) continue;
        const double below = difference(i - 1), above = difference(i);
        double share = above > below ? -below / (above - below) : 0.5;
        if (i + 1 <= g.nodes) {  // a parabola through three nodes, one Newton step from the chord
            const double curve = 0.5 * (difference(i + 1) - 2.0 * above + below),
                         slope = above - below - curve;
            const double f = below + share * (slope + share * curve), df = slope + 2.0 * share * curve;
            if (df > 0.0) share = std::clamp(share - f / df, 0.0, 1.0);
        }
        const double own = segment.end.lane[0] - segment.start.lane[0];
        const double volatility = g.volatility.lane[0];
        const double drift = of.option.rate - of.option.dividend_yield - 0.5 * volatility * volatility;
        const double z = segment.center.lane[0] -
                         of.option.kind * (i - 1 + share - g.nodes / 2) * segment.step.lane[0] + drift * own;
        spot = std::exp(z);
        if (g.escrowed) {
            const Segment& after = g.segment[k];
            spot += after.present.lane[0] + after.amount.lane[0];
        }
    }
}

}  // namespace optionsib::pricing
