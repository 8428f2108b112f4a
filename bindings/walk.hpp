#pragma once

// Several arrays walked together: broadcasting by strides, nothing materialised.

#include <algorithm>
#include <array>
#include <cstddef>

#include "arguments.hpp"

namespace optionsib::bindings {

class Walk {
  public:
    static constexpr std::size_t most = 32;  // arrays
    // Runs shorter than this waste the lanes of the kernels; a longer dimension becomes the inner one.
    static constexpr std::ptrdiff_t least_run = 32;

    explicit Walk(const Shape& shape) : shape_(shape.extents), dimensions_(shape.dimensions) {}

    // Returns the place of the array among the addresses given to the kernel.
    std::size_t add(PyArrayObject* array) noexcept {
        auto& strides = strides_[count_];
        const int missing = dimensions_ - PyArray_NDIM(array);
        for (int i = 0; i < missing; ++i) strides[i] = 0;
        for (int i = missing; i < dimensions_; ++i) {
            const int own = i - missing;
            strides[i] = PyArray_DIM(array, own) == 1 ? 0 : PyArray_STRIDE(array, own);
        }
        addresses_[count_] = reinterpret_cast<std::byte*>(PyArray_BYTES(array));
        return count_++;
    }
    std::size_t add(const Number& number) noexcept {
        return number.array ? add(number.array.get()) : add_value(&number.value);
    }
    // One value for every element.
    std::size_t add_value(const void* value) noexcept {
        std::fill_n(strides_[count_].begin(), dimensions_, 0);
        addresses_[count_] = static_cast<std::byte*>(const_cast<void*>(value));
        return count_++;
    }

    // Once, after the last array. Returns the number of elements. With `keeps_order` runs go through the
    // elements in C order.
    std::size_t prepare(bool keeps_order = false) noexcept {
        merge_dimensions();
        if (!keeps_order) lengthen_runs();
        std::size_t size = 1;
        for (int i = 0; i < dimensions_; ++i) size *= static_cast<std::size_t>(shape_[i]);
        return size;
    }

    // Call `kernel(count, addresses, strides)` for every inner run within [begin, end).
    template <typename Kernel>
    void run(std::size_t begin, std::size_t end, const Kernel& kernel) const noexcept {
        const std::size_t inner = dimensions_ == 0 ? 1 : static_cast<std::size_t>(shape_[dimensions_ - 1]);
        std::array<std::ptrdiff_t, most> strides;
        for (std::size_t i = 0; i < count_; ++i)
            strides[i] = dimensions_ == 0 ? 0 : strides_[i][dimensions_ - 1];
        while (begin < end) {
            const std::size_t size = std::min(end - begin, inner - begin % inner);
            kernel(size, addresses(begin), strides);
            begin += size;
        }
    }

  private:
    using Axes = std::array<npy_intp, NPY_MAXDIMS>;

    void erase(int axis) noexcept {
        for (int i = axis; i + 1 < dimensions_; ++i) {
            shape_[i] = shape_[i + 1];
            for (std::size_t k = 0; k < count_; ++k) strides_[k][i] = strides_[k][i + 1];
        }
        --dimensions_;
    }

    // Two neighbouring dimensions are one when every array steps through them evenly.
    void merge_dimensions() noexcept {
        for (int axis = dimensions_; axis-- > 0;)
            if (shape_[axis] == 1) erase(axis);
        for (int axis = dimensions_; axis-- > 1;) {
            bool even = true;
            for (std::size_t k = 0; k < count_; ++k)
                even = even && strides_[k][axis - 1] == strides_[k][axis] * shape_[axis];
            if (!even) continue;
            shape_[axis] *= shape_[axis - 1];
            erase(axis - 1);
        }
    }

    void lengthen_runs() noexcept {
        if (dimensions_ < 2 || shape_[dimensions_ - 1] >= least_run) return;
        const auto last = static_cast<std::size_t>(dimensions_ - 1);
        const auto longest = static_cast<std::size_t>(
            std::max_element(shape_.begin(), shape_.begin() + dimensions_) - shape_.begin());
        std::swap(shape_[longest], shape_[last]);
        for (std::size_t k = 0; k < count_; ++k) std::swap(strides_[k][longest], strides_[k][last]);
    }

    std::array<std::byte*, most> addresses(std::size_t index) const noexcept {
        std::array<std::byte*, most> result;
        std::copy_n(addresses_.begin(), count_, result.begin());
        for (int axis = dimensions_; axis-- > 0;) {
            const auto extent = static_cast<std::size_t>(shape_[axis]);
            const auto step = static_cast<std::ptrdiff_t>(index % extent);
            index /= extent;
            for (std::size_t k = 0; k < count_; ++k) result[k] += step * strides_[k][axis];
        }
        return result;
    }

    Axes shape_;
    int dimensions_;
    std::size_t count_ = 0;
    std::array<std::byte*, most> addresses_{};
    std::array<Axes, most> strides_;
};

}  // namespace optionsib::bindings
