#pragma once

// The NumPy C API, imported once by `import_numpy` and shared by the files of the module.

#define PY_SSIZE_T_CLEAN
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL optionsib_numpy_api
#ifndef OPTIONSIB_IMPORTS_NUMPY
#define NO_IMPORT_ARRAY
#endif
#include <Python.h>
#include <numpy/arrayobject.h>

#include <utility>

namespace optionsib::bindings {

// An owned reference; empty after a failed call, with the Python exception set.
template <typename T = PyObject>
class Owned {
  public:
    Owned() = default;
    explicit Owned(T* object) noexcept : object_(object) {}
    Owned(Owned&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    Owned& operator=(Owned&& other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    Owned(const Owned&) = delete;
    Owned& operator=(const Owned&) = delete;
    ~Owned() { Py_XDECREF(reinterpret_cast<PyObject*>(object_)); }

    [[nodiscard]] static Owned share(T* object) noexcept {
        Py_XINCREF(reinterpret_cast<PyObject*>(object));
        return Owned(object);
    }
    [[nodiscard]] T* get() const noexcept { return object_; }
    [[nodiscard]] T* release() noexcept { return std::exchange(object_, nullptr); }
    explicit operator bool() const noexcept { return object_ != nullptr; }

  private:
    T* object_ = nullptr;
};

using OwnedArray = Owned<PyArrayObject>;

[[nodiscard]] bool import_numpy();

}  // namespace optionsib::bindings
