// A limit engine whose orders are Python objects, contracts named by con_id, strategies and trades by name.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "optionsib/risk/limit_engine.hpp"

namespace optionsib::bindings {

namespace py = pybind11;
using namespace optionsib::risk;

// A Python int as int64; nullopt where it is none or does not fit.
inline std::optional<std::int64_t> integer_of(py::handle value) {
    if (!PyLong_Check(value.ptr())) return std::nullopt;
    int overflow = 0;
    const long long number = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
    if (overflow != 0) return std::nullopt;
    return number;
}

struct OrderNames {
    py::str legs = intern("legs");
    py::str quantity = intern("quantity");
    py::str limit_price = intern("limit_price");
    py::str con_id = intern("con_id");
    py::str ratio = intern("ratio");
    py::str trade_id = intern("trade_id");
    py::str strategy = intern("strategy");
    py::str purpose = intern("purpose");
    py::str open = intern("open");

    static py::str intern(const char* name) {
        return py::reinterpret_steal<py::str>(PyUnicode_InternFromString(name));
    }
};

class Limiter {
  public:
    Limiter(const Limits& limits, const std::vector<std::int64_t>& con_ids,
            const std::vector<ContractRules>& contracts, const Sizes& sizes)
        : engine_(limits, contracts, sizes), con_ids_(con_ids) {
        for (std::size_t i = 0; i < con_ids.size(); ++i) {
            index_.emplace(con_ids[i], static_cast<std::uint32_t>(i));
        }
    }

    LimitEngine& engine() { return engine_; }
    const std::vector<std::int64_t>& con_ids() const { return con_ids_; }

    std::uint32_t index(std::int64_t con_id) const {
        const auto found = index_.find(con_id);
        if (found == index_.end()) throw py::value_error("unknown con_id " + std::to_string(con_id));
        return found->second;
    }

    // The order's terms; nullopt where it is malformed. Valid until the next call.
    std::optional<OrderTerms> read(py::handle order, bool is_sent) {
        legs_.clear();
        const py::object legs = order.attr(names_.legs);
        for (const py::handle leg : legs) {
            const auto con_id = integer_of(leg.attr(names_.con_id));
            const auto ratio = integer_of(leg.attr(names_.ratio));
            if (!con_id || !ratio) return std::nullopt;
            const auto found = index_.find(*con_id);
            if (found == index_.end()) return std::nullopt;
            legs_.push_back({found->second, *ratio});
        }
        const auto quantity = integer_of(order.attr(names_.quantity));
        const auto limit_price = integer_of(order.attr(names_.limit_price));
        if (!quantity || !limit_price) return std::nullopt;
        const OrderTerms terms{legs_,
                               *quantity,
                               *limit_price,
                               trade_of(order, is_sent),
                               0,
                               strategy(order.attr(names_.strategy).cast<std::string>()),
                               py::object(order.attr(names_.purpose)).equal(names_.open)};
        if (!engine_.is_well_formed(terms)) return std::nullopt;
        return terms;
    }

    // The number of a strategy; a new name gets the next one. 0 is whoever has no name.
    std::uint32_t strategy(const std::string& name) {
        if (name.empty()) return 0;
        const auto found = strategies.find(name);
        if (found != strategies.end()) return found->second;
        return strategies.emplace(name, engine_.add_strategy()).first->second;
    }

    using Names = std::unordered_map<std::string, std::uint32_t>;
    Names trades, strategies;  // their numbers

  private:
    // Trades are numbered from 1 as their first order is sent; a trade without a sent order is kNoTrade.
    std::uint32_t trade_of(py::handle order, bool is_sent) {
        const auto name = order.attr(names_.trade_id).cast<std::string>();
        if (is_sent && !name.empty()) {
            trades.try_emplace(name, static_cast<std::uint32_t>(trades.size() + 1));
        }
        const auto found = trades.find(name);
        return found == trades.end() ? kNoTrade : found->second;
    }

    LimitEngine engine_;
    std::vector<std::int64_t> con_ids_;
    std::unordered_map<std::int64_t, std::uint32_t> index_;
    std::vector<Leg> legs_;
    OrderNames names_;
};

// Single legs as records in NumPy buffers, and by bound functions without argument parsing.
void register_limit_records(py::class_<Limiter>& engine);

}  // namespace optionsib::bindings
