#include "evaluate.hpp"

#include "results.hpp"

namespace optionsib::bindings {

using namespace pricing;

European scalar_option(const Inputs& inputs) noexcept {
    const auto& n = inputs.numbers;
    return {inputs.kind.value, n[p_spot].value,           n[p_strike].value, n[p_time_to_expiry].value,
            n[p_rate].value,   n[p_dividend_yield].value, n[p_shift].value};
}

PyObject* status_object(Status status) noexcept {
    return Py_NewRef(python_side.statuses[static_cast<std::size_t>(status)]);
}

PyObject* ScalarResult::shown(const Answer& answer) const {
    if (out_of_memory) return PyErr_NoMemory();
    if (answer.type == nullptr) return PyFloat_FromDouble(values[0]);
    Owned<> result = new_result(answer.type, answer.columns + (answer.carries_status ? 1 : 0), answer.label);
    if (!result) return nullptr;
    for (std::size_t i = 0; i < answer.columns; ++i) {
        PyObject* const value = PyFloat_FromDouble(values[i]);
        if (value == nullptr) return nullptr;
        set_field(result, i + (answer.carries_status && i > 0 ? 1 : 0), value);
    }
    if (answer.carries_status) set_field(result, 1, status_object(status));
    return result.release();
}

bool ArrayCall::prepare(const Dividends* dividends) {
    sign_ = static_cast<std::int8_t>(inputs_.kind.value);
    return broadcast(inputs_, shape_) &&
           (dividends == nullptr || dividends->view_offsets(shape_, offsets_)) &&
           outputs_.prepare(answer_.columns, answer_.type, answer_.carries_status, options_, inputs_, shape_);
}

Walk ArrayCall::walk_all() {
    Walk walk(shape_);
    if (inputs_.kind.array)
        walk.add(inputs_.kind.array.get());
    else
        walk.add_value(&sign_);
    for (const Number& number : inputs_.numbers) walk.add(number);
    if (offsets_)
        walk.add(offsets_.get());
    else
        walk.add_value(&sign_);  // holds the place
    for (std::size_t i = 0; i < outputs_.count; ++i)
        if (outputs_.columns[i]) walk.add(outputs_.columns[i].get());
    if (outputs_.status) walk.add(outputs_.status.get());
    return walk;
}

// What the caller sees of one column: a float for no dimensions, float32 where all inputs were.
PyObject* ArrayCall::shown(OwnedArray& column) const {
    if (!column) return Py_NewRef(Py_None);
    if (options_.out == nullptr && shape_.dimensions == 0)
        return PyFloat_FromDouble(*static_cast<double*>(PyArray_DATA(column.get())));
    if (options_.out == nullptr && inputs_.is_single())
        return PyArray_CastToType(column.get(), PyArray_DescrFromType(NPY_FLOAT), 0);
    return reinterpret_cast<PyObject*>(column.release());
}

// A previous result that was filled is itself the result, unless it bears another label.
bool ArrayCall::keeps_previous() const {
    if (answer_.type == nullptr || options_.out == nullptr || Py_TYPE(options_.out) != answer_.type ||
        (answer_.carries_status && options_.status != nullptr))
        return false;
    return has_label(options_.out, answer_.label);
}

PyObject* ArrayCall::result() {
    if (out_of_memory_.load(std::memory_order_relaxed)) return PyErr_NoMemory();
    if (answer_.type == nullptr) return shown(outputs_.columns[0]);
    if (keeps_previous()) return Py_NewRef(options_.out);
    const std::size_t skipped = answer_.carries_status ? 1 : 0;
    Owned<> result = new_result(answer_.type, outputs_.count + skipped, answer_.label);
    if (!result) return nullptr;
    for (std::size_t i = 0; i < outputs_.count; ++i) {
        PyObject* const value = shown(outputs_.columns[i]);
        if (value == nullptr) return nullptr;
        set_field(result, i == 0 ? 0 : i + skipped, value);
    }
    if (!answer_.carries_status) return result.release();
    PyObject* codes;
    if (options_.status == nullptr && options_.out == nullptr && shape_.dimensions == 0)
        codes = status_object(
            static_cast<Status>(*static_cast<std::int8_t*>(PyArray_DATA(outputs_.status.get()))));
    else
        codes = reinterpret_cast<PyObject*>(outputs_.status.release());
    if (codes == nullptr) return nullptr;
    set_field(result, 1, codes);
    return result.release();
}

}  // namespace optionsib::bindings
