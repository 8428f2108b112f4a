#pragma once

namespace optionsib::bindings {

// Signatures and docstrings of the pricing functions.
extern const char* const price_doc;
extern const char* const greeks_doc;
extern const char* const implied_volatility_doc;
extern const char* const implied_greeks_doc;
extern const char* const clear_buffers_doc;

}  // namespace optionsib::bindings
