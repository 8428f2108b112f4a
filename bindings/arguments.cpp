#define OPTIONSIB_IMPORTS_NUMPY
#include "arguments.hpp"

#include <cstdlib>
#include <cstring>

namespace optionsib::bindings {

const char* const parameter_names[parameter_count] = {
    "spot",  "strike", "time_to_expiry", "rate",    "volatility",  "dividend_yield",
    "shift", "price",  "guess",          "kind",    "model",       "order",
    "units", "out",    "status",         "threads", "dividends",   "dividend_model",
    "tier",  "method", "exercise",       "steps",   "space_steps", "time_steps"};

PythonSide python_side;

namespace {

std::array<PyObject*, parameter_count> interned_names{};
bool refuse_number(Parameter parameter, PyObject* value) {
    PyErr_Format(PyExc_ValueError, "%s must be real numbers, got %R", parameter_names[parameter], value);
    return false;
}

// NumPy's own error of a conversion, with the argument's name.
void explain_conversion(Parameter parameter) {
    if (PyErr_ExceptionMatches(PyExc_MemoryError)) return;
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    const Owned<> type_owner(type), value_owner(value), trace_owner(trace);
    PyErr_Format(PyExc_ValueError, "%s must be real numbers: %S", parameter_names[parameter],
                 value == nullptr ? type : value);
}

bool refuse_dtype(Parameter parameter, PyArrayObject* array) {
    PyErr_Format(PyExc_ValueError, "%s must be real numbers, got dtype %S", parameter_names[parameter],
                 reinterpret_cast<PyObject*>(PyArray_DESCR(array)));
    return false;
}

// Byte extents of an array in memory.
void extents(PyArrayObject* array, const char*& low, const char*& high) noexcept {
    low = high = PyArray_BYTES(array);
    for (int i = 0; i < PyArray_NDIM(array); ++i) {
        const npy_intp reach = (PyArray_DIM(array, i) - 1) * PyArray_STRIDE(array, i);
        (reach < 0 ? low : high) += reach;
    }
    high += PyArray_ITEMSIZE(array);
}

// 1 when the arrays share memory, 0 when not, -1 with an exception.
int overlap(PyArrayObject* one, PyArrayObject* other) {
    if (PyArray_SIZE(one) == 0 || PyArray_SIZE(other) == 0) return 0;
    const char *low, *high, *other_low, *other_high;
    extents(one, low, high);
    extents(other, other_low, other_high);
    if (high <= other_low || other_high <= low) return 0;
    const Owned<> shared(
        PyObject_CallFunctionObjArgs(python_side.shares_memory, one, other, static_cast<PyObject*>(nullptr)));
    return shared ? PyObject_IsTrue(shared.get()) : -1;
}

// The very same elements: a kernel reads an element's inputs before it writes its results.
bool is_same(PyArrayObject* one, PyArrayObject* other) noexcept {
    return PyArray_DATA(one) == PyArray_DATA(other) && PyArray_TYPE(one) == PyArray_TYPE(other) &&
           PyArray_NDIM(one) == PyArray_NDIM(other) &&
           PyArray_CompareLists(PyArray_DIMS(one), PyArray_DIMS(other), PyArray_NDIM(one)) &&
           PyArray_CompareLists(PyArray_STRIDES(one), PyArray_STRIDES(other), PyArray_NDIM(one));
}

// Whether two elements of an array may share memory, as in a broadcast or a sliding window.
bool overlaps_itself(PyArrayObject* array) noexcept {
    // Walked from the smallest stride up, every dimension must step beyond the ones before it.
    const int dimensions = PyArray_NDIM(array);
    npy_intp reach = PyArray_ITEMSIZE(array);
    std::array<bool, NPY_MAXDIMS> seen{};
    for (int round = 0; round < dimensions; ++round) {
        int next = -1;
        for (int i = 0; i < dimensions; ++i)
            if (!seen[i] &&
                (next < 0 || std::abs(PyArray_STRIDE(array, i)) < std::abs(PyArray_STRIDE(array, next))))
                next = i;
        seen[next] = true;
        if (PyArray_DIM(array, next) == 0) return false;
        if (PyArray_DIM(array, next) == 1) continue;
        if (std::abs(PyArray_STRIDE(array, next)) < reach) return true;
        reach += (PyArray_DIM(array, next) - 1) * std::abs(PyArray_STRIDE(array, next));
    }
    return false;
}

// Lists, Series, categoricals, NumPy scalars, subclasses of arrays and what else NumPy can read.
OwnedArray array_of(PyObject* object, const char* name) {
    if (PyArray_IsScalar(object, Generic)) {
        return OwnedArray(reinterpret_cast<PyArrayObject*>(PyArray_FromScalar(object, nullptr)));
    }
    Owned<> array(PyObject_CallFunction(python_side.column, "Os", object, name));
    if (array && !PyArray_Check(array.get())) {
        PyErr_SetString(PyExc_TypeError, "column() must return an array");
        return {};
    }
    return OwnedArray(reinterpret_cast<PyArrayObject*>(array.release()));
}

}  // namespace

bool import_numpy() {
    return _import_array() == 0;
}

bool prepare_arguments() {
    for (int i = 0; i < parameter_count; ++i) {
        interned_names[i] = PyUnicode_InternFromString(parameter_names[i]);
        if (interned_names[i] == nullptr) return false;
    }
    return true;
}

bool bind(const Signature& signature, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords,
          Slots& slots) {
    const auto given = static_cast<std::size_t>(positional);
    if (given > signature.positional) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %zu positional arguments (%zu given)",
                     signature.function, signature.positional, given);
        return false;
    }
    for (std::size_t i = 0; i < given; ++i) slots[signature.parameters[i]] = arguments[i];
    const Py_ssize_t named = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
    for (Py_ssize_t k = 0; k < named; ++k) {
        PyObject* const name = PyTuple_GET_ITEM(keywords, k);
        std::size_t i = 0;
        while (i < signature.count && interned_names[signature.parameters[i]] != name) ++i;
        if (i == signature.count) {
            i = 0;
            while (i < signature.count &&
                   PyUnicode_CompareWithASCIIString(name, parameter_names[signature.parameters[i]]) != 0)
                ++i;
        }
        if (i == signature.count) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument %R", signature.function,
                         name);
            return false;
        }
        PyObject*& slot = slots[signature.parameters[i]];
        if (slot != nullptr) {
            PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument %R", signature.function,
                         name);
            return false;
        }
        slot = arguments[positional + k];
    }
    for (std::size_t i = given; i < signature.required; ++i) {
        if (slots[signature.parameters[i]] == nullptr) {
            PyErr_Format(PyExc_TypeError, "%s() missing required argument: '%s'", signature.function,
                         parameter_names[signature.parameters[i]]);
            return false;
        }
    }
    return true;
}

bool Inputs::read_other(Parameter parameter, PyObject* object) {
    if (PyArray_CheckExact(object))
        return read_array(parameter, OwnedArray::share(reinterpret_cast<PyArrayObject*>(object)));
    if (PyFloat_Check(object)) {  // numpy.float64 is one
        has_double = true;
        numbers[parameter].value = PyFloat_AS_DOUBLE(object);
        return true;
    }
    if (PyBool_Check(object)) return refuse_number(parameter, object);
    if (PyLong_Check(object)) {
        const double value = PyLong_AsDouble(object);
        if (value == -1.0 && PyErr_Occurred() != nullptr) {
            if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
                PyErr_Clear();
                PyErr_Format(PyExc_ValueError, "%s must fit a double, got an integer beyond 1.8e308",
                             parameter_names[parameter]);
            }
            return false;
        }
        numbers[parameter].value = value;
        return true;
    }
    if (!PyArray_IsScalar(object, Generic)) foreign |= 1U << parameter;
    OwnedArray array = array_of(object, parameter_names[parameter]);
    return array && read_array(parameter, std::move(array));
}

bool Inputs::read_array(Parameter parameter, OwnedArray array) {
    const int type = PyArray_TYPE(array.get());
    if (type == NPY_FLOAT)
        has_single = true;
    else
        has_double = true;
    if (type != NPY_DOUBLE || !PyArray_ISNOTSWAPPED(array.get())) {
        if (!PyTypeNum_ISINTEGER(type) && !PyTypeNum_ISFLOAT(type) && type != NPY_OBJECT) {
            return refuse_dtype(parameter, array.get());
        }
        Owned<> converted(PyArray_FromArray(array.get(), PyArray_DescrFromType(NPY_DOUBLE),
                                            NPY_ARRAY_FORCECAST | NPY_ARRAY_ALIGNED));
        if (!converted) {
            explain_conversion(parameter);
            return false;
        }
        array = OwnedArray(reinterpret_cast<PyArrayObject*>(converted.release()));
    }
    Number& number = numbers[parameter];
    if (PyArray_NDIM(array.get()) == 0) {
        std::memcpy(&number.value, PyArray_DATA(array.get()), sizeof number.value);
        return true;
    }
    has_arrays = true;
    number.array = std::move(array);
    return true;
}

bool Inputs::read_kind(PyObject* object) {
    const int sign = scalar_sign(object);
    if (sign == 1 || sign == -1) {
        kind.value = sign;
        return true;
    }
    if (sign == 0) return refuse_kind(object), false;
    if (PyArray_CheckExact(object))
        return read_kind_array(OwnedArray::share(reinterpret_cast<PyArrayObject*>(object)));
    if (!PyArray_IsScalar(object, Generic)) foreign |= 1U << p_kind;
    OwnedArray array = array_of(object, "kind");
    return array && read_kind_array(std::move(array));
}

bool Inputs::read_kind_array(OwnedArray array) {
    array = kind_signs(std::move(array));
    if (!array) return false;
    if (PyArray_NDIM(array.get()) == 0) {
        kind.value = *static_cast<std::int8_t*>(PyArray_DATA(array.get()));
        return true;
    }
    has_arrays = true;
    kind.array = std::move(array);
    return true;
}

bool Inputs::check_indexes(const Slots& slots) const {
    if ((foreign & (foreign - 1)) == 0) return true;  // fewer than two
    const Owned<> named(PyDict_New());
    if (!named) return false;
    for (int i = 0; i <= p_kind; ++i) {
        if ((foreign >> i & 1U) == 0) continue;
        if (PyDict_SetItem(named.get(), interned_names[i], slots[i]) != 0) return false;
    }
    return static_cast<bool>(Owned<>(PyObject_CallOneArg(python_side.check_indexes, named.get())));
}

bool Shape::same_as(const PyArrayObject* array) const noexcept {
    return PyArray_NDIM(array) == dimensions &&
           PyArray_CompareLists(extents.data(), PyArray_DIMS(const_cast<PyArrayObject*>(array)), dimensions);
}

std::string Shape::text(int leading) const {
    std::string result = "(";
    if (leading > 0) result += std::to_string(leading) + (dimensions == 0 ? "," : ", ");
    for (int i = 0; i < dimensions; ++i) {
        result += std::to_string(extents[static_cast<std::size_t>(i)]);
        if (i + 1 < dimensions) result += ", ";
    }
    if (leading == 0 && dimensions == 1) result += ",";
    return result + ")";
}

namespace {

bool widen(Shape& shape, PyArrayObject* array) noexcept {
    const int dimensions = PyArray_NDIM(array);
    if (dimensions > shape.dimensions) {
        const int more = dimensions - shape.dimensions;
        for (int i = shape.dimensions; i-- > 0;) shape.extents[i + more] = shape.extents[i];
        for (int i = 0; i < more; ++i) shape.extents[i] = 1;
        shape.dimensions = dimensions;
    }
    const int missing = shape.dimensions - dimensions;
    for (int i = 0; i < dimensions; ++i) {
        npy_intp& extent = shape.extents[i + missing];
        const npy_intp own = PyArray_DIM(array, i);
        if (own == extent || own == 1) continue;
        if (extent != 1) return false;
        extent = own;
    }
    return true;
}

void add_shape(std::string& text, const Number& number, const char* name) {
    if (!number.array) return;
    Shape own;
    widen(own, number.array.get());
    text += (text.empty() ? "" : ", ") + std::string(name) + " " + own.text();
}

}  // namespace

bool broadcast(const Inputs& inputs, Shape& shape) {
    bool fits = !inputs.kind.array || widen(shape, inputs.kind.array.get());
    for (const Number& number : inputs.numbers)
        fits = fits && (!number.array || widen(shape, number.array.get()));
    if (fits) return true;
    std::string text;
    add_shape(text, inputs.kind, "kind");
    for (int i = 0; i < number_count; ++i) add_shape(text, inputs.numbers[i], parameter_names[i]);
    PyErr_Format(PyExc_ValueError, "the shapes do not broadcast: %s", text.c_str());
    return false;
}

bool check_output(PyObject* object, int type, const Shape& shape, const char* name) {
    const char* wanted = type == NPY_DOUBLE ? "float64" : "int8";
    if (!PyArray_Check(object)) {
        PyErr_Format(PyExc_ValueError, "%s must be a NumPy array of %s, got %s", name, wanted,
                     Py_TYPE(object)->tp_name);
        return false;
    }
    auto* const array = reinterpret_cast<PyArrayObject*>(object);
    if (PyArray_TYPE(array) != type || !PyArray_ISNOTSWAPPED(array)) {
        PyErr_Format(PyExc_ValueError, "%s must have dtype %s, got %S", name, wanted,
                     reinterpret_cast<PyObject*>(PyArray_DESCR(array)));
        return false;
    }
    if (!shape.same_as(array)) {
        const Owned<> got(PyObject_GetAttrString(object, "shape"));
        if (got)
            PyErr_Format(PyExc_ValueError, "%s must have the broadcast shape %s, got %S", name,
                         shape.text().c_str(), got.get());
        return false;
    }
    if (!PyArray_ISWRITEABLE(array)) {
        PyErr_Format(PyExc_ValueError, "%s is read-only", name);
        return false;
    }
    if (overlaps_itself(array)) {
        PyErr_Format(PyExc_ValueError, "%s holds elements that share memory", name);
        return false;
    }
    return true;
}

bool check_overlap(PyArrayObject* output, const Inputs& inputs, PyArrayObject* const* others,
                   std::size_t other_count, const char* name) {
    const auto apart = [&](PyArrayObject* other) {
        if (other == nullptr || is_same(output, other)) return true;
        const int shared = overlap(output, other);
        if (shared > 0)
            PyErr_Format(PyExc_ValueError, "%s shares memory with an input or another output", name);
        return shared == 0;
    };
    if (!apart(inputs.kind.array.get())) return false;
    for (const Number& number : inputs.numbers)
        if (!apart(number.array.get())) return false;
    for (std::size_t i = 0; i < other_count; ++i) {
        if (is_same(output, others[i]) && PyArray_SIZE(output) != 0) {
            PyErr_Format(PyExc_ValueError, "%s is given for two outputs", name);
            return false;
        }
        if (!apart(others[i])) return false;
    }
    return true;
}

bool read_count(PyObject* object, const char* name, std::size_t least, std::size_t most, std::size_t& count) {
    if (object == nullptr) return true;
    if (!PyBool_Check(object) && PyIndex_Check(object)) {
        const Py_ssize_t value = PyNumber_AsSsize_t(object, nullptr);
        if (value >= 0 && static_cast<std::size_t>(value) >= least &&
            static_cast<std::size_t>(value) <= most) {
            count = static_cast<std::size_t>(value);
            return true;
        }
        if (PyErr_Occurred() != nullptr) return false;
    }
    PyErr_Format(PyExc_ValueError, "%s must be an integer from %zu to %zu, got %R", name, least, most,
                 object);
    return false;
}

}  // namespace optionsib::bindings
