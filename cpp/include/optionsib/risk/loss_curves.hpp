// The worst loss at expiry of one account, kept up to date order by order.
//
// For each expiry the payoff of the positions is held at every kink (0 and the strikes), with what each
// working order loses there, where it loses: fills are independent, so at a fixed spot the worst set of fills
// is the set of the orders that lose. Between strikes that sum is concave, so its lowest value lies at a kink
// or in the right tail; the worst loss follows without looking at sets of fills.
//
// Fees: closing what is then held costs a fee for each contract, |holding| * fee. Here every order adds its
// own, as if none ever closed anything: an upper bound, by at most two fees a contract that an order may
// close. Who finds it above a limit asks WorstLoss, which is exact and slower, and so must who has orders
// that span expiries, or stock, or numbers beyond the exact range of double.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "optionsib/risk/worst_loss.hpp"

namespace optionsib::risk {

class LossCurves {
  public:
    explicit LossCurves(std::span<const ContractTerms> contracts);

    // The position went from `before` to `after`.
    void move_position(std::uint32_t contract, std::int64_t before, std::int64_t after);
    // `units` may fill more (negative: less) at `limit_price`. All legs in one expiry.
    void add_order(std::span<const Leg> legs, std::int64_t limit_price, std::int64_t units);

    // Whether the sums have no rounding, and never had: what was rounded away does not come back.
    [[nodiscard]] bool is_exact() const { return !rounded_ && size_ < kMostExact; }
    // Bound on the worst loss without cash, kUnbounded where there is none.
    [[nodiscard]] Money worst() const;
    // The same if `units` of one more order work.
    [[nodiscard]] Money worst_with(std::span<const Leg> legs, std::int64_t limit_price, std::int64_t units);
    // add_order of the order that the last call, a worst_with that was not kUnbounded, was about.
    void keep(std::span<const Leg> legs, std::int64_t limit_price, std::int64_t units);

    // Whether an order that fills completely, and nothing else, raises the worst loss of the positions;
    // closing fees go from `fees` to `fees_after`. False also where that is not told so simply (no bound
    // before or after).
    [[nodiscard]] bool raises_held(std::span<const Leg> legs, std::int64_t limit_price, std::int64_t units,
                                   double fees, double fees_after);

  private:
    // Integers below this are sums of doubles without rounding.
    static constexpr double kMostExact = 4503599627370496.0;  // 2^52

    struct Curve {
        std::vector<double> kinks;   // 1/10000, ascending, starts with 0
        std::vector<double> values;  // money at the kinks, orders in the worst way
        std::vector<double> held;    // the positions alone, without fees
        double slope = 0.0;          // money per 1/10000 beyond the last kink
        double held_slope = 0.0;
        double lowest = 0.0;
    };

    void resize(double more) {
        rounded_ = rounded_ || !(size_ < kMostExact);
        size_ += more;
        rounded_ = rounded_ || !(size_ < kMostExact);
    }
    // What one unit loses at each kink (at most 0) goes to scratch_; returns its slope, at most 0.
    double losses(std::span<const Leg> legs, std::int64_t limit_price);
    // Payoff and cash of one unit at each kink to scratch_; its cash starts at `cash`. Returns its slope.
    double payoff(std::span<const Leg> legs, std::int64_t limit_price, double cash);
    [[nodiscard]] double magnitude(std::span<const Leg> legs, std::int64_t limit_price) const;

    std::span<const ContractTerms> contracts_;
    std::vector<Curve> curves_;  // by expiry
    std::vector<double> scratch_;
    double asked_slope_ = 0.0, asked_lowest_ = 0.0;  // of the curve with the order of the last worst_with
    double lowest_ = 0.0;                            // sum over the curves
    double size_ = 0.0;                              // bound on the magnitude of any sum
    std::int64_t unbounded_ = 0;
    bool rounded_ = false;
};

}  // namespace optionsib::risk
