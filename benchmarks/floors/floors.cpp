#include "floors.hpp"

#include <cmath>

namespace optionsib::floors {
namespace {

// Any numbers will do; these keep every value finite and normal.
template <int degree>
double polynomial(double x) noexcept {
    double sum = 1.0 / (degree + 2);
    for (int i = degree; i > 0; --i) sum = sum * x + 1.0 / (i + 1);
    return sum;
}

constexpr int exp_degree = 11, log_degree = 9, mills_degree = 24;

struct Terms {
    double spot, strike, root, total, d1, density, mills1, mills2;
};

inline Terms terms(const Columns& at, std::size_t i, double volatility) noexcept {
    const double t = at.time_to_expiry[i];
    const double spot = at.spot[i] * polynomial<exp_degree>(-at.dividend_yield[i] * t);
    const double strike = at.strike[i] * polynomial<exp_degree>(-at.rate[i] * t);
    const double root = std::sqrt(t);
    const double total = volatility * root;
    const double ratio = (spot - strike) / (spot + strike);
    const double x = polynomial<log_degree>(ratio * ratio) * ratio;
    const double d1 = x / (total + 1.0) + 0.5 * total;
    const double d2 = d1 - total;
    const double near = 1.0 / (d1 * d1 + 4.0), far = 1.0 / (d2 * d2 + 4.0);
    const double density = polynomial<exp_degree>(near - 0.5);
    return {spot,
            strike,
            root,
            total,
            d1,
            density,
            polynomial<mills_degree>(near),
            polynomial<mills_degree>(far)};
}

}  // namespace

void price(std::size_t size, const Columns& options, double* result) noexcept {
    for (std::size_t i = 0; i < size; ++i) {
        const Terms at = terms(options, i, options.volatility[i]);
        const double kind = options.kind[i];
        result[i] =
            kind * (at.spot * (1.0 - at.density * at.mills1) - at.strike * (1.0 - at.density * at.mills2));
    }
}

void greeks(std::size_t size, const Columns& options, double* const* results) noexcept {
    for (std::size_t i = 0; i < size; ++i) {
        const double volatility = options.volatility[i], t = options.time_to_expiry[i];
        const Terms at = terms(options, i, volatility);
        const double kind = options.kind[i];
        const double above = kind * at.spot * (1.0 - at.density * at.mills1);
        const double below = kind * at.strike * (1.0 - at.density * at.mills2);
        const double slope = at.spot * at.density;
        const double inverse = 1.0 / (options.spot[i] * (at.total + 1.0));
        results[0][i] = above - below;
        results[1][i] = above * inverse * at.total;
        results[2][i] = slope * inverse * inverse;
        results[3][i] = slope * at.root;
        results[4][i] =
            options.dividend_yield[i] * above - options.rate[i] * below - slope * volatility * 0.5;
        results[5][i] = t * below;
    }
}

void implied_volatility(std::size_t size, const Columns& options, double* result) noexcept {
    for (std::size_t i = 0; i < size; ++i) {
        const double quote = options.volatility[i] / (options.spot[i] + options.strike[i]);
        const double guess = polynomial<log_degree>(quote) / (1.0 + quote);
        const Terms at = terms(options, i, guess);
        const double value = at.density * (at.mills1 - at.mills2) + 1.0;
        const double gap =
            (polynomial<log_degree>(value - 1.0) - polynomial<log_degree>(quote)) / (at.density + 1.0);
        const double step = gap * (1.0 + 0.5 * gap * at.d1) / (1.0 + gap * (at.d1 + gap * 0.25));
        result[i] = (guess + step) / (at.root + 0.1) + options.kind[i];
    }
}

void american(std::size_t size, const Columns& options, int boundary_points, int premium_points,
              double* result) noexcept {
    for (std::size_t i = 0; i < size; ++i) {
        const Terms at = terms(options, i, options.volatility[i]);
        double sum = at.density * (at.mills1 + at.mills2), depth = 0.25 / (1.0 + at.total);
        for (int k = 0; k < boundary_points + premium_points; ++k) {
            const double root = std::sqrt(depth * polynomial<4>(depth) + 0.01);
            const double d1 = root + at.d1, near = 1.0 / (d1 * d1 + 4.0), far = 1.0 / (d1 * root + 4.0);
            const double density1 = polynomial<exp_degree>(near - 0.5),
                         density2 = polynomial<exp_degree>(far - 0.5);
            sum += density1 * polynomial<mills_degree>(near) - density2 * polynomial<mills_degree>(far);
            depth = 0.999 * depth + 1e-4 * root;
        }
        result[i] = options.kind[i] * sum;
    }
}

void grid(std::size_t size, const Columns& options, int nodes, int steps, double* result) noexcept {
    double values[256], pivots[256];
    for (std::size_t i = 0; i < size; ++i) {
        const Terms at = terms(options, i, options.volatility[i]);
        const double off = 0.25 + 0.1 * at.total, middle = 1.0 + 2.0 * off;
        for (int k = 0; k < nodes; ++k) values[k] = at.density * k;
        for (int step = 0; step < steps; ++step) {
            pivots[0] = 1.0 / middle;
            for (int k = 1; k < nodes; ++k) {
                pivots[k] = 1.0 / (middle - off * off * pivots[k - 1]);
                values[k] += off * pivots[k - 1] * values[k - 1];
            }
            values[nodes - 1] *= pivots[nodes - 1];
            for (int k = nodes - 2; k >= 0; --k) values[k] = (values[k] + off * values[k + 1]) * pivots[k];
        }
        result[i] = options.kind[i] * values[nodes / 2];
    }
}

double dependent_multiply_add(std::size_t count) noexcept {
    double sum = 0.5;  // not 1, the fixed point: the compiler would see it
    for (std::size_t i = 0; i < count; ++i) sum = sum * 0.999999 + 1e-6;
    return sum;
}

double independent_divide(std::size_t count) noexcept {
    double chains[8] = {1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8};
    for (std::size_t i = 0; i < count; i += 8)
        for (double& chain : chains) chain = 1.5 / chain;
    double sum = 0.0;
    for (const double chain : chains) sum += chain;
    return sum;
}

double independent_sqrt(std::size_t count) noexcept {
    double chains[8] = {1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8};
    for (std::size_t i = 0; i < count; i += 8)
        for (double& chain : chains) chain = std::sqrt(chain);
    double sum = 0.0;
    for (const double chain : chains) sum += chain;
    return sum;
}

std::size_t dependent_load(const Line* lines, std::size_t count, std::size_t at) noexcept {
    for (std::size_t i = 0; i < count; ++i) at = lines[at].next;
    return at;
}

std::size_t branch(const unsigned char* bits, std::size_t count) noexcept {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
        // The barriers keep the compiler from choosing without a branch.
        if (bits[i] & 1) {
            asm volatile("" : "+r"(sum));
            sum += 3;
        } else {
            asm volatile("" : "+r"(sum));
            sum ^= 5;
        }
    }
    return sum;
}

void stream(std::size_t size, const double* const* columns, double* result) noexcept {
    const double *a = columns[0], *b = columns[1], *c = columns[2], *d = columns[3], *e = columns[4],
                 *f = columns[5], *g = columns[6];
    for (std::size_t i = 0; i < size; ++i)
        result[i] = ((a[i] + b[i]) + (c[i] + d[i])) + ((e[i] + f[i]) + g[i]);
}

}  // namespace optionsib::floors
