#include "register.hpp"

namespace optionsib::bindings {

void register_limits(pybind11::module_&) {}

}  // namespace optionsib::bindings
