// Python face of the matching engine: messages one by one and in batches, reports as records.
#include <pybind11/stl.h>

#include <tuple>

#include "book_views.hpp"
#include "optionsib/book/matching_engine.hpp"

namespace optionsib::bindings {

using namespace optionsib::book;

namespace {

// The engine and the reports of its last single message.
class Reporting {
  public:
    Reporting(std::size_t expected_orders, std::size_t books)
        : engine(expected_orders, books), reports_(256) {}

    std::span<const Report> send(const Record& record) {
        MatchingEngine::Progress progress = engine.apply({&record, 1}, reports_);
        std::size_t written = progress.written;
        while (engine.pending() != 0) {
            reports_.resize(written + engine.pending());
            written += engine.apply({}, std::span(reports_).subspan(written)).written;
        }
        last_ = {reports_.data(), written};
        return last_;
    }
    [[nodiscard]] std::span<const Report> last() const { return last_; }

    MatchingEngine engine;

  private:
    std::vector<Report> reports_;
    std::span<const Report> last_;
};

using NativeEngine = Lent<Reporting>;
using ReportArray = py::array_t<Report, py::array::c_style>;

struct NativeView {
    const NativeEngine* engine;
    std::uint32_t row;
};

std::uint32_t row_of(const MatchingEngine& engine, std::int64_t row) {
    if (row < 0 || static_cast<std::uint64_t>(row) >= engine.books()) {
        throw py::index_error("contract must lie in 0 to " + std::to_string(engine.books() - 1) + ", got " +
                              std::to_string(row));
    }
    return static_cast<std::uint32_t>(row);
}

// action, order_id, side, price, quantity, owner, flags, contract, stop, extra, timestamp
Record record_of(std::span<const std::int64_t, 11> values) {
    Record record{};
    // What does not fit its field becomes a value that the engine refuses.
    record.action = values[0] > 0 && values[0] < 256 ? static_cast<std::uint8_t>(values[0]) : 0;
    record.order_id = values[1];
    record.side = static_cast<std::int8_t>(side_of(values[2]));
    record.price = values[3];
    record.quantity = values[4];
    record.owner = unsigned_of("owner", values[5]);
    record.flags = values[6] >= 0 && values[6] < 0xFFFF ? static_cast<std::uint16_t>(values[6]) : 0xFFFF;
    record.contract = values[7] >= 0 && values[7] < kNone ? static_cast<std::uint32_t>(values[7]) : kNone;
    record.new_order_id = values[8];
    record.reserved = unsigned_of("extra", values[9]);
    record.timestamp = values[10];
    return record;
}

PyObject* send_message(PyObject* self, PyObject* const* given, Py_ssize_t count) {
    NativeEngine* native = native_of<NativeEngine>(self);
    std::array<std::int64_t, 11> values{};
    if (native == nullptr || !read_integers(given, count, values, 2)) return nullptr;
    try {
        const std::span<const Report> reports = native->get().send(record_of(values));
        const bool rejected =
            !reports.empty() && reports.back().kind == static_cast<std::uint8_t>(ReportKind::rejected);
        return PyLong_FromLongLong(rejected ? -static_cast<long long>(reports.back().reason)
                                            : static_cast<long long>(reports.size()));
    } catch (const std::bad_alloc&) {
        return PyErr_NoMemory();
    } catch (const std::out_of_range& error) {
        PyErr_SetString(PyExc_ValueError, error.what());
    } catch (const std::exception& error) {
        PyErr_SetString(PyExc_RuntimeError, error.what());
    }
    return nullptr;
}

ReportArray array_of(std::span<const Report> reports) {
    ReportArray rows(static_cast<py::ssize_t>(reports.size()));
    std::copy(reports.begin(), reports.end(), rows.mutable_data());
    return rows;
}

// The trades of the last message that `id` has part in, as (maker, taker, price, quantity).
py::list trades_of(const Reporting& self, OrderId id) {
    py::list rows;
    for (const Report& report : self.last()) {
        if (report.kind != static_cast<std::uint8_t>(ReportKind::traded)) continue;
        const bool takes = report.order_id == id && (report.flags & kLegTrade) == 0;
        if (!takes && report.other_id != id) continue;
        rows.append(py::make_tuple(report.other_id, report.order_id, report.price, report.quantity));
    }
    return rows;
}

ReportArray apply_batch(NativeEngine& self, const RecordArray& records) {
    auto input = records_of(records);
    ReportArray output(static_cast<py::ssize_t>(2 * input.size() + 64));
    std::size_t written = 0;
    while (true) {
        const std::span<Report> room(output.mutable_data() + written,
                                     static_cast<std::size_t>(output.size()) - written);
        std::size_t pending = 0;
        const MatchingEngine::Progress progress = self.lend([&](Reporting& native) {
            const auto done = native.engine.apply(input, room);
            pending = native.engine.pending();
            return done;
        });
        input = input.subspan(progress.consumed);
        written += progress.written;
        if (input.empty() && pending == 0) break;
        ReportArray larger(output.size() * 2 + static_cast<py::ssize_t>(pending));
        std::copy_n(output.data(), written, larger.mutable_data());
        output = larger;
    }
    return ReportArray(py::object(output[py::slice(0, static_cast<py::ssize_t>(written), 1)]));
}

py::tuple apply_into(NativeEngine& self, const RecordArray& records, ReportArray reports) {
    const auto input = records_of(records);
    if (reports.ndim() != 1) throw py::value_error("reports must be one-dimensional");
    const std::span<Report> room(reports.mutable_data(), static_cast<std::size_t>(reports.size()));
    const MatchingEngine::Progress progress =
        self.lend([&](Reporting& native) { return native.engine.apply(input, room); });
    return py::make_tuple(progress.consumed, progress.written);
}

void set_rules(NativeEngine& self, std::int64_t contract, int allocation, int self_match, Price static_collar,
               Price dynamic_collar, std::int64_t interruption_length) {
    MatchingEngine& engine = self.get().engine;
    if (allocation < 0 || allocation > 255 || self_match < 0 || self_match > 255) {
        throw std::invalid_argument("allocation and self_match must be members of their enums");
    }
    engine.set_rules(row_of(engine, contract),
                     {static_cast<Allocation>(allocation), static_cast<SelfMatch>(self_match), static_collar,
                      dynamic_collar, interruption_length});
}

void define_combination(NativeEngine& self, std::int64_t contract,
                        const std::vector<std::tuple<std::int64_t, int, std::int64_t>>& legs) {
    MatchingEngine& engine = self.get().engine;
    std::vector<Leg> native;
    for (const auto& [row, side, ratio] : legs) native.push_back({row_of(engine, row), side_of(side), ratio});
    engine.define_combination(row_of(engine, contract), native);
}

}  // namespace

void register_matching(py::module_& module) {
    PYBIND11_NUMPY_DTYPE(Report, kind, side, reason, flags, contract, order_id, other_id, price, quantity,
                         remaining, message, timestamp);
    module.attr("MATCHING_REPORT") = py::dtype::of<Report>();

    static std::array<PyMethodDef, 1> methods{method("send", &send_message)};
    py::class_<NativeEngine> engine(module, "MatchingEngine");
    engine.def(py::init<std::size_t, std::size_t>(), py::arg("expected_orders") = 0, py::kw_only(),
               py::arg("books") = 1);
    define_methods(engine, methods);
    engine.def("reports", [](const NativeEngine& self) { return array_of(self.get().last()); });
    engine.def("_trades_of", [](const NativeEngine& self, OrderId id) { return trades_of(self.get(), id); });
    engine.def("_apply_batch", &apply_batch, py::arg("records"));
    engine.def("_apply_into", &apply_into, py::arg("records"), py::arg("reports").noconvert());
    engine.def("_set_rules", &set_rules);
    engine.def("_define_combination", &define_combination);
    engine.def("_phase", [](const NativeEngine& self, std::int64_t contract) {
        const MatchingEngine& native = self.get().engine;
        return static_cast<int>(native.phase(row_of(native, contract)));
    });
    engine.def("_indication", [](NativeEngine& self, std::int64_t contract) {
        MatchingEngine& native = self.get().engine;
        const Indication shown = native.indication(row_of(native, contract));
        return py::make_tuple(shown.price, shown.volume, shown.surplus);
    });
    engine.def(
        "hidden", [](const NativeEngine& self, OrderId id) { return self.get().engine.hidden(id); },
        py::arg("order_id"));
    engine.def(
        "is_waiting_stop",
        [](const NativeEngine& self, OrderId id) { return self.get().engine.is_waiting_stop(id); },
        py::arg("order_id"));
    engine.def_property_readonly("books", [](const NativeEngine& self) { return self.get().engine.books(); });
    engine.def_property_readonly("pending",
                                 [](const NativeEngine& self) { return self.get().engine.pending(); });
    define_reads(engine, [](const NativeEngine& self) { return self.get().engine.view(); });

    py::class_<NativeView> view(module, "MatchedBook");
    view.def(py::init([](const NativeEngine& native, std::int64_t contract) {
                 return NativeView{&native, row_of(native.get().engine, contract)};
             }),
             py::arg("engine"), py::arg("contract"), py::keep_alive<1, 2>());
    define_reads(view, [](const NativeView& self) { return self.engine->get().engine.view(self.row); });
}

}  // namespace optionsib::bindings
