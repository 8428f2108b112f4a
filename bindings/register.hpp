#pragma once

#include <pybind11/pybind11.h>

namespace optionsib::bindings {

void register_simd(pybind11::module_& module);
void register_pricing(pybind11::module_& module);
void register_american(pybind11::module_& module);
void register_cash_dividends(pybind11::module_& module);
void register_checks(pybind11::module_& module);
void register_book(pybind11::module_& module);
void register_itch(pybind11::module_& module);
void register_payoff(pybind11::module_& module);
void register_limits(pybind11::module_& module);
void register_montecarlo(pybind11::module_& module);

}  // namespace optionsib::bindings
