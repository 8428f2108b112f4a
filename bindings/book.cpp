// Python face of the book: one book, a chain of books, messages one by one and in batches.
#include <pybind11/native_enum.h>
#include <pybind11/stl.h>

#include "book_views.hpp"
#include "register.hpp"

namespace optionsib::bindings {

using namespace optionsib::book;

namespace {

constexpr auto kFirstStatus = static_cast<int>(Status::mixed_level);
constexpr auto kLastStatus = static_cast<int>(Status::locked);

// The members of BookStatus by value: an enum costs too much to look up on every message.
std::array<PyObject*, kLastStatus - kFirstStatus + 1> status_members{};

void register_status(py::module_& module) {
    py::native_enum<Status>(module, "BookStatus", "enum.IntEnum",
                            "What became of a message. Below zero: refused, nothing has changed. Above zero: "
                            "applied, and the book now stands crossed or locked.")
        .value("OK", Status::ok)
        .value("CROSSED", Status::crossed)
        .value("LOCKED", Status::locked)
        .value("UNKNOWN_ORDER", Status::unknown_order)
        .value("DUPLICATE_ORDER", Status::duplicate_order)
        .value("BAD_QUANTITY", Status::bad_quantity)
        .value("BAD_PRICE", Status::bad_price)
        .value("BAD_SIDE", Status::bad_side)
        .value("BAD_ACTION", Status::bad_action)
        .value("BAD_CONTRACT", Status::bad_contract)
        .value("GAP", Status::gap)
        .value("STALE_SEQUENCE", Status::stale_sequence)
        .value("MIXED_LEVEL", Status::mixed_level)
        .finalize();
    for (int status = kFirstStatus; status <= kLastStatus; ++status) {
        status_members[static_cast<std::size_t>(status - kFirstStatus)] =
            module.attr("BookStatus")(status).release().ptr();
    }
}

using NativeBook = Lent<OrderBook>;
using NativeChain = Lent<ChainBook>;

// One book of a chain, for reading.
struct NativeView {
    const NativeChain* chain;
    std::uint32_t row;
};

template <std::size_t size>
using Values = std::array<std::int64_t, size>;

Status send_add(OrderBook& book, const Values<5>& values) {
    return book.add(values[0], side_of(values[1]), values[2], values[3], unsigned_of("owner", values[4]));
}
Status send_reduce(OrderBook& book, const Values<2>& values) {
    return book.reduce(values[0], values[1]);
}
Status send_cancel(OrderBook& book, const Values<1>& values) {
    return book.cancel(values[0]);
}
Status send_replace(OrderBook& book, const Values<4>& values) {
    return book.replace(values[0], values[1], values[2], values[3]);
}
Status send_execute(OrderBook& book, const Values<2>& values) {
    return book.execute(values[0], values[1]);
}
Status send_set_level(OrderBook& book, const Values<4>& values) {
    return book.set_level(side_of(values[0]), values[1], values[2], unsigned_of("order_count", values[3]));
}
Status send_clear(OrderBook& book, const Values<1>& values) {
    if (values[0] < 0) throw std::out_of_range("sequence must be >= 0, got " + std::to_string(values[0]));
    return book.core().clear(0, static_cast<std::uint64_t>(values[0]));
}

// action, order_id, side, price, quantity, new_order_id, owner, sequence
Record record_of(const std::int64_t* values) {
    Record record{};
    // What does not fit its field becomes a value that the book refuses.
    record.action = values[0] > 0 && values[0] < 256 ? static_cast<std::uint8_t>(values[0]) : 0;
    record.order_id = values[1];
    record.side = static_cast<std::int8_t>(side_of(values[2]));
    record.price = values[3];
    record.quantity = values[4];
    record.new_order_id = values[5];
    record.owner = unsigned_of("owner", values[6]);
    if (values[7] < 0) throw std::out_of_range("sequence must be >= 0, got " + std::to_string(values[7]));
    record.sequence = static_cast<std::uint64_t>(values[7]);
    return record;
}
Status send_apply(OrderBook& book, const Values<8>& values) {
    return book.apply(record_of(values.data()));
}
Status send_apply_to(ChainBook& chain, const Values<9>& values) {
    Record record = record_of(values.data() + 1);
    record.contract = values[0] >= 0 && values[0] < kNone ? static_cast<std::uint32_t>(values[0]) : kNone;
    return chain.apply(record);
}

using Statuses = std::optional<py::array_t<std::int8_t, py::array::c_style>>;
using Tops = std::optional<py::array_t<Top, py::array::c_style>>;

// An output array of the length of the records; empty where none was given.
template <class Element>
std::span<Element> output_of(const char* name, std::optional<py::array_t<Element, py::array::c_style>>& array,
                             std::size_t size) {
    if (!array) return {};
    if (array->ndim() != 1 || static_cast<std::size_t>(array->size()) != size) {
        throw py::value_error(std::string(name) + " must be one-dimensional, as long as the records");
    }
    if (reinterpret_cast<std::uintptr_t>(array->data()) % alignof(Element) != 0) {
        throw py::value_error(std::string(name) + " must lie at an address that is a multiple of 8");
    }
    return {array->mutable_data(), size};  // throws where the array is read-only
}

template <class Native>
py::tuple apply_batch(Lent<Native>& self, const RecordArray& records, Statuses status, Tops top) {
    const auto input = records_of(records);
    const auto statuses = output_of("status", status, input.size());
    const auto tops = output_of("top", top, input.size());
    const BatchCounts counts =
        self.lend([&](Native& native) { return native.apply_batch(input, statuses, tops); });
    return py::make_tuple(counts.applied, counts.refused, counts.crossed);
}

template <class Native>
void define_batch(py::class_<Lent<Native>>& type) {
    type.def("_apply_batch", &apply_batch<Native>, py::arg("records"),
             py::arg("status").noconvert().none(true), py::arg("top").noconvert().none(true));
    type.def_property_readonly("memory", [](const Lent<Native>& self) { return self.get().core().memory(); });
}

std::uint32_t row_of(const ChainBook& chain, std::int64_t row) {
    if (row < 0 || static_cast<std::uint64_t>(row) >= chain.contracts()) {
        throw py::index_error("contract must lie in 0 to " + std::to_string(chain.contracts() - 1) +
                              ", got " + std::to_string(row));
    }
    return static_cast<std::uint32_t>(row);
}

void register_order_book(py::module_& module) {
    static std::array<PyMethodDef, 8> methods{method("apply", &send<NativeBook, 2, 8, &send_apply>),
                                              method("add", &send<NativeBook, 4, 5, &send_add>),
                                              method("reduce", &send<NativeBook, 2, 2, &send_reduce>),
                                              method("cancel", &send<NativeBook, 1, 1, &send_cancel>),
                                              method("replace", &send<NativeBook, 4, 4, &send_replace>),
                                              method("execute", &send<NativeBook, 2, 2, &send_execute>),
                                              method("set_level", &send<NativeBook, 3, 4, &send_set_level>),
                                              method("clear", &send<NativeBook, 0, 1, &send_clear>)};
    py::class_<NativeBook> type(module, "OrderBook");
    type.def(py::init<std::size_t>(), py::arg("expected_orders") = 0);
    define_methods(type, methods);
    define_batch(type);
    type.def_property_readonly("next_sequence",
                               [](const NativeBook& self) { return self.get().core().next_sequence(0); });
    type.def(
        "resume", [](NativeBook& self, std::uint64_t sequence) { self.get().core().resume(0, sequence); },
        py::arg("sequence"));
    define_reads(type, [](const NativeBook& self) { return self.get().view(); });
}

void register_chain_book(py::module_& module) {
    static std::array<PyMethodDef, 1> methods{method("apply", &send<NativeChain, 3, 9, &send_apply_to>)};
    py::class_<NativeChain> type(module, "ChainBook");
    type.def(py::init([](std::size_t contracts, std::size_t expected_orders, bool shared_ids,
                         bool shared_sequence) {
                 return new NativeChain(contracts, expected_orders, shared_ids ? Scope::chain : Scope::book,
                                        shared_sequence ? Scope::chain : Scope::book);
             }),
             py::arg("contracts"), py::arg("expected_orders") = 0, py::kw_only(),
             py::arg("shared_ids") = true, py::arg("shared_sequence") = false);
    define_methods(type, methods);
    define_batch(type);
    type.def("__len__", [](const NativeChain& self) { return self.get().contracts(); });
    type.def_property_readonly("order_count",
                               [](const NativeChain& self) { return self.get().core().order_count(); });
    type.def(
        "_tops",
        [](const NativeChain& self, py::array_t<Top, py::array::c_style> out) {
            const ChainBook& chain = self.get();
            if (out.ndim() != 1 || static_cast<std::size_t>(out.size()) != chain.contracts()) {
                throw py::value_error("out must be one-dimensional, as long as the chain");
            }
            Top* tops = out.mutable_data();
            for (std::uint32_t row = 0; row < chain.contracts(); ++row) tops[row] = chain.core().top(row);
        },
        py::arg("out").noconvert());
    type.def(
        "next_sequence",
        [](const NativeChain& self, std::int64_t contract) {
            return self.get().core().next_sequence(row_of(self.get(), contract));
        },
        py::arg("contract"));
    type.def(
        "resume",
        [](NativeChain& self, std::int64_t contract, std::uint64_t sequence) {
            self.get().core().resume(row_of(self.get(), contract), sequence);
        },
        py::arg("contract"), py::arg("sequence"));

    py::class_<NativeView> view(module, "ContractBook");
    view.def(py::init([](const NativeChain& chain, std::int64_t contract) {
                 return NativeView{&chain, row_of(chain.get(), contract)};
             }),
             py::arg("chain"), py::arg("contract"), py::keep_alive<1, 2>());
    define_reads(view, [](const NativeView& self) { return self.chain->get().view(self.row); });
}

}  // namespace

PyObject* status_of(Status status) {
    return status_members[static_cast<std::size_t>(static_cast<int>(status) - kFirstStatus)];
}

py::tuple as_tuple(const RestingOrder& order) {
    return py::make_tuple(order.id, static_cast<int>(order.side), order.price, order.quantity, order.owner);
}

std::span<const Record> records_of(const RecordArray& records) {
    if (records.ndim() != 1) throw py::value_error("records must be one-dimensional");
    if (reinterpret_cast<std::uintptr_t>(records.data()) % alignof(Record) != 0) {
        throw py::value_error("records must lie at an address that is a multiple of 8");
    }
    return {records.data(), static_cast<std::size_t>(records.size())};
}

std::uint32_t unsigned_of(const char* name, std::int64_t value) {
    if (value < 0 || value > 0xFFFFFFFFLL) {
        throw std::out_of_range(std::string(name) + " must lie in 0 to 2**32 - 1, got " +
                                std::to_string(value));
    }
    return static_cast<std::uint32_t>(value);
}

void define_methods(const py::handle& type, std::span<PyMethodDef> methods) {
    for (PyMethodDef& entry : methods) {
        PyObject* descriptor = PyDescr_NewMethod(reinterpret_cast<PyTypeObject*>(type.ptr()), &entry);
        if (descriptor == nullptr) throw py::error_already_set();
        py::setattr(type, entry.ml_name, py::reinterpret_steal<py::object>(descriptor));
    }
}

void register_book(py::module_& module) {
    PYBIND11_NUMPY_DTYPE(Record, action, side, flags, contract, order_id, price, quantity, new_order_id,
                         sequence, timestamp, owner, reserved);
    PYBIND11_NUMPY_DTYPE(Top, bid_price, ask_price, bid_quantity, ask_quantity);
    PYBIND11_NUMPY_DTYPE(Trade, maker_id, taker_id, price, quantity);
    register_status(module);
    module.attr("BOOK_RECORD") = py::dtype::of<Record>();
    module.attr("BOOK_TOP") = py::dtype::of<Top>();
    module.attr("BOOK_TRADE") = py::dtype::of<Trade>();
    module.attr("BOOK_MAX_QUANTITY") = kMaxQuantity;
    module.attr("BOOK_MAX_PRICE") = kMaxPrice;
    register_order_book(module);
    register_chain_book(module);
    register_matching(module);
}

}  // namespace optionsib::bindings
