#include "optionsib/pricing/parallel.hpp"

#include <algorithm>
#include <system_error>
#include <thread>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif

namespace optionsib::pricing {

unsigned available_cpus() noexcept {
#ifdef __linux__
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
#endif
    return std::max(1u, std::thread::hardware_concurrency());
}

void for_ranges(std::size_t size, unsigned threads,
                const std::function<void(std::size_t, std::size_t)>& work) {
    const std::size_t wanted = threads == 0 ? available_cpus() : threads;
    const std::size_t useful = std::max<std::size_t>(1, size / least_elements_per_thread);
    const std::size_t count = std::min(wanted, useful);
    const std::size_t share = size / count, longer = size % count;

    std::vector<std::thread> helpers;
    helpers.reserve(count - 1);
    std::size_t begin = 0;
    for (std::size_t i = 0; i + 1 < count; ++i) {
        const std::size_t end = begin + share + (i < longer ? 1 : 0);
        try {
            helpers.emplace_back(std::cref(work), begin, end);
        } catch (const std::system_error&) {
            break;  // the caller does the rest
        }
        begin = end;
    }
    work(begin, size);
    for (std::thread& helper : helpers) helper.join();
}

}  // namespace optionsib::pricing
