#include "american_call.hpp"

#include <array>
#include <cmath>
#include <string_view>

namespace optionsib::bindings {

using namespace pricing;

bool AmericanCall::read(const Signature& signature, PyObject* const* arguments, Py_ssize_t count,
                        PyObject* names) {
    constexpr std::array<std::string_view, 3> tiers = {"fast", "accurate", "high"};
    constexpr std::array<std::string_view, 2> dividend_models = {"spot", "escrowed"};
    function_ = signature.function;
    auto tier_place = static_cast<std::size_t>(tier);
    std::size_t dividend_place = 0;
    if (!bind(signature, arguments, count, names, slots) || !read_options(slots, options) ||
        !read_choice(slots[p_tier], "tier", tiers, tier_place) ||
        !read_choice(slots[p_dividend_model], "dividend_model", dividend_models, dividend_place))
        return false;
    tier = static_cast<Tier>(tier_place);
    dividend_model = static_cast<DividendModel>(dividend_place);
    if (options.model != Model::bsm && options.model != Model::black76) {
        PyErr_Format(PyExc_ValueError, "model must be 'bsm' or 'black76' for %s, got %R", signature.function,
                     slots[p_model]);
        return false;
    }
    if (slots[p_dividends] != nullptr && slots[p_dividends] != Py_None) {
        if (!dividends.read(slots[p_dividends])) return false;
        if (!dividends.empty()) effort.least_per_thread = 8;  // a grid, milliseconds
        if (options.model != Model::bsm && !dividends.empty()) {
            PyErr_SetString(PyExc_ValueError,
                            "dividends must be None for model 'black76': a forward pays none");
            return false;
        }
    }
    return read_inputs(signature, slots, options, inputs);
}

PyObject* AmericanCall::refuse(Status status) const {
    const European option = scalar_option(inputs);
    const bool inverts = (inputs.given >> p_price & 1U) != 0;
    const double volatility = inverts ? 0.0 : inputs.numbers[p_volatility].value;
    double value;
    const bool is_sound = price(options.model, option, volatility, value) == Status::ok;
    if (is_sound && status == Status::unsupported && dividends.empty()) {
        const Owned<> numbers(
            Py_BuildValue("dddd", volatility, option.time_to_expiry, option.rate, option.dividend_yield));
        if (numbers)
            PyErr_Format(
                PyExc_ValueError,
                "%s: no tree or grid of this size fits volatility %R, time_to_expiry %R, rate %R and "
                "dividend_yield %R: volatility and time must be positive, and a drift that is steep "
                "for the volatility needs more steps",
                function_, PyTuple_GET_ITEM(numbers.get(), 0), PyTuple_GET_ITEM(numbers.get(), 1),
                PyTuple_GET_ITEM(numbers.get(), 2), PyTuple_GET_ITEM(numbers.get(), 3));
        return nullptr;
    }
    if (is_sound && status == Status::unsupported)
        return PyErr_Format(PyExc_ValueError, "dividends: more than %zu count for one option",
                            most_cash_dividends);
    if (is_sound && status == Status::invalid_input &&
        !(inverts && !std::isfinite(inputs.numbers[p_price].value))) {
        const Owned<> spot(PyFloat_FromDouble(option.spot));
        if (spot)
            PyErr_Format(PyExc_ValueError, "dividends: they are worth more than the spot %R", spot.get());
        return nullptr;
    }
    if (inverts) return refuse_quote(options.model, option, inputs.numbers[p_price].value, status);
    return refuse_scalar(options.model, option, volatility);
}

}  // namespace optionsib::bindings
