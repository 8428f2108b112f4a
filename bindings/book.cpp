// Python face of the book: per-message methods, NumPy batches, depth views.
#include <pybind11/native_enum.h>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "optionsib/book/matching_engine.hpp"
#include "optionsib/book/order_book.hpp"
#include "register.hpp"

namespace optionsib::bindings {

namespace py = pybind11;
using namespace optionsib::book;

namespace {

using RecordArray = py::array_t<Record, py::array::c_style>;

py::tuple as_tuple(const RestingOrder& order) {
    return py::make_tuple(order.id, static_cast<int>(order.side), order.price, order.quantity, order.owner);
}

// The members of BookStatus by value: an enum costs too much to look up on every message. They live as
// long as the module.
std::array<PyObject*, 7> status_members{};

void register_status(py::module_& module) {
    static_assert(static_cast<std::size_t>(Status::bad_action) + 1 ==
                  std::tuple_size_v<decltype(status_members)>);
    py::native_enum<Status>(module, "BookStatus", "enum.IntEnum",
                            "What became of a message; on anything but OK the book is unchanged.")
        .value("OK", Status::ok)
        .value("UNKNOWN_ORDER", Status::unknown_order)
        .value("DUPLICATE_ORDER", Status::duplicate_order)
        .value("BAD_QUANTITY", Status::bad_quantity)
        .value("BAD_PRICE", Status::bad_price)
        .value("BAD_SIDE", Status::bad_side)
        .value("BAD_ACTION", Status::bad_action)
        .finalize();
    for (std::size_t i = 0; i < status_members.size(); ++i) {
        status_members[i] = module.attr("BookStatus")(i).release().ptr();
    }
}

py::object status_member(Status status) {
    return py::reinterpret_borrow<py::object>(status_members[static_cast<std::size_t>(status)]);
}

Side side_of(int side) {
    // Anything but +1 and -1 becomes a value that the book answers with bad_side.
    return side == 1 || side == -1 ? static_cast<Side>(side) : static_cast<Side>(0);
}

std::span<const Record> records_of(const RecordArray& records) {
    if (records.ndim() != 1) throw py::value_error("records must be one-dimensional");
    return {records.data(), static_cast<std::size_t>(records.size())};
}

// The reads that book and engine share; `book` gives the OrderBook of a Native.
template <class Native, class GetBook>
void define_reads(py::class_<Native>& type, GetBook book) {
    type.def("_best", [book](const Native& self, int side) -> py::object {
        const auto level = book(self).best(side_of(side));
        if (!level) return py::none();
        return py::make_tuple(level->price, level->quantity, level->order_count);
    });
    type.def("_find", [book](const Native& self, OrderId id) -> py::object {
        const auto order = book(self).find(id);
        if (!order) return py::none();
        return as_tuple(*order);
    });
    type.def(
        "quantity_ahead", [book](const Native& self, OrderId id) { return book(self).quantity_ahead(id); },
        py::arg("order_id"));
    type.def("_queue", [book](const Native& self, int side, Price price) {
        py::list orders;
        if (side_of(side) != static_cast<Side>(0)) {
            for (const RestingOrder& order : book(self).queue(side_of(side), price)) {
                orders.append(as_tuple(order));
            }
        }
        return orders;
    });
    type.def("_depth", [book](const Native& self, int side, std::size_t levels) {
        if (side_of(side) == static_cast<Side>(0)) throw py::value_error("side must be +1 (bid) or -1 (ask)");
        std::vector<LevelView> views(std::min(levels, book(self).level_count(side_of(side))));
        const std::size_t count = book(self).depth(side_of(side), views);
        py::array_t<std::int64_t> price(static_cast<py::ssize_t>(count));
        py::array_t<std::int64_t> quantity(static_cast<py::ssize_t>(count));
        py::array_t<std::int64_t> orders(static_cast<py::ssize_t>(count));
        for (std::size_t i = 0; i < count; ++i) {
            const auto at = static_cast<py::ssize_t>(i);
            price.mutable_at(at) = views[i].price;
            quantity.mutable_at(at) = views[i].quantity;
            orders.mutable_at(at) = views[i].order_count;
        }
        return py::make_tuple(price, quantity, orders);
    });
    type.def("__len__", [book](const Native& self) { return book(self).order_count(); });
}

// The five messages of the book as plain C calls with positional arguments: pybind11's argument handling
// would cost several times what the book does.

OrderBook* book_of(PyObject* self) {
    auto* instance = reinterpret_cast<py::detail::instance*>(self);
    auto* book = instance->get_value_and_holder().value_ptr<OrderBook>();
    if (book == nullptr) PyErr_SetString(PyExc_TypeError, "OrderBook.__init__ was not called");
    return book;
}

// Reads `count` ints (fewer only down to `required`); false with a Python error set.
bool read_arguments(PyObject* const* given, Py_ssize_t count, std::span<std::int64_t> values,
                    Py_ssize_t required) {
    if (count < required || count > static_cast<Py_ssize_t>(values.size())) {
        PyErr_Format(PyExc_TypeError, "expected %zd arguments, got %zd", required, count);
        return false;
    }
    for (Py_ssize_t i = 0; i < count; ++i) {
        values[static_cast<std::size_t>(i)] = PyLong_AsLongLong(given[i]);
        if (values[static_cast<std::size_t>(i)] == -1 && PyErr_Occurred()) return false;
    }
    return true;
}

template <Py_ssize_t required, std::size_t most, auto message>
PyObject* send(PyObject* self, PyObject* const* given, Py_ssize_t count) {
    OrderBook* book = book_of(self);
    std::array<std::int64_t, most> values{};
    if (book == nullptr || !read_arguments(given, count, values, required)) return nullptr;
    try {
        return Py_NewRef(status_members[static_cast<std::size_t>(message(*book, values))]);
    } catch (const std::bad_alloc&) {
        return PyErr_NoMemory();
    } catch (const std::out_of_range& error) {
        PyErr_SetString(PyExc_ValueError, error.what());
        return nullptr;
    }
}

Status send_add(OrderBook& book, const std::array<std::int64_t, 5>& values) {
    const auto [id, side, price, quantity, owner] = values;
    const bool known = side == 1 || side == -1;
    if (owner < 0 || owner > std::numeric_limits<Owner>::max()) {
        throw std::out_of_range("owner must lie in 0 to 2**32 - 1, got " + std::to_string(owner));
    }
    return book.add(id, known ? static_cast<Side>(side) : static_cast<Side>(0), price, quantity,
                    static_cast<Owner>(owner));
}

Status send_reduce(OrderBook& book, const std::array<std::int64_t, 2>& values) {
    return book.reduce(values[0], values[1]);
}

Status send_cancel(OrderBook& book, const std::array<std::int64_t, 1>& values) {
    return book.cancel(values[0]);
}

Status send_replace(OrderBook& book, const std::array<std::int64_t, 4>& values) {
    return book.replace(values[0], values[1], values[2], values[3]);
}

Status send_execute(OrderBook& book, const std::array<std::int64_t, 2>& values) {
    return book.execute(values[0], values[1]);
}

PyMethodDef method(const char* name, PyObject* (*call)(PyObject*, PyObject* const*, Py_ssize_t)) {
    return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(call)), METH_FASTCALL, nullptr};
}

void define_messages(const py::class_<OrderBook>& type) {
    static std::array<PyMethodDef, 5> methods{
        method("add", &send<4, 5, &send_add>), method("reduce", &send<2, 2, &send_reduce>),
        method("cancel", &send<1, 1, &send_cancel>), method("replace", &send<4, 4, &send_replace>),
        method("execute", &send<2, 2, &send_execute>)};
    for (PyMethodDef& entry : methods) {
        PyObject* descriptor = PyDescr_NewMethod(reinterpret_cast<PyTypeObject*>(type.ptr()), &entry);
        if (descriptor == nullptr) throw py::error_already_set();
        py::setattr(type, entry.ml_name, py::reinterpret_steal<py::object>(descriptor));
    }
}

py::tuple match_result(const MatchResult& result, const std::vector<Trade>& trades) {
    py::list rows;
    for (const Trade& trade : trades) {
        rows.append(py::make_tuple(trade.maker_id, trade.taker_id, trade.price, trade.quantity));
    }
    return py::make_tuple(status_member(result.status), rows, result.remaining, result.resting);
}

}  // namespace

void register_book(py::module_& module) {
    PYBIND11_NUMPY_DTYPE(Record, action, side, flags, owner, order_id, price, quantity, new_order_id);
    PYBIND11_NUMPY_DTYPE(Trade, maker_id, taker_id, price, quantity);
    register_status(module);
    module.attr("BOOK_RECORD") = py::dtype::of<Record>();
    module.attr("BOOK_TRADE") = py::dtype::of<Trade>();
    module.attr("BOOK_MAX_QUANTITY") = kMaxQuantity;
    module.attr("BOOK_MAX_PRICE") = kMaxPrice;

    py::class_<OrderBook> book(module, "OrderBook");
    book.def(py::init<std::size_t>(), py::arg("expected_orders") = 1024);
    define_messages(book);
    book.def(
        "_apply_batch",
        [](OrderBook& self, const RecordArray& records) {
            const auto input = records_of(records);
            py::array_t<std::uint8_t> statuses(records.size());
            const std::span<std::uint8_t> output(statuses.mutable_data(), input.size());
            {
                py::gil_scoped_release release;
                self.apply_batch(input, output);
            }
            return statuses;
        },
        py::arg("records"));
    define_reads(book, [](const OrderBook& self) -> const OrderBook& { return self; });

    py::class_<MatchingEngine> engine(module, "MatchingEngine");
    engine.def(py::init<std::size_t>(), py::arg("expected_orders") = 1024);
    engine.def("_submit", [](MatchingEngine& self, OrderId id, int side, Price price, Quantity quantity,
                             Owner owner, bool ioc) {
        std::vector<Trade> trades;
        const MatchResult result = self.submit(id, side_of(side), price, quantity, owner, ioc, trades);
        return match_result(result, trades);
    });
    engine.def("_modify", [](MatchingEngine& self, OrderId id, Price price, Quantity quantity) {
        std::vector<Trade> trades;
        const MatchResult result = self.modify(id, price, quantity, trades);
        return match_result(result, trades);
    });
    engine.def(
        "cancel", [](MatchingEngine& self, OrderId id) { return status_member(self.cancel(id)); },
        py::arg("order_id"));
    engine.def("_apply_batch", [](MatchingEngine& self, const RecordArray& records) {
        const auto input = records_of(records);
        py::array_t<std::uint8_t> statuses(records.size());
        const std::span<std::uint8_t> output(statuses.mutable_data(), input.size());
        std::vector<Trade> trades;
        {
            py::gil_scoped_release release;
            self.apply_batch(input, output, trades);
        }
        py::array_t<Trade> rows(static_cast<py::ssize_t>(trades.size()));
        std::copy(trades.begin(), trades.end(), rows.mutable_data());
        return py::make_tuple(statuses, rows);
    });
    define_reads(engine, [](const MatchingEngine& self) -> const OrderBook& { return self.book(); });
}

}  // namespace optionsib::bindings
