#include "results.hpp"

#include <string_view>
#include <vector>

namespace optionsib::bindings {

ResultTypes result_types;
std::array<DeadResults, most_fields + 1> dead_results;

namespace {

using pricing::greek_count;
using pricing::greek_names;
using pricing::greeks_of_order;

// In the order of pricing::Greek. T is the time to expiry; d/dt is calendar time, -d/dT.
constexpr std::array<const char*, greek_count> greek_docs = {
    "value of the option",
    "dV/dS (to the forward for every model but bsm)",
    "d2V/dS2",
    "dV/dvol",
    "dV/dt, calendar time",
    "dV/dr with spot and dividend yield held (the forward held for every model but bsm: -T price)",
    "dV/dq, 0 for every model but bsm",
    "dV/dK",
    "d2V/dK2",
    "d2V/dS dvol",
    "d2V/dvol2",
    "d2V/dS dt, calendar time",
    "d2V/dvol dt, calendar time",
    "d3V/dS3",
    "d3V/dS2 dvol",
    "d3V/dS2 dt, calendar time",
    "d3V/dvol3",
};

PyObject* to_dict(PyObject* self, PyObject*) {
    Owned<> result(PyDict_New());
    const Owned<> names(PyObject_GetAttrString(reinterpret_cast<PyObject*>(Py_TYPE(self)), "_fields"));
    if (!result || !names) return nullptr;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names.get()); ++i) {
        const Owned<> value(PySequence_GetItem(self, i));
        if (value.get() == Py_None) continue;
        if (!value || PyDict_SetItem(result.get(), PyTuple_GET_ITEM(names.get(), i), value.get()) != 0)
            return nullptr;
    }
    return result.release();
}

PyMethodDef to_dict_method = {"to_dict", &to_dict, METH_NOARGS,
                              "to_dict($self)\n--\n\nReturn ``{name: value}`` in the order of the fields, "
                              "for ``frame.assign(**...)``; fields that are None are left out."};
PyMethodDef class_getitem_method = {"__class_getitem__", &Py_GenericAlias, METH_O | METH_CLASS,
                                    "Return the type with its value type, for annotations."};

// What CPython's own does (looking up the number of fields in the type's dictionary: a fifth of a scalar
// call), but the memory waits for the next result, and a float that only this result held waits in its field.
void free_result(PyObject* self) {
    PyObject_GC_UnTrack(self);
    auto* const result = reinterpret_cast<PyTupleObject*>(self);
    const auto size = static_cast<std::size_t>(Py_SIZE(self));
    DeadResults& dead = dead_results[size];
    const bool waits = dead.count < DeadResults::most;
    for (std::size_t i = 0; i < size; ++i) {
        PyObject* const item = result->ob_item[i];
        if (waits && item != nullptr && PyFloat_CheckExact(item) && Py_REFCNT(item) == 1) continue;
        result->ob_item[i] = nullptr;
        Py_XDECREF(item);
    }
    // The end of an array may have run other code, and that may have filled the place.
    if (waits && dead.count < DeadResults::most) {
        dead.results[dead.count++] = result;
        return;
    }
    for (std::size_t i = 0; i < size; ++i) Py_XDECREF(result->ob_item[i]);
    PyTypeObject* const type = Py_TYPE(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

bool set_owned(PyTypeObject* type, const char* name, PyObject* value) {
    const Owned<> owner(value);
    return owner && PyObject_SetAttrString(reinterpret_cast<PyObject*>(type), name, value) == 0;
}

// `name` must live as long as the process: types keep it. A label is a field that is no item of the tuple.
// `waits`: dead results wait for the next one; no other such type may have as many fields.
PyTypeObject* new_type(PyObject* module, const char* name, const char* doc,
                       std::vector<PyStructSequence_Field> fields, bool waits,
                       const PyStructSequence_Field* label = nullptr) {
    const auto count = static_cast<Py_ssize_t>(fields.size());
    if (label != nullptr) fields.push_back(*label);
    fields.push_back({nullptr, nullptr});
    PyStructSequence_Desc description{name, doc, fields.data(), static_cast<int>(count)};
    Owned<PyTypeObject> type(PyStructSequence_NewType(&description));
    if (!type) return nullptr;
    if (waits) type.get()->tp_dealloc = &free_result;
    const Owned<> names(PyTuple_New(count));
    if (!names) return nullptr;
    for (Py_ssize_t i = 0; i < count; ++i) {
        PyObject* text = PyUnicode_InternFromString(fields[static_cast<std::size_t>(i)].name);
        if (text == nullptr) return nullptr;
        PyTuple_SET_ITEM(names.get(), i, text);
    }
    const std::string_view full = name;
    if (!set_owned(type.get(), "_fields", Py_NewRef(names.get())) ||
        !set_owned(type.get(), "to_dict", PyDescr_NewMethod(type.get(), &to_dict_method)) ||
        !set_owned(type.get(), "__class_getitem__",
                   PyDescr_NewClassMethod(type.get(), &class_getitem_method)) ||
        PyModule_AddObjectRef(module, full.substr(full.rfind('.') + 1).data(),
                              reinterpret_cast<PyObject*>(type.get())) != 0)
        return nullptr;
    return type.release();
}

constexpr PyStructSequence_Field label_field = {
    "dividend_model", "how cash dividends were modelled: 'none' (there were none), 'spot' or 'escrowed'"};
constexpr const char* label_name = "dividend_model";

bool prepare_american_results(PyObject* module, const std::vector<PyStructSequence_Field>& first_order,
                              const std::vector<PyStructSequence_Field>& implied) {
    std::vector<PyStructSequence_Field> implied_greeks = implied;
    implied_greeks.insert(implied_greeks.end(), first_order.begin(), first_order.end());
    result_types.american_greeks =
        new_type(module, "optionsib.pricing.AmericanGreeks",
                 "Price and Greeks of American options, and how dividends were modelled.", first_order, false,
                 &label_field);
    result_types.european_greeks =
        new_type(module, "optionsib.pricing.EuropeanGreeks",
                 "Price and Greeks of European options under cash dividends, and how these were modelled.",
                 first_order, false, &label_field);
    result_types.american_implied_volatility =
        new_type(module, "optionsib.pricing.AmericanImpliedVolatility",
                 "Implied volatility of American options, its status, and how dividends were modelled.",
                 implied, false, &label_field);
    result_types.american_implied_greeks = new_type(
        module, "optionsib.pricing.AmericanImpliedGreeks",
        "Implied volatility of American options, its status, the Greeks there, and how dividends were "
        "modelled.",
        implied_greeks, false, &label_field);
    result_types.exercise_boundary =
        new_type(module, "optionsib.pricing.ExerciseBoundary",
                 "Exercise is best where lower <= spot <= upper; NaN where it never is.",
                 {{"lower", "lowest spot of the exercise region, 0 for a put with one boundary"},
                  {"upper", "highest spot of the exercise region, infinite for a call with one boundary"}},
                 false);
    result_types.exercise_before_dividend =
        new_type(module, "optionsib.pricing.ExerciseBeforeDividend",
                 "Exercise before the next dividend against holding through it.",
                 {{"holding_value", "value now of holding through the ex-date"},
                  {"exercise_value", "value now of exercising just before the ex-date"},
                  {"critical_spot", "spot just before the ex-date from which on exercise is best"},
                  {"ex_time", "years to the ex-date"},
                  {"dividend", "cash amount paid then"}},
                 false);
    return result_types.exercise_before_dividend != nullptr && result_types.american_greeks != nullptr &&
           result_types.european_greeks != nullptr && result_types.american_implied_volatility != nullptr &&
           result_types.american_implied_greeks != nullptr && result_types.exercise_boundary != nullptr;
}

}  // namespace

Owned<> make_result(PyTypeObject* type, std::size_t size) {
    auto* const result = PyObject_GC_NewVar(PyTupleObject, type, static_cast<Py_ssize_t>(size));
    if (result == nullptr) return {};
    for (std::size_t i = 0; i < size; ++i) result->ob_item[i] = nullptr;
    return Owned<>(reinterpret_cast<PyObject*>(result));
}

Owned<> new_result(PyTypeObject* type, std::size_t size, const char* label) {
    if (type->tp_dealloc == &free_result) return new_result(type, size);
    if (label == nullptr) return Owned<>(PyStructSequence_New(type));
    PyObject* const word = PyUnicode_InternFromString(label);
    if (word == nullptr) return {};
    Owned<> result(PyStructSequence_New(type));
    if (result)
        PyStructSequence_SetItem(result.get(), static_cast<Py_ssize_t>(size), word);
    else
        Py_DECREF(word);
    return result;
}

bool has_label(PyObject* result, const char* label) {
    if (label == nullptr) return true;
    const Owned<> word(PyObject_GetAttrString(result, label_name));
    if (!word) PyErr_Clear();
    return word && PyUnicode_Check(word.get()) && PyUnicode_CompareWithASCIIString(word.get(), label) == 0;
}

bool prepare_results(PyObject* module) {
    constexpr const char* volatility_doc =
        "annualised volatility; NaN in arrays where `status` says that there is none";
    constexpr const char* status_doc = "a `Status` for scalar input, else an int8 array of their values";
    constexpr const char* greeks_doc =
        "Price and Greeks: floats for scalar input, else arrays of the broadcast shape.\n\nRaw units: time "
        "derivatives per year of calendar time, the others per 1.00. Desk units: each d/dt\ndivided by 365, "
        "each "
        "d/dvol, d/dr and d/dq by 100.";
    constexpr const char* implied_doc =
        "Implied volatility, its status, and the Greeks at that volatility (`price` is the model's).";
    constexpr std::array<const char*, 3> greeks_names = {"optionsib.pricing.Greeks",
                                                         "optionsib.pricing.SecondOrderGreeks",
                                                         "optionsib.pricing.ThirdOrderGreeks"};
    constexpr std::array<const char*, 3> implied_names = {"optionsib.pricing.ImpliedGreeks",
                                                          "optionsib.pricing.SecondOrderImpliedGreeks",
                                                          "optionsib.pricing.ThirdOrderImpliedGreeks"};
    const std::vector<PyStructSequence_Field> implied = {{"volatility", volatility_doc},
                                                         {"status", status_doc}};
    for (std::size_t order = 0; order < 3; ++order) {
        std::vector<PyStructSequence_Field> fields, implied_fields = implied;
        for (std::size_t i = 0; i < greeks_of_order(static_cast<int>(order) + 1); ++i) {
            fields.push_back({greek_names[i], greek_docs[i]});
            implied_fields.push_back(fields.back());
        }
        result_types.greeks[order] = new_type(module, greeks_names[order], greeks_doc, fields, true);
        result_types.implied_greeks[order] =
            new_type(module, implied_names[order], implied_doc, implied_fields, true);
        if (result_types.greeks[order] == nullptr || result_types.implied_greeks[order] == nullptr)
            return false;
    }
    result_types.implied_volatility = new_type(module, "optionsib.pricing.ImpliedVolatility",
                                               "Implied volatility and its status.", implied, true);
    std::vector<PyStructSequence_Field> first_order;
    for (std::size_t i = 0; i < greeks_of_order(1); ++i)
        first_order.push_back({greek_names[i], greek_docs[i]});
    return result_types.implied_volatility != nullptr &&
           prepare_american_results(module, first_order, implied);
}

}  // namespace optionsib::bindings
