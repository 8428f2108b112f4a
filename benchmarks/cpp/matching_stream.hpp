// Streams of orders for the matching engine in the mix of the public matching-engine-benchmark harness (arXiv
// 2606.01183): of 2 million messages 1,000,000 new of which 15 % immediate-or-cancel, 823 thousand cancel,
// 173 thousand modify. Own generator: shapes and shares after the description, not its files.
//
// The mid price moves by the shape: `normal` a random walk, `statical` not at all, `swing` up and down by 25
// or 40 % of the price, `flash_crash` down by a third within a twentieth of the stream and up again.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

#include "optionsib/book/matching_types.hpp"

namespace optionsib::benchmarks {

enum class Shape { normal, statical, swing25, swing40, flash_crash };

inline constexpr std::array<std::string_view, 5> kShapeNames{"normal", "static", "swing-25", "swing-40",
                                                             "flash-crash"};

inline std::vector<book::Record> make_matching_stream(Shape shape, std::size_t count, std::uint64_t seed) {
    using namespace book;
    constexpr double kStart = 10'000.0;  // ticks
    std::mt19937_64 random(seed);
    const auto uniform = [&random] { return static_cast<double>(random() >> 11) * 0x1p-53; };
    struct Known {
        OrderId id;
        std::int8_t side;
        Price price;
        Quantity quantity;
    };
    std::vector<Known> alive;
    std::vector<Record> records;
    records.reserve(count);
    OrderId next_id = 1;
    double walk = 0.0;
    while (records.size() < count) {
        const double time = static_cast<double>(records.size()) / static_cast<double>(count);
        walk += uniform() - 0.5;
        double mid = kStart + walk;
        if (shape == Shape::statical) mid = kStart;
        if (shape == Shape::swing25) mid = kStart * (1.0 + 0.25 * std::sin(8.0 * 3.14159265 * time));
        if (shape == Shape::swing40) mid = kStart * (1.0 + 0.40 * std::sin(8.0 * 3.14159265 * time));
        if (shape == Shape::flash_crash) {
            const double depth = time < 0.45  ? 0.0
                                 : time < 0.5 ? (time - 0.45) / 0.05
                                 : time < 0.6 ? (0.6 - time) / 0.1
                                              : 0.0;
            mid = kStart * (1.0 - depth / 3.0) + walk;
        }
        const double draw = uniform();
        Record record{};
        if (draw < 0.5 || alive.size() < 100) {
            record.action = static_cast<std::uint8_t>(Action::add);
            record.side = random() % 2 == 0 ? 1 : -1;
            record.order_id = next_id++;
            record.quantity = static_cast<Quantity>(1 + random() % 100);
            record.owner = static_cast<Owner>(1 + random() % 64);
            const bool ioc = uniform() < 0.15;
            // Most rest a few ticks behind the mid, some reach over it.
            const double distance = ioc ? -2.0 - 6.0 * uniform() : -8.0 * std::log(1.0 - uniform()) - 1.5;
            record.price = static_cast<Price>(std::lround(mid - record.side * distance));
            if (ioc) {
                record.flags = kImmediateOrCancel;
            } else {
                alive.push_back({record.order_id, record.side, record.price, record.quantity});
            }
        } else {
            const std::size_t at = random() % alive.size();
            Known& known = alive[at];
            record.order_id = known.id;
            if (draw < 0.912) {
                record.action = static_cast<std::uint8_t>(Action::cancel);
                known = alive.back();
                alive.pop_back();
            } else {
                record.action = static_cast<std::uint8_t>(Action::modify);
                const bool less = random() % 2 == 0;
                record.price =
                    less ? known.price : static_cast<Price>(std::lround(mid - known.side * 10.0 * uniform()));
                record.quantity = less ? 1 + known.quantity / 2 : known.quantity;
                known.price = record.price;
                known.quantity = record.quantity;
            }
        }
        records.push_back(record);
    }
    return records;
}

}  // namespace optionsib::benchmarks
