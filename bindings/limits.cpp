// Python face of the limit engine: orders are read from their Struct attributes, contracts by con_id.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "optionsib/risk/limit_engine.hpp"
#include "register.hpp"

namespace optionsib::bindings {

namespace py = pybind11;
using namespace optionsib::risk;

namespace {

using Floats = py::array_t<double, py::array::c_style | py::array::forcecast>;
using Integers = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>;

// A Python int as int64; nullopt where it is none or does not fit.
std::optional<std::int64_t> integer_of(py::handle value) {
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

    static py::str intern(const char* name) {
        return py::reinterpret_steal<py::str>(PyUnicode_InternFromString(name));
    }
};

class Limiter {
  public:
    Limiter(const Limits& limits, const std::vector<std::int64_t>& con_ids,
            const std::vector<ContractRules>& contracts)
        : engine_(limits, contracts), con_ids_(con_ids) {
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
        const OrderTerms terms{legs_, *quantity, *limit_price, trade_of(order, is_sent)};
        if (!engine_.is_well_formed(terms)) return std::nullopt;
        return terms;
    }

  private:
    // Trades are numbered from 1 as their first order is sent; a trade without a sent order is kNoTrade.
    std::uint32_t trade_of(py::handle order, bool is_sent) {
        const auto name = order.attr(names_.trade_id).cast<std::string>();
        if (is_sent && !name.empty()) {
            trades_.try_emplace(name, static_cast<std::uint32_t>(trades_.size() + 1));
        }
        const auto found = trades_.find(name);
        return found == trades_.end() ? kNoTrade : found->second;
    }

    LimitEngine engine_;
    std::vector<std::int64_t> con_ids_;
    std::unordered_map<std::int64_t, std::uint32_t> index_;
    std::vector<Leg> legs_;
    std::unordered_map<std::string, std::uint32_t> trades_;
    OrderNames names_;
};

template <class T>
std::optional<T> limit_of(const py::dict& limits, const char* name) {
    return limits[name].cast<std::optional<T>>();
}

Limits read_limits(const py::dict& values) {
    Limits limits;
    limits.order_quantity = limit_of<std::int64_t>(values, "max_order_quantity");
    limits.order_delta = limit_of<double>(values, "max_order_delta");
    limits.order_gamma = limit_of<double>(values, "max_order_gamma");
    limits.order_vega = limit_of<double>(values, "max_order_vega");
    limits.order_notional = limit_of<double>(values, "max_order_notional");
    limits.order_loss = limit_of<Money>(values, "max_order_loss");
    limits.portfolio_delta = limit_of<double>(values, "max_portfolio_delta");
    limits.portfolio_gamma = limit_of<double>(values, "max_portfolio_gamma");
    limits.portfolio_vega = limit_of<double>(values, "max_portfolio_vega");
    limits.portfolio_notional = limit_of<double>(values, "max_portfolio_notional");
    limits.portfolio_loss = limit_of<Money>(values, "max_portfolio_loss");
    limits.price_collar = limit_of<std::int64_t>(values, "price_collar");
    limits.orders_per_minute = limit_of<std::int64_t>(values, "max_orders_per_minute");
    limits.feed_age = limit_of<double>(values, "max_feed_age_seconds");
    limits.change_age = limit_of<double>(values, "max_change_age_seconds");
    return limits;
}

// (con_id, kind, expiry index, strike, multiplier, fee, ((lower_edge, increment), ...))
using ContractRow = std::tuple<std::int64_t, std::int32_t, std::int32_t, std::int64_t, std::int64_t,
                               std::int64_t, std::vector<std::pair<std::int64_t, std::int64_t>>>;

std::pair<std::vector<std::int64_t>, std::vector<ContractRules>> read_contracts(
    const std::vector<ContractRow>& rows) {
    std::pair<std::vector<std::int64_t>, std::vector<ContractRules>> result;
    for (const auto& [con_id, kind, expiry, strike, multiplier, fee, bands] : rows) {
        ContractRules rules{{kind, expiry, strike, multiplier, fee}, {}};
        for (const auto& [edge, increment] : bands) rules.bands.push_back({edge, increment});
        result.first.push_back(con_id);
        result.second.push_back(std::move(rules));
    }
    return result;
}

void update_market(Limiter& self, const Integers& con_ids, const Floats& bid, const Floats& ask,
                   const Floats& delta, const Floats& gamma, const Floats& vega, const Floats& feed_age,
                   const Floats& change_age, double spot, double underlying_feed_age) {
    const py::ssize_t count = con_ids.size();
    for (const Floats* column : {&bid, &ask, &delta, &gamma, &vega, &feed_age, &change_age}) {
        if (con_ids.ndim() != 1 || column->ndim() != 1 || column->size() != count) {
            throw py::value_error("con_ids, quotes, Greeks and ages must be 1-d arrays of one length");
        }
    }
    for (py::ssize_t i = 0; i < count; ++i) (void)self.index(con_ids.at(i));  // all known, or nothing changes
    for (py::ssize_t i = 0; i < count; ++i) {
        self.engine().set_market(self.index(con_ids.at(i)), {bid.at(i), ask.at(i), delta.at(i), gamma.at(i),
                                                             vega.at(i), feed_age.at(i), change_age.at(i)});
    }
    self.engine().set_underlying(spot, underlying_feed_age);
}

py::object con_id_or_none(const Limiter& self, std::optional<std::uint32_t> contract) {
    if (!contract) return py::none();
    return py::int_(self.con_ids()[*contract]);
}

}  // namespace

void register_limits(py::module_& module) {
    module.attr("UNBOUNDED_LOSS") = kUnbounded;
    module.attr("MAX_FILL_COMBINATIONS") = WorstLoss::kMaxCombinations;
    module.attr("SANITY_COLLAR") = kSanityCollar;

    py::class_<Limiter>(module, "LimitEngine")
        .def(py::init([](const py::dict& limits, const std::vector<ContractRow>& rows) {
            const auto [con_ids, contracts] = read_contracts(rows);
            return std::make_unique<Limiter>(read_limits(limits), con_ids, contracts);
        }))
        .def("update_market", &update_market)
        .def("set_halted", [](Limiter& self, bool halted) { self.engine().set_halted(halted); })
        .def("set_position",
             [](Limiter& self, std::int64_t con_id, std::int64_t quantity) {
                 if (quantity > kMaxContracts || quantity < -kMaxContracts) {
                     throw py::value_error("position " + std::to_string(quantity) + " is out of range");
                 }
                 self.engine().set_position(self.index(con_id), quantity);
             })
        .def("set_cash", [](Limiter& self, Money cash) { self.engine().set_cash(cash); })
        .def("cash", [](Limiter& self) { return self.engine().cash(); })
        .def("positions",
             [](Limiter& self) {
                 py::dict positions;
                 for (std::size_t i = 0; i < self.con_ids().size(); ++i) {
                     const std::int64_t quantity = self.engine().position(static_cast<std::uint32_t>(i));
                     if (quantity != 0) positions[py::int_(self.con_ids()[i])] = quantity;
                 }
                 return positions;
             })
        .def("working_count", [](Limiter& self) { return self.engine().working_count(); })
        .def("exposure",
             [](Limiter& self) {
                 const Exposure e = self.engine().exposure();
                 return py::make_tuple(e.held.delta, e.held.gamma, e.held.vega, e.worst.delta, e.worst.gamma,
                                       e.worst.vega, e.notional, e.worst_loss);
             })
        // None: malformed.
        .def("check",
             [](Limiter& self, py::handle order, std::int64_t now_ns,
                std::optional<OrderHandle> working) -> py::object {
                 const auto terms = self.read(order, false);
                 if (!terms) return py::none();
                 const Verdict v = self.engine().check(*terms, now_ns, working);
                 return py::make_tuple(v.accepts, v.reduces_risk, static_cast<int>(v.check),
                                       static_cast<int>(v.finding), v.value, v.limit, v.max_loss,
                                       con_id_or_none(self, v.contract));
             })
        .def("add_working",
             [](Limiter& self, py::handle order, std::int64_t now_ns) -> py::object {
                 const auto terms = self.read(order, true);
                 if (!terms) return py::none();
                 return py::int_(self.engine().add_working(*terms, now_ns));
             })
        .def("reprice",
             [](Limiter& self, OrderHandle handle, std::int64_t limit_price) {
                 return static_cast<int>(self.engine().reprice(handle, limit_price));
             })
        .def("fill",
             [](Limiter& self, OrderHandle handle, std::int64_t quantity, std::optional<Money> cash) {
                 return static_cast<int>(self.engine().fill(handle, quantity, cash));
             })
        .def("finish", [](Limiter& self, OrderHandle handle) {
            return static_cast<int>(self.engine().finish(handle));
        });
}

}  // namespace optionsib::bindings
