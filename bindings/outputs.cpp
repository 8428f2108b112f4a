#include "outputs.hpp"

#include <algorithm>

#include "buffers.hpp"

namespace optionsib::bindings {
namespace {

// Row `index` of an array, as an array even when it is a single number.
OwnedArray row_of(PyArrayObject* array, npy_intp index) {
    PyArray_Descr* const type = PyArray_DESCR(array);
    Py_INCREF(type);
    OwnedArray row(reinterpret_cast<PyArrayObject*>(PyArray_NewFromDescr(
        &PyArray_Type, type, PyArray_NDIM(array) - 1, PyArray_DIMS(array) + 1, PyArray_STRIDES(array) + 1,
        PyArray_BYTES(array) + index * PyArray_STRIDE(array, 0), PyArray_FLAGS(array) & NPY_ARRAY_WRITEABLE,
        nullptr)));
    if (!row || PyArray_SetBaseObject(row.get(), Py_NewRef(reinterpret_cast<PyObject*>(array))) != 0)
        return {};
    return row;
}

}  // namespace

bool Outputs::prepare(std::size_t columns_wanted, PyTypeObject* type, bool wants_status,
                      const Options& options, const Inputs& inputs, const Shape& shape) {
    count = columns_wanted;
    const bool is_previous = type != nullptr && options.out != nullptr && Py_TYPE(options.out) == type;
    const bool carries_status = type != nullptr && wants_status;
    PyObject* status_wanted = options.status;
    if (options.out == nullptr) {
        for (std::size_t i = 0; i < count; ++i) {
            columns[i] = new_array(shape.dimensions, shape.extents.data(), NPY_DOUBLE);
            if (!columns[i]) return false;
        }
    } else if (is_previous) {
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t field = i + (carries_status && i > 0 ? 1 : 0);
            PyObject* const previous = PyStructSequence_GET_ITEM(options.out, static_cast<Py_ssize_t>(field));
            if (!(i > 0 && previous == Py_None) && !take(i, previous, shape)) return false;
        }
        if (carries_status && status_wanted == nullptr)
            status_wanted = PyStructSequence_GET_ITEM(options.out, 1);
    } else if (type == nullptr || count == 1) {
        if (!take(0, options.out, shape)) return false;
    } else if (!take_rows(options.out, type, shape)) {
        return false;
    }
    if (status_wanted != nullptr) {
        if (!check_output(status_wanted, NPY_BYTE, shape, "status")) return false;
        status = OwnedArray::share(reinterpret_cast<PyArrayObject*>(status_wanted));
    } else if (wants_status) {
        status = new_array(shape.dimensions, shape.extents.data(), NPY_BYTE);
        if (!status) return false;
    }
    return check_overlaps(inputs, options.out != nullptr, status_wanted != nullptr);
}

bool Outputs::take(std::size_t index, PyObject* object, const Shape& shape) {
    if (!check_output(object, NPY_DOUBLE, shape, "out")) return false;
    columns[index] = OwnedArray::share(reinterpret_cast<PyArrayObject*>(object));
    return true;
}

bool Outputs::take_rows(PyObject* object, PyTypeObject* type, const Shape& shape) {
    if (!PyArray_Check(object)) {
        PyErr_Format(PyExc_ValueError, "out must be a float64 array or a previous %s, got %s", type->tp_name,
                     Py_TYPE(object)->tp_name);
        return false;
    }
    if (shape.dimensions == NPY_MAXDIMS) {
        PyErr_SetString(PyExc_ValueError, "out cannot have that many dimensions");
        return false;
    }
    Shape rows;
    rows.dimensions = shape.dimensions + 1;
    auto* const array = reinterpret_cast<PyArrayObject*>(object);
    const auto most = static_cast<npy_intp>(count);
    const npy_intp given = PyArray_NDIM(array) == rows.dimensions ? PyArray_DIM(array, 0) : most;
    rows.extents[0] = std::clamp(given, npy_intp{1}, most);
    std::copy_n(shape.extents.begin(), shape.dimensions, rows.extents.begin() + 1);
    if (!check_output(object, NPY_DOUBLE, rows, "out")) return false;
    for (npy_intp i = 0; i < rows.extents[0]; ++i) {
        OwnedArray& column = columns[static_cast<std::size_t>(i)];
        column = row_of(array, i);
        if (!column) return false;
    }
    return true;
}

bool Outputs::check_overlaps(const Inputs& inputs, bool check_columns, bool check_status) const {
    std::array<PyArrayObject*, most_columns> others{};
    std::size_t other_count = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (!columns[i]) continue;
        if (check_columns && !check_overlap(columns[i].get(), inputs, others.data(), other_count, "out"))
            return false;
        others[other_count++] = columns[i].get();
    }
    return !check_status || check_overlap(status.get(), inputs, others.data(), other_count, "status");
}

}  // namespace optionsib::bindings
