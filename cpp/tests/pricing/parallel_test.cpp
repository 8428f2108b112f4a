#include "optionsib/pricing/parallel.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <vector>

using optionsib::pricing::for_ranges;

TEST_CASE("every element is visited once, whatever the number of threads") {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{4097}, std::size_t{40'001}})
        for (const unsigned threads : {0u, 1u, 2u, 3u, 64u}) {
            std::vector<std::atomic<int>> visits(size);
            for_ranges(size, threads, [&](std::size_t begin, std::size_t end) {
                for (std::size_t i = begin; i < end; ++i) ++visits[i];
            });
            for (const auto& count : visits) REQUIRE(count == 1);
        }
}

TEST_CASE("at least one CPU is available") {
    CHECK(optionsib::pricing::available_cpus() >= 1);
}
