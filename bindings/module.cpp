// The native module's table of contents: one register_* line an area.
#include <pybind11/pybind11.h>

#include "register.hpp"

PYBIND11_MODULE(_core, module) {
    module.doc() = "Native core of OptionsIB (private; use the packages above it).";
    optionsib::bindings::register_simd(module);
    optionsib::bindings::register_pricing(module);
    optionsib::bindings::register_american(module);
    optionsib::bindings::register_cash_dividends(module);
    optionsib::bindings::register_checks(module);
    optionsib::bindings::register_book(module);
    optionsib::bindings::register_itch(module);
    optionsib::bindings::register_payoff(module);
    optionsib::bindings::register_limits(module);
    optionsib::bindings::register_montecarlo(module);
}
