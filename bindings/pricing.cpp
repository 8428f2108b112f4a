#include "register.hpp"

namespace optionsib::bindings {

void register_pricing(pybind11::module_&) {}

}  // namespace optionsib::bindings
