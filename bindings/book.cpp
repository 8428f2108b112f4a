#include "register.hpp"

namespace optionsib::bindings {

void register_book(pybind11::module_&) {}

}  // namespace optionsib::bindings
