// Python face of the limit engine: orders are read from their Struct attributes, contracts by con_id.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "limiter.hpp"
#include "register.hpp"

namespace optionsib::bindings {

namespace {

using Floats = py::array_t<double, py::array::c_style | py::array::forcecast>;
using Integers = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>;

template <class T>
std::optional<T> limit_of(const py::dict& limits, const char* name) {
    return limits[name].cast<std::optional<T>>();
}

ExposureLimits exposure_limits(const py::dict& values, const std::string& of) {
    const auto limit = [&](const char* what) {
        return limit_of<double>(values, ("max_" + of + what).c_str());
    };
    return {limit("_delta"), limit("_gamma"), limit("_vega"), limit("_notional")};
}

Limits read_limits(const py::dict& values) {
    Limits limits;
    limits.order_quantity = limit_of<std::int64_t>(values, "max_order_quantity");
    limits.order_delta = limit_of<double>(values, "max_order_delta");
    limits.order_gamma = limit_of<double>(values, "max_order_gamma");
    limits.order_vega = limit_of<double>(values, "max_order_vega");
    limits.order_notional = limit_of<double>(values, "max_order_notional");
    limits.order_loss = limit_of<Money>(values, "max_order_loss");
    limits.portfolio = exposure_limits(values, "portfolio");
    limits.strategy = exposure_limits(values, "strategy");
    limits.underlying = exposure_limits(values, "underlying");
    limits.expiry = exposure_limits(values, "expiry");
    limits.portfolio_loss = limit_of<Money>(values, "max_portfolio_loss");
    limits.scenario_loss = limit_of<Money>(values, "max_scenario_loss");
    limits.daily_loss = limit_of<Money>(values, "max_daily_loss");
    limits.credit = limit_of<Money>(values, "max_credit");
    limits.position = limit_of<std::int64_t>(values, "max_position");
    limits.open_quantity = limit_of<std::int64_t>(values, "max_open_quantity");
    limits.open_orders = limit_of<std::int64_t>(values, "max_open_orders");
    limits.order_price = limit_of<std::int64_t>(values, "max_order_price");
    limits.price_collar = limit_of<std::int64_t>(values, "price_collar");
    limits.orders_per_minute = limit_of<std::int64_t>(values, "max_orders_per_minute");
    limits.feed_age = limit_of<double>(values, "max_feed_age_seconds");
    limits.change_age = limit_of<double>(values, "max_change_age_seconds");
    limits.duplicate_window = limit_of<double>(values, "duplicate_window_seconds");
    limits.order_to_trade = limit_of<double>(values, "max_order_to_trade");
    limits.repeated_executions = limit_of<std::int64_t>(values, "max_repeated_executions");
    limits.repeated_window = limit_of<double>(values, "repeated_executions_window_seconds");
    limits.protection_quantity = limit_of<std::int64_t>(values, "max_protection_quantity");
    limits.protection_window = limit_of<double>(values, "protection_window_seconds");
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
                   const Floats& change_age, double spot, double underlying_feed_age, std::int64_t now_ns) {
    const py::ssize_t count = con_ids.size();
    for (const Floats* column : {&bid, &ask, &delta, &gamma, &vega, &feed_age, &change_age}) {
        if (con_ids.ndim() != 1 || column->ndim() != 1 || column->size() != count) {
            throw py::value_error("con_ids, quotes, Greeks and ages must be 1-d arrays of one length");
        }
    }
    for (py::ssize_t i = 0; i < count; ++i) (void)self.index(con_ids.at(i));  // all known, or nothing changes
    // First, since a new spot has all sums made anew: the contracts' own increments are not needed then.
    self.engine().set_underlying(spot, underlying_feed_age, now_ns);
    for (py::ssize_t i = 0; i < count; ++i) {
        self.engine().set_market(
            self.index(con_ids.at(i)),
            {bid.at(i), ask.at(i), delta.at(i), gamma.at(i), vega.at(i), feed_age.at(i), change_age.at(i)},
            now_ns);
    }
}

void update_scenarios(Limiter& self, const Integers& con_ids, const Floats& gains) {
    const std::size_t cells = self.engine().scenario_count();
    if (con_ids.ndim() != 1 || gains.ndim() != 2 || gains.shape(0) != con_ids.size() ||
        static_cast<std::size_t>(gains.shape(1)) != cells) {
        throw py::value_error("gains must be (contracts, " + std::to_string(cells) + "), one row a con_id");
    }
    for (py::ssize_t i = 0; i < con_ids.size(); ++i) (void)self.index(con_ids.at(i));
    for (py::ssize_t i = 0; i < con_ids.size(); ++i) {
        self.engine().set_scenarios(self.index(con_ids.at(i)), {gains.data(i, 0), cells});
    }
}

py::object con_id_or_none(const Limiter& self, std::optional<std::uint32_t> contract) {
    if (!contract) return py::none();
    return py::int_(self.con_ids()[*contract]);
}

}  // namespace

namespace {

py::tuple answer(const Limiter& self, const Verdict& v) {
    return py::make_tuple(v.accepts, v.reduces_risk, static_cast<int>(v.check), static_cast<int>(v.finding),
                          v.value, v.limit, v.max_loss, con_id_or_none(self, v.contract));
}

}  // namespace

void register_limits(py::module_& module) {
    module.attr("UNBOUNDED_LOSS") = kUnbounded;
    module.attr("MAX_FILL_COMBINATIONS") = WorstLoss::kMaxCombinations;
    module.attr("SANITY_COLLAR") = kSanityCollar;
    py::list names;
    for (std::size_t i = 0; i < kCheckCount; ++i) names.append(check_name(static_cast<Check>(i)));
    module.attr("LIMIT_CHECKS") = py::tuple(names);

    py::class_<Limiter> engine(module, "LimitEngine");
    engine
        .def(py::init([](const py::dict& limits, const std::vector<ContractRow>& rows, std::size_t scenarios,
                         std::size_t accounts, std::size_t orders, bool judges_losses) {
                 const auto [con_ids, contracts] = read_contracts(rows);
                 if (scenarios > kMaxScenarios) throw py::value_error("at most 64 scenarios");
                 if (accounts == 0 || orders == 0)
                     throw py::value_error("accounts and orders must be positive");
                 const Sizes sizes{accounts, 1, orders, scenarios, judges_losses};
                 return std::make_unique<Limiter>(read_limits(limits), con_ids, contracts, sizes);
             }),
             py::arg("limits"), py::arg("rows"), py::arg("scenarios") = 0, py::arg("accounts") = 1,
             py::arg("orders") = 4096, py::arg("judges_losses") = true)
        .def("set_limits",
             [](Limiter& self, const py::dict& limits) { self.engine().set_limits(read_limits(limits)); })
        .def("update_market", &update_market)
        .def("update_scenarios", &update_scenarios)
        .def("set_state",
             [](Limiter& self, int state) {
                 if (state < 0 || state > 3)
                     throw py::value_error("state " + std::to_string(state) + " is none of 0 to 3");
                 self.engine().set_state(static_cast<State>(state));
             })
        .def("state", [](Limiter& self) { return static_cast<int>(self.engine().state()); })
        .def("set_account_state",
             [](Limiter& self, std::uint32_t account, int state) {
                 if (state < 0 || state > 3 || account >= self.engine().account_count()) {
                     throw py::value_error("no such account or state");
                 }
                 self.engine().set_account_state(account, static_cast<State>(state));
             })
        .def("set_account_enabled",
             [](Limiter& self, std::uint32_t account, bool enabled) {
                 if (account >= self.engine().account_count()) throw py::value_error("no such account");
                 self.engine().set_account_enabled(account, enabled);
             })
        .def("set_tradable", [](Limiter& self, std::int64_t con_id,
                                bool tradable) { self.engine().set_tradable(self.index(con_id), tradable); })
        .def("set_restricted",
             [](Limiter& self, std::int64_t con_id, bool restricted) {
                 self.engine().set_restricted(self.index(con_id), restricted);
             })
        .def("reset_repeated_executions",
             [](Limiter& self, const std::string& strategy) {
                 self.engine().reset_repeated_executions(self.strategy(strategy));
             })
        .def("reset_protection", [](Limiter& self) { self.engine().reset_protection(0, 0); })
        .def("strategy", &Limiter::strategy)
        .def("number", &Limiter::index)
        .def("set_position",
             [](Limiter& self, std::int64_t con_id, std::int64_t quantity) {
                 if (quantity > kMaxContracts || quantity < -kMaxContracts) {
                     throw py::value_error("position " + std::to_string(quantity) + " is out of range");
                 }
                 self.engine().set_position(self.index(con_id), quantity);
             })
        .def("deliver",
             [](Limiter& self, std::int64_t con_id, std::int64_t quantity, Money cash,
                const std::string& trade, const std::string& strategy) {
                 const auto named = self.trades.find(trade);
                 const std::uint32_t number = named == self.trades.end() ? kNoTrade : named->second;
                 self.engine().deliver(self.index(con_id), quantity, cash, number, self.strategy(strategy));
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
                                       e.worst.vega, e.notional, e.worst_loss, e.scenario_loss, e.profit);
             })
        // None: malformed. `working` 0: none.
        .def("check",
             [](Limiter& self, py::handle order, std::int64_t now_ns, OrderHandle working,
                bool closes) -> py::object {
                 const auto terms = self.read(order, false);
                 if (!terms) return py::none();
                 return answer(self, self.engine().check(*terms, now_ns, working, closes));
             })
        // What `check` says, and the handle under which the order works from now on (0: refused).
        .def("submit",
             [](Limiter& self, py::handle order, std::int64_t now_ns, OrderHandle working) -> py::object {
                 const auto terms = self.read(order, true);
                 if (!terms) return py::none();
                 const Submission done = self.engine().submit(*terms, now_ns, working);
                 return py::make_tuple(answer(self, done.verdict), done.handle);
             })
        .def("add_working",
             [](Limiter& self, py::handle order, std::int64_t now_ns) -> py::object {
                 const auto terms = self.read(order, true);
                 if (!terms) return py::none();
                 return py::int_(self.engine().add_working(*terms, now_ns));
             })
        .def("amend",
             [](Limiter& self, OrderHandle handle, std::int64_t remaining, std::int64_t limit_price) {
                 return static_cast<int>(self.engine().amend(handle, remaining, limit_price));
             })
        .def("fill",
             [](Limiter& self, OrderHandle handle, std::int64_t quantity, std::optional<Money> cash,
                std::int64_t now_ns) {
                 return static_cast<int>(self.engine().fill(handle, quantity, cash, now_ns));
             })
        .def("finish",
             [](Limiter& self, OrderHandle handle) { return static_cast<int>(self.engine().finish(handle)); })
        .def("count_message",
             [](Limiter& self, OrderHandle handle) {
                 return static_cast<int>(self.engine().count_message(handle));
             })
        // The books, and the names of strategies and trades by number.
        .def("snapshot",
             [](Limiter& self) {
                 const std::vector<std::byte> bytes = self.engine().snapshot();
                 return py::make_tuple(py::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
                                       self.strategies, self.trades);
             })
        .def("restore", [](Limiter& self, const py::bytes& books, const Limiter::Names& strategies,
                           const Limiter::Names& trades) {
            const std::string_view bytes = books;
            if (!self.engine().restore(std::as_bytes(std::span(bytes)))) return false;
            self.strategies = strategies;
            self.trades = trades;
            return true;
        });
    register_limit_records(engine);
}

}  // namespace optionsib::bindings
