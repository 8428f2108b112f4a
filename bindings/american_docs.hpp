#pragma once

namespace optionsib::bindings {

// Signatures and docstrings of the functions on American options, cash dividends, and of the checks.
extern const char* const american_price_doc;
extern const char* const american_greeks_doc;
extern const char* const american_implied_volatility_doc;
extern const char* const american_implied_greeks_doc;
extern const char* const exercise_boundary_doc;
extern const char* const european_price_doc;
extern const char* const european_greeks_doc;
extern const char* const exercise_before_dividend_doc;
extern const char* const leisen_reimer_price_doc;
extern const char* const finite_difference_price_doc;

}  // namespace optionsib::bindings
