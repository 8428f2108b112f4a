#include "cash_dividends_lanes.hpp"

namespace optionsib::pricing {

const CashDividendKernels cash_dividends_baseline = {Pack<registers_of_cash_dividends>::size,
                                                     run_cash_dividends<registers_of_cash_dividends>};

}  // namespace optionsib::pricing
