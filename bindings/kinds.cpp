#include "kinds.hpp"

#include <cstddef>
#include <cstdint>

namespace optionsib::bindings {
namespace {

constexpr const char* kind_expectation = "kind must be 'call', 'put', 'c', 'p', +1 or -1";

void refuse_dtype(PyArrayObject* array) {
    PyErr_Format(PyExc_ValueError, "%s, got dtype %S", kind_expectation,
                 reinterpret_cast<PyObject*>(PyArray_DESCR(array)));
}

// "c", "p", "call" or "put" in any case: +1 or -1; else 0. `code(i)` is the i-th code point.
template <typename Code>
int spelled_sign(std::size_t length, const Code& code) noexcept {
    constexpr std::uint32_t lower = 0x20;  // no two characters but a letter's cases become that letter
    const auto is = [&](const char* word) {
        for (std::size_t i = 0; i < length; ++i)
            if ((code(i) | lower) != static_cast<std::uint32_t>(word[i])) return false;
        return true;
    };
    if (length == 1) return is("c") ? 1 : is("p") ? -1 : 0;
    if (length == 4) return is("call") ? 1 : 0;
    if (length == 3) return is("put") ? -1 : 0;
    return 0;
}

int text_sign(PyObject* text) noexcept {
    const auto kind = PyUnicode_KIND(text);
    const void* data = PyUnicode_DATA(text);
    return spelled_sign(static_cast<std::size_t>(PyUnicode_GET_LENGTH(text)), [&](std::size_t i) {
        return static_cast<std::uint32_t>(PyUnicode_READ(kind, data, static_cast<Py_ssize_t>(i)));
    });
}

// Convert `size` elements; the index of the first that is no kind, or -1.
template <typename T>
npy_intp convert_signs(const void* from, npy_intp size, std::int8_t* to) noexcept {
    const T* values = static_cast<const T*>(from);
    for (npy_intp i = 0; i < size; ++i) {
        const bool call = values[i] == T(1), put = values[i] == static_cast<T>(-1) && T(-1) < T(0);
        if (!call && !put) return i;
        to[i] = call ? 1 : -1;
    }
    return -1;
}

npy_intp convert_texts(const void* from, npy_intp size, npy_intp width, std::int8_t* to) noexcept {
    const auto* code = static_cast<const std::uint32_t*>(from);
    for (npy_intp i = 0; i < size; ++i, code += width) {
        std::size_t length = static_cast<std::size_t>(width);
        while (length > 0 && code[length - 1] == 0) --length;
        const int sign = spelled_sign(length, [&](std::size_t at) { return code[at]; });
        if (sign == 0) return i;
        to[i] = static_cast<std::int8_t>(sign);
    }
    return -1;
}

npy_intp convert_objects(const void* from, npy_intp size, std::int8_t* to) noexcept {
    auto* const* objects = static_cast<PyObject* const*>(from);
    for (npy_intp i = 0; i < size; ++i) {
        int sign = scalar_sign(objects[i]);
        if (sign == no_scalar && PyArray_IsScalar(objects[i], Integer)) {
            const Owned<> number(PyNumber_Index(objects[i]));
            sign = number ? scalar_sign(number.get()) : 0;
            PyErr_Clear();
        }
        if (sign != 1 && sign != -1) return i;
        to[i] = static_cast<std::int8_t>(sign);
    }
    return -1;
}

npy_intp convert_kinds(PyArrayObject* array, npy_intp size, std::int8_t* to) noexcept {
    const void* from = PyArray_DATA(array);
    switch (PyArray_TYPE(array)) {
        case NPY_BYTE:
            return convert_signs<npy_byte>(from, size, to);
        case NPY_UBYTE:
            return convert_signs<npy_ubyte>(from, size, to);
        case NPY_SHORT:
            return convert_signs<npy_short>(from, size, to);
        case NPY_USHORT:
            return convert_signs<npy_ushort>(from, size, to);
        case NPY_INT:
            return convert_signs<npy_int>(from, size, to);
        case NPY_UINT:
            return convert_signs<npy_uint>(from, size, to);
        case NPY_LONG:
            return convert_signs<npy_long>(from, size, to);
        case NPY_ULONG:
            return convert_signs<npy_ulong>(from, size, to);
        case NPY_LONGLONG:
            return convert_signs<npy_longlong>(from, size, to);
        case NPY_ULONGLONG:
            return convert_signs<npy_ulonglong>(from, size, to);
        case NPY_FLOAT:
            return convert_signs<npy_float>(from, size, to);
        case NPY_DOUBLE:
            return convert_signs<npy_double>(from, size, to);
        case NPY_LONGDOUBLE:
            return convert_signs<npy_longdouble>(from, size, to);
        case NPY_UNICODE:
            return convert_texts(from, size, static_cast<npy_intp>(PyArray_ITEMSIZE(array) / 4), to);
        default:
            return convert_objects(from, size, to);
    }
}

// Whether an int8 array holds +1 and -1 only; no copy.
bool all_signs(PyArrayObject* array) {
    if (PyArray_SIZE(array) == 0) return true;
    NpyIter* iterator = NpyIter_New(array, NPY_ITER_READONLY | NPY_ITER_EXTERNAL_LOOP, NPY_KEEPORDER,
                                    NPY_NO_CASTING, nullptr);
    if (iterator == nullptr) return false;
    auto* const next = NpyIter_GetIterNext(iterator, nullptr);
    char** const data = NpyIter_GetDataPtrArray(iterator);
    const npy_intp* const stride = NpyIter_GetInnerStrideArray(iterator);
    const npy_intp* const count = NpyIter_GetInnerLoopSizePtr(iterator);
    std::int8_t wrong = 0;
    do {
        const auto* at = reinterpret_cast<const std::int8_t*>(data[0]);
        if (stride[0] == 1) {
            for (npy_intp i = 0; i < *count; ++i)
                wrong = static_cast<std::int8_t>(wrong | ((at[i] != 1) & (at[i] != -1)));
        } else {
            for (npy_intp i = 0; i < *count; ++i, at += stride[0])
                wrong = static_cast<std::int8_t>(wrong | ((*at != 1) & (*at != -1)));
        }
    } while (wrong == 0 && next(iterator));
    NpyIter_Deallocate(iterator);
    return wrong == 0;
}

}  // namespace

CommonKinds common_kinds;

bool prepare_kinds() {
    common_kinds = {PyUnicode_InternFromString("call"), PyUnicode_InternFromString("put"), PyLong_FromLong(1),
                    PyLong_FromLong(-1)};
    return PyErr_Occurred() == nullptr;
}

int scalar_sign(PyObject* object) noexcept {
    if (PyUnicode_Check(object)) return text_sign(object);
    if (PyLong_Check(object)) {
        if (PyBool_Check(object)) return 0;
        int overflow = 0;
        const long value = PyLong_AsLongAndOverflow(object, &overflow);
        return overflow != 0 ? 0 : value == 1 ? 1 : value == -1 ? -1 : 0;
    }
    if (PyFloat_Check(object)) {
        const double value = PyFloat_AS_DOUBLE(object);
        return value == 1.0 ? 1 : value == -1.0 ? -1 : 0;
    }
    return no_scalar;
}

void refuse_kind(PyObject* value) {
    PyErr_Format(PyExc_ValueError, "%s, got %R", kind_expectation, value);
}

OwnedArray kind_signs(OwnedArray array) {
    if (PyArray_TYPE(array.get()) == NPY_VSTRING) {
        array = OwnedArray(reinterpret_cast<PyArrayObject*>(
            PyArray_FromArray(array.get(), PyArray_DescrFromType(NPY_OBJECT), NPY_ARRAY_FORCECAST)));
        if (!array) return {};
    }
    const int type = PyArray_TYPE(array.get());
    const bool known =
        PyTypeNum_ISINTEGER(type) || PyTypeNum_ISFLOAT(type) || type == NPY_UNICODE || type == NPY_OBJECT;
    if (!known && PyArray_SIZE(array.get()) != 0) return refuse_dtype(array.get()), OwnedArray();
    if (type != NPY_BYTE || !all_signs(array.get())) {
        if (PyErr_Occurred() != nullptr) return {};
        if (!known || type == NPY_HALF) {  // empty, or a type that the C compiler has no name for
            array = OwnedArray(reinterpret_cast<PyArrayObject*>(
                PyArray_FromArray(array.get(), PyArray_DescrFromType(NPY_DOUBLE), NPY_ARRAY_FORCECAST)));
            if (!array) return {};
        }
        const OwnedArray plain(reinterpret_cast<PyArrayObject*>(
            PyArray_CheckFromAny(reinterpret_cast<PyObject*>(array.get()), nullptr, 0, 0,
                                 NPY_ARRAY_CARRAY_RO | NPY_ARRAY_NOTSWAPPED, nullptr)));
        if (!plain) return {};
        OwnedArray signs(reinterpret_cast<PyArrayObject*>(
            PyArray_EMPTY(PyArray_NDIM(plain.get()), PyArray_DIMS(plain.get()), NPY_BYTE, 0)));
        if (!signs) return {};
        const npy_intp wrong = convert_kinds(plain.get(), PyArray_SIZE(plain.get()),
                                             static_cast<std::int8_t*>(PyArray_DATA(signs.get())));
        if (wrong >= 0) {
            const Owned<> value(PyArray_GETITEM(
                plain.get(), PyArray_BYTES(plain.get()) + wrong * PyArray_ITEMSIZE(plain.get())));
            if (value) refuse_kind(value.get());
            return {};
        }
        array = std::move(signs);
    }
    return array;
}

}  // namespace optionsib::bindings
