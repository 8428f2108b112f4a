#include "optionsib/pricing/parallel.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#ifdef __unix__
#include <sys/wait.h>
#include <unistd.h>
#endif

using optionsib::pricing::for_ranges;

namespace {

bool visits_all_once(std::size_t size, unsigned threads) {
    std::vector<std::atomic<int>> visits(size);
    for_ranges(size, threads, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) ++visits[i];
    });
    for (const auto& count : visits)
        if (count != 1) return false;
    return true;
}

}  // namespace

TEST_CASE("every element is visited once, whatever the number of threads") {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{4097}, std::size_t{40'001}})
        for (const unsigned threads : {0u, 1u, 2u, 3u, 64u}) CHECK(visits_all_once(size, threads));
}

TEST_CASE("calls from several threads at once, and from within the work, get their own work done") {
    std::atomic<int> good = 0;
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i)
        callers.emplace_back([&] {
            for (int round = 0; round < 20; ++round) good += visits_all_once(20'000, 3) ? 1 : 0;
        });
    for (std::thread& caller : callers) caller.join();
    CHECK(good == 80);
    std::atomic<int> inner = 0;
    for_ranges(16'384, 2, [&](std::size_t, std::size_t) { inner += visits_all_once(20'000, 2) ? 1 : 1000; });
    CHECK(inner >= 1);
    CHECK(inner < 1000);
}

#ifdef __unix__
TEST_CASE("a forked child has threads of its own") {
    REQUIRE(visits_all_once(40'000, 3));
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(20);  // a child that waits for threads it does not have is a failure, not a hang
        _exit(visits_all_once(40'000, 3) ? 0 : 1);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}
#endif

TEST_CASE("at least one CPU is available") {
    CHECK(optionsib::pricing::available_cpus() >= 1);
}
