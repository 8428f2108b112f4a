// Python face of payoff geometry: arrays in, one tuple out.
#include <pybind11/numpy.h>

#include <cstdint>
#include <vector>

#include "optionsib/payoff/geometry.hpp"
#include "register.hpp"

namespace optionsib::bindings {

namespace py = pybind11;
using namespace optionsib::payoff;

namespace {

template <class Number>
using Array = py::array_t<Number, py::array::c_style>;

template <class Number>
Array<Number> as_array(const std::vector<Number>& values) {
    return Array<Number>(static_cast<py::ssize_t>(values.size()), values.data());
}

const char* words(Status status) {
    switch (status) {
        case Status::bad_kind:
            return "kind must be +1 (call), -1 (put) or 0 (stock)";
        case Status::bad_strike:
            return "strike must be >= 0";
        case Status::bad_number:
            return "every number must be finite";
        case Status::overflow:
        case Status::ok:
            break;
    }
    return "a number is too large for the result to be exact";
}

// (max_loss, max_gain, break_evens, kinks, values, tail_slope); None = unbounded.
template <class Number>
py::tuple geometry(const Array<std::int64_t>& kind, const Array<Number>& strike,
                   const Array<Number>& quantity, const Array<Number>& multiplier, Number cash) {
    const py::ssize_t count = kind.size();
    if (kind.ndim() != 1 || strike.ndim() != 1 || quantity.ndim() != 1 || multiplier.ndim() != 1 ||
        strike.size() != count || quantity.size() != count || multiplier.size() != count) {
        throw py::value_error("kind, strike, quantity and multiplier must be 1-d and of one length");
    }
    std::vector<Leg<Number>> legs;
    legs.reserve(static_cast<std::size_t>(count));
    for (py::ssize_t i = 0; i < count; ++i) {
        const std::int64_t sign = kind.at(i);
        const bool known = sign >= -1 && sign <= 1;
        legs.push_back({known ? static_cast<int>(sign) : 2, strike.at(i), quantity.at(i), multiplier.at(i)});
    }
    Geometry<Number> result;
    const Status status = payoff_geometry(legs, cash, result);
    if (status != Status::ok) throw py::value_error(words(status));
    const auto bounded = [](bool is_bounded, Number value) -> py::object {
        return is_bounded ? py::cast(value) : py::object(py::none());
    };
    return py::make_tuple(bounded(result.loss_bounded, result.max_loss),
                          bounded(result.gain_bounded, result.max_gain), as_array(result.break_evens),
                          as_array(result.kinks), as_array(result.values), result.tail_slope);
}

}  // namespace

void register_payoff(py::module_& module) {
    module.def("payoff_geometry_exact", &geometry<std::int64_t>);
    module.def("payoff_geometry_float", &geometry<double>);
}

}  // namespace optionsib::bindings
