#pragma once

// Columns of any stride to registers and back. Lanes past the end repeat the last element, so that the tail
// runs through the same code as everything else.

#include <cstddef>
#include <cstdint>

#include "optionsib/math/simd/lanes.hpp"

namespace optionsib::simd {
inline namespace OPTIONSIB_LANES {

// A strided input, its value read once where the stride is 0.
template <class E>
struct Column {
    const char* data;
    std::ptrdiff_t stride;
    double value;
};

template <class E>
OPTIONSIB_INLINE E read(const char* from) {
    E value;
    __builtin_memcpy(&value, from, sizeof value);
    return value;
}

// `missing` stands for a column without data.
template <class E, class Input>
OPTIONSIB_INLINE Column<E> column(const Input& input, double missing = 0.0) {
    const char* data = reinterpret_cast<const char*>(input.data);
    if (data == nullptr) return {nullptr, 0, missing};
    return {data, input.stride, input.stride == 0 ? static_cast<double>(read<E>(data)) : 0.0};
}

template <class E>
[[gnu::noinline, gnu::visibility("hidden")]] void collect(const char* from, std::ptrdiff_t stride,
                                                          std::size_t count, std::size_t size, E* to) {
    for (std::size_t i = 0; i < size; ++i) {
        to[i] = read<E>(from);
        if (i + 1 < count) from += stride;
    }
}

template <class T, class E>
OPTIONSIB_INLINE T load(const Column<E>& from, std::size_t begin, std::size_t count) {
    const char* data = from.data + static_cast<std::ptrdiff_t>(begin) * from.stride;
    if (from.stride == static_cast<std::ptrdiff_t>(sizeof(E)) && count == static_cast<std::size_t>(T::size))
        return load<T>(reinterpret_cast<const E*>(data));
    if (from.stride == 0) return T(from.value);
    alignas(64) E buffer[T::size];
    collect<E>(data, from.stride, count, T::size, buffer);
    return load<T>(static_cast<const E*>(buffer));
}

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::simd
