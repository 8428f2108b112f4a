#include "register.hpp"

namespace optionsib::bindings {

void register_payoff(pybind11::module_&) {}

}  // namespace optionsib::bindings
