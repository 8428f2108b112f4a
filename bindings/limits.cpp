// Python face of the limit engine: orders are read from their Struct attributes, contracts by con_id; single
// legs also as records in NumPy buffers, and by bound functions without argument parsing.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
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
    py::str strategy = intern("strategy");

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
                               strategy(order.attr(names_.strategy).cast<std::string>())};
        if (!engine_.is_well_formed(terms)) return std::nullopt;
        return terms;
    }

    // The number of a strategy; a new name gets the next one. 0 is whoever has no name.
    std::uint32_t strategy(const std::string& name) {
        if (name.empty()) return 0;
        const auto found = strategies_.find(name);
        if (found != strategies_.end()) return found->second;
        return strategies_.emplace(name, engine_.add_strategy()).first->second;
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
    std::unordered_map<std::string, std::uint32_t> strategies_;
    OrderNames names_;
};

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

// --- records -------------------------------------------------------------------------------------

// A 1-d contiguous array of items of this size; nothing is copied or converted.
template <class Item>
Item* items_of(const py::array& array, const char* name, bool writes) {
    if (array.ndim() != 1 || array.itemsize() != static_cast<py::ssize_t>(sizeof(Item)) ||
        (array.flags() & py::array::c_style) == 0 ||
        reinterpret_cast<std::uintptr_t>(array.data()) % 8 != 0 || (writes && !array.writeable())) {
        throw py::value_error(std::string(name) + " must be a contiguous 1-d array of " +
                              std::to_string(sizeof(Item)) + "-byte records" + (writes ? ", writeable" : ""));
    }
    return const_cast<Item*>(static_cast<const Item*>(array.data()));
}

std::size_t submit_batch(Limiter& self, const py::array& records, const py::array& verdicts) {
    const auto* orders = items_of<OrderRecord>(records, "records", false);
    auto* answers = items_of<VerdictRecord>(verdicts, "verdicts", true);
    if (records.size() != verdicts.size())
        throw py::value_error("records and verdicts must be of one length");
    const py::gil_scoped_release released;
    return self.engine().submit_batch({orders, static_cast<std::size_t>(records.size())}, answers);
}

// What a bound function needs; the capsule that is its `self` owns it.
struct BoundEngine {
    py::object owner;
    LimitEngine* engine;
    py::object records_owner, verdicts_owner;
    const OrderRecord* records = nullptr;
    VerdictRecord* verdicts = nullptr;
    Py_ssize_t count = 0;
};

BoundEngine& bound(PyObject* self) {
    return *static_cast<BoundEngine*>(PyCapsule_GetPointer(self, nullptr));
}

// row -> number of the check that refuses it, 0 accepted.
PyObject* submit_row(PyObject* self, PyObject* row) {
    const BoundEngine& to = bound(self);
    const Py_ssize_t at = PyLong_AsSsize_t(row);
    if (at < 0 || at >= to.count) {
        if (PyErr_Occurred() == nullptr) PyErr_Format(PyExc_IndexError, "row %zd of %zd", at, to.count);
        return nullptr;
    }
    return PyLong_FromLong(static_cast<long>(to.engine->submit(to.records[at], to.verdicts[at])));
}

// (time_ns, contract, side, quantity, price, strategy=0, account=0) -> handle, or minus the check's number.
PyObject* submit_order(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
    if (count < 5 || count > 7) {
        return PyErr_Format(PyExc_TypeError,
                            "expected time_ns, contract, side, quantity, price, [strategy, [account]]");
    }
    std::int64_t values[7] = {};
    for (Py_ssize_t i = 0; i < count; ++i) {
        values[i] = PyLong_AsLongLong(arguments[i]);
        if (values[i] == -1 && PyErr_Occurred() != nullptr) return nullptr;
    }
    OrderRecord record{};
    record.time_ns = values[0];
    // What does not fit is out of range in the record too.
    const auto narrow = [](std::int64_t value) {
        return value < 0 || value > UINT32_MAX ? UINT32_MAX : static_cast<std::uint32_t>(value);
    };
    record.contract = narrow(values[1]);
    record.side = static_cast<std::int8_t>(values[2] == 1 || values[2] == -1 ? values[2] : 0);
    record.quantity = values[3];
    record.price = values[4];
    record.strategy = narrow(values[5]);
    record.account = narrow(values[6]);
    VerdictRecord verdict;
    const Check check = bound(self).engine->submit(record, verdict);
    if (check != Check::none) return PyLong_FromLong(-static_cast<long>(check));
    return PyLong_FromUnsignedLongLong(verdict.handle);
}

PyMethodDef submit_row_definition = {"submit_row", submit_row, METH_O,
                                     "submit_row(row) -> number of the check that refuses it, 0 accepted"};
PyMethodDef submit_order_definition = {
    "submit_order", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(submit_order)), METH_FASTCALL,
    "submit_order(time_ns, contract, side, quantity, price, strategy=0, account=0) -> handle, or minus the "
    "number of the check that refuses it"};

py::object bind_function(PyMethodDef& definition, std::unique_ptr<BoundEngine> to) {
    const py::capsule self(to.get(), [](void* held) { delete static_cast<BoundEngine*>(held); });
    (void)to.release();
    return py::reinterpret_steal<py::object>(PyCFunction_NewEx(&definition, self.ptr(), nullptr));
}

py::object row_submitter(const py::object& self, const py::array& records, const py::array& verdicts) {
    auto to = std::make_unique<BoundEngine>();
    to->owner = self;
    to->engine = &self.cast<Limiter&>().engine();
    to->records = items_of<OrderRecord>(records, "records", false);
    to->verdicts = items_of<VerdictRecord>(verdicts, "verdicts", true);
    if (records.size() != verdicts.size())
        throw py::value_error("records and verdicts must be of one length");
    to->records_owner = records;
    to->verdicts_owner = verdicts;
    to->count = records.size();
    return bind_function(submit_row_definition, std::move(to));
}

py::object order_submitter(const py::object& self) {
    auto to = std::make_unique<BoundEngine>();
    to->owner = self;
    to->engine = &self.cast<Limiter&>().engine();
    return bind_function(submit_order_definition, std::move(to));
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

    py::class_<Limiter>(module, "LimitEngine")
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
        .def("submit_batch", &submit_batch)
        .def("row_submitter", &row_submitter)
        .def("order_submitter", &order_submitter)
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
                                       e.worst.vega, e.notional, e.worst_loss, e.scenario_loss, e.profit);
             })
        // None: malformed. `working` 0: none.
        .def("check",
             [](Limiter& self, py::handle order, std::int64_t now_ns, OrderHandle working) -> py::object {
                 const auto terms = self.read(order, false);
                 if (!terms) return py::none();
                 return answer(self, self.engine().check(*terms, now_ns, working));
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
        .def("reprice",
             [](Limiter& self, OrderHandle handle, std::int64_t limit_price) {
                 return static_cast<int>(self.engine().reprice(handle, limit_price));
             })
        .def("fill",
             [](Limiter& self, OrderHandle handle, std::int64_t quantity, std::optional<Money> cash,
                std::int64_t now_ns) {
                 return static_cast<int>(self.engine().fill(handle, quantity, cash, now_ns));
             })
        .def("finish", [](Limiter& self, OrderHandle handle) {
            return static_cast<int>(self.engine().finish(handle));
        });
}

}  // namespace optionsib::bindings
