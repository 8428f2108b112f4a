#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace optionsib::pricing {

// A one-dimensional view with a byte stride: 0 repeats one value, negative walks backwards. Values are
// copied out and in, so neither contiguity nor alignment is needed.
template <typename T>
struct In {
    const std::byte* data = nullptr;
    std::ptrdiff_t stride = 0;

    [[nodiscard]] T operator[](std::size_t i) const noexcept {
        T value;
        std::memcpy(&value, data + static_cast<std::ptrdiff_t>(i) * stride, sizeof value);
        return value;
    }
};

template <typename T>
struct Out {
    std::byte* data = nullptr;  // nullptr: the caller does not want this output
    std::ptrdiff_t stride = 0;

    void put(std::size_t i, T value) const noexcept {
        if (data != nullptr)
            std::memcpy(data + static_cast<std::ptrdiff_t>(i) * stride, &value, sizeof value);
    }
};

}  // namespace optionsib::pricing
