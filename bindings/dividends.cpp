#include "dividends.hpp"

#include <cmath>

namespace optionsib::bindings {
namespace {

// A column of numbers as contiguous doubles with one dimension; a single number is a column of one.
OwnedArray numbers(PyObject* object, const char* name) {
    OwnedArray array;
    if (PyArray_CheckExact(object)) {
        array = OwnedArray::share(reinterpret_cast<PyArrayObject*>(object));
    } else {
        Owned<> column(PyObject_CallFunction(python_side.column, "Os", object, name));
        if (!column) return {};
        if (!PyArray_Check(column.get())) {
            PyErr_SetString(PyExc_TypeError, "column() must return an array");
            return {};
        }
        array = OwnedArray(reinterpret_cast<PyArrayObject*>(column.release()));
    }
    const int type = PyArray_TYPE(array.get());
    if (!PyTypeNum_ISINTEGER(type) && !PyTypeNum_ISFLOAT(type)) {
        PyErr_Format(PyExc_ValueError, "%s must be real numbers, got dtype %S", name,
                     reinterpret_cast<PyObject*>(PyArray_DESCR(array.get())));
        return {};
    }
    if (PyArray_NDIM(array.get()) > 1) {
        PyErr_Format(PyExc_ValueError, "%s must have one dimension, got %d", name, PyArray_NDIM(array.get()));
        return {};
    }
    Owned<> plain(PyArray_FromArray(array.get(), PyArray_DescrFromType(NPY_DOUBLE),
                                    NPY_ARRAY_CARRAY_RO | NPY_ARRAY_FORCECAST | NPY_ARRAY_NOTSWAPPED));
    if (!plain) return {};
    if (PyArray_NDIM(reinterpret_cast<PyArrayObject*>(plain.get())) == 0)
        plain = Owned<>(PyArray_Ravel(reinterpret_cast<PyArrayObject*>(plain.get()), NPY_CORDER));
    return OwnedArray(reinterpret_cast<PyArrayObject*>(plain.release()));
}

bool refuse_number(const char* expectation, double value, std::int64_t index) {
    const Owned<> number(PyFloat_FromDouble(value));
    if (number)
        PyErr_Format(PyExc_ValueError, "dividends: %s, got %R at index %zd", expectation, number.get(),
                     static_cast<Py_ssize_t>(index));
    return false;
}

}  // namespace

bool Dividends::read(PyObject* object) {
    const Owned<> parts(PyTuple_Check(object) || PyList_Check(object) ? PySequence_Tuple(object) : nullptr);
    const Py_ssize_t count = parts ? PyTuple_GET_SIZE(parts.get()) : 0;
    if (count != 2 && count != 3) {
        if (PyErr_Occurred() == nullptr)
            PyErr_Format(PyExc_ValueError,
                         "dividends must be (ex_times, amounts) or (ex_times, amounts, offsets), got %R",
                         object);
        return false;
    }
    times_ = numbers(PyTuple_GET_ITEM(parts.get(), 0), "dividends: ex_times");
    if (!times_) return false;
    amounts_ = numbers(PyTuple_GET_ITEM(parts.get(), 1), "dividends: amounts");
    if (!amounts_) return false;
    size_ = PyArray_SIZE(times_.get());
    if (PyArray_SIZE(amounts_.get()) != size_) {
        PyErr_Format(PyExc_ValueError, "dividends: %zd ex_times but %zd amounts",
                     static_cast<Py_ssize_t>(size_), static_cast<Py_ssize_t>(PyArray_SIZE(amounts_.get())));
        return false;
    }
    return count == 2 ? check_numbers() : read_offsets(PyTuple_GET_ITEM(parts.get(), 2));
}

bool Dividends::read_offsets(PyObject* object) {
    const Owned<> array(PyArray_FROM_O(object));
    if (!array) return false;
    auto* const given = reinterpret_cast<PyArrayObject*>(array.get());
    if (!PyTypeNum_ISINTEGER(PyArray_TYPE(given)) || PyArray_NDIM(given) != 1 || PyArray_SIZE(given) < 1) {
        PyErr_Format(
            PyExc_ValueError,
            "dividends: offsets must be integers with one dimension and one more than options, got %R",
            object);
        return false;
    }
    // A copy: what has been checked must not change while the GIL is released.
    Owned<> plain(PyArray_FromArray(
        given, PyArray_DescrFromType(NPY_INT64),
        NPY_ARRAY_CARRAY_RO | NPY_ARRAY_FORCECAST | NPY_ARRAY_NOTSWAPPED | NPY_ARRAY_ENSURECOPY));
    if (!plain) return false;
    offsets_ = OwnedArray(reinterpret_cast<PyArrayObject*>(plain.release()));
    const auto* const offset = static_cast<const std::int64_t*>(PyArray_DATA(offsets_.get()));
    const npy_intp last = PyArray_SIZE(offsets_.get()) - 1;
    bool ascend = offset[0] == 0 && offset[last] == size_;
    for (npy_intp i = 0; i < last; ++i) ascend = ascend && offset[i] <= offset[i + 1];
    if (!ascend)
        PyErr_Format(PyExc_ValueError, "dividends: offsets must ascend from 0 to %zd, the number of ex_times",
                     static_cast<Py_ssize_t>(size_));
    return ascend;
}

bool Dividends::check_numbers() const {
    const auto* const time = static_cast<const double*>(PyArray_DATA(times_.get()));
    const auto* const amount = static_cast<const double*>(PyArray_DATA(amounts_.get()));
    for (std::int64_t i = 0; i < size_; ++i) {
        if (!std::isfinite(time[i])) return refuse_number("ex_times must be finite", time[i], i);
        if (!(std::isfinite(amount[i]) && amount[i] >= 0.0))
            return refuse_number("amounts must be finite and not negative", amount[i], i);
        if (i > 0 && time[i] < time[i - 1])
            return refuse_number("ex_times must ascend within a schedule", time[i], i);
    }
    return true;
}

bool Dividends::view_offsets(const Shape& shape, OwnedArray& view) const {
    if (!offsets_) return true;
    npy_intp elements = 1;
    for (int i = 0; i < shape.dimensions; ++i) elements *= shape.extents[static_cast<std::size_t>(i)];
    if (PyArray_SIZE(offsets_.get()) != elements + 1) {
        PyErr_Format(PyExc_ValueError, "dividends: %zd options need %zd offsets, got %zd",
                     static_cast<Py_ssize_t>(elements), static_cast<Py_ssize_t>(elements + 1),
                     static_cast<Py_ssize_t>(PyArray_SIZE(offsets_.get())));
        return false;
    }
    view = OwnedArray(reinterpret_cast<PyArrayObject*>(
        PyArray_New(&PyArray_Type, shape.dimensions, shape.extents.data(), NPY_INT64, nullptr,
                    PyArray_BYTES(offsets_.get()), 0, NPY_ARRAY_CARRAY_RO, nullptr)));
    return view &&
           PyArray_SetBaseObject(view.get(), Py_NewRef(reinterpret_cast<PyObject*>(offsets_.get()))) == 0;
}

}  // namespace optionsib::bindings
