// Arrays that messages walk through at random: once they are large they ask for huge pages, for a miss in the
// page tables costs as much as one in the cache.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace optionsib::book {

template <class T>
class SlabAllocator {
  public:
    using value_type = T;

    SlabAllocator() = default;
    template <class Other>
    SlabAllocator(const SlabAllocator<Other>&) {}

    [[nodiscard]] T* allocate(std::size_t count) {
        if (count > static_cast<std::size_t>(-1) / 2 / sizeof(T)) throw std::bad_array_new_length();
        const std::size_t bytes = count * sizeof(T);
        if (bytes < kHugePage) return static_cast<T*>(::operator new(bytes, std::align_val_t{kLine}));
        void* const memory = ::operator new(bytes, std::align_val_t{kHugePage});
#ifdef __linux__
        (void)madvise(memory, bytes, MADV_HUGEPAGE);  // a wish: where it is not heard, all works as before
#endif
        return static_cast<T*>(memory);
    }
    void deallocate(T* memory, std::size_t count) noexcept {
        ::operator delete(memory, std::align_val_t{count * sizeof(T) < kHugePage ? kLine : kHugePage});
    }
    friend bool operator==(const SlabAllocator&, const SlabAllocator&) { return true; }

  private:
    static constexpr std::size_t kHugePage = std::size_t{2} << 20, kLine = 64;
};

template <class T>
using Slab = std::vector<T, SlabAllocator<T>>;

}  // namespace optionsib::book
