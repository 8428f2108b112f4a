#pragma once

// What the bindings of book, chain and matching engine share: statuses, record arrays, reads, plain C calls.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "optionsib/book/order_book.hpp"

namespace optionsib::bindings {

namespace py = pybind11;

// The member of BookStatus for a status; borrowed, lives as long as the module.
[[nodiscard]] PyObject* status_of(book::Status status);

[[nodiscard]] inline py::object status_member(book::Status status) {
    return py::reinterpret_borrow<py::object>(status_of(status));
}

[[nodiscard]] py::tuple as_tuple(const book::RestingOrder& order);

// Anything but +1 and -1 becomes a value that a book answers with bad_side.
[[nodiscard]] constexpr book::Side side_of(std::int64_t side) {
    return side == 1 || side == -1 ? static_cast<book::Side>(side) : static_cast<book::Side>(0);
}

using RecordArray = py::array_t<book::Record, py::array::c_style>;

[[nodiscard]] std::span<const book::Record> records_of(const RecordArray& records);

// A native object that is lent to one batch at a time: a batch runs without the GIL, and whoever comes
// meanwhile is told so. `busy` is read and written under the GIL only.
template <class Native>
class Lent {
  public:
    template <class... Arguments>
    explicit Lent(Arguments... arguments) : native_(arguments...) {}

    [[nodiscard]] bool busy() const { return busy_; }
    [[nodiscard]] Native& get() {
        if (busy_) throw std::runtime_error("another thread's batch is at work on this book");
        return native_;
    }
    [[nodiscard]] const Native& get() const { return const_cast<Lent*>(this)->get(); }

    // Run `work(native)` without the GIL.
    template <class Work>
    auto lend(Work work) {
        Native& native = get();
        struct Busy {
            bool& flag;
            explicit Busy(bool& busy) : flag(busy) { flag = true; }
            ~Busy() { flag = false; }
        } busy(busy_);
        py::gil_scoped_release release;  // taken back before the flag falls
        return work(native);
    }

  private:
    Native native_;
    bool busy_ = false;
};

// The reads of one book; `view` gives the BookView of a Native.
template <class Native, class GetView>
void define_reads(py::class_<Native>& type, GetView view) {
    using namespace book;
    type.def("_best", [view](const Native& self, int side) -> py::object {
        const auto level = view(self).best(side_of(side));
        if (!level) return py::none();
        return py::make_tuple(level->price, level->quantity, level->order_count);
    });
    type.def("_top", [view](const Native& self) {
        const Top top = view(self).top();
        return py::make_tuple(top.bid_price, top.ask_price, top.bid_quantity, top.ask_quantity);
    });
    type.def("_find", [view](const Native& self, OrderId id) -> py::object {
        const auto order = view(self).find(id);
        if (!order) return py::none();
        return as_tuple(*order);
    });
    type.def(
        "quantity_ahead",
        [view](const Native& self, OrderId id) -> py::object {
            const auto ahead = view(self).quantity_ahead(id);
            return ahead ? py::object(py::int_(*ahead)) : py::none();
        },
        py::arg("order_id"));
    type.def(
        "orders_ahead",
        [view](const Native& self, OrderId id) -> py::object {
            const auto ahead = view(self).orders_ahead(id);
            return ahead ? py::object(py::int_(*ahead)) : py::none();
        },
        py::arg("order_id"));
    const auto known_side = [](int side) {
        if (side_of(side) == static_cast<Side>(0)) throw py::value_error("side must be +1 (bid) or -1 (ask)");
        return side_of(side);
    };
    type.def("_queue", [view, known_side](const Native& self, int side, Price price) {
        py::list orders;
        for (const RestingOrder& order : view(self).queue(known_side(side), price)) {
            orders.append(as_tuple(order));
        }
        return orders;
    });
    type.def("_orders", [view, known_side](const Native& self, int side) {
        py::list orders;
        for (const RestingOrder& order : view(self).orders(known_side(side))) orders.append(as_tuple(order));
        return orders;
    });
    type.def("_depth", [view, known_side](const Native& self, int side, std::size_t levels) {
        const BookView book = view(self);
        const Side known = known_side(side);
        std::vector<LevelView> views(std::min(levels, book.level_count(known)));
        const std::size_t count = book.depth(known, views);
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
    type.def("_depth_quantity", [view, known_side](const Native& self, int side, std::size_t levels) {
        return view(self).depth_quantity(known_side(side), levels);
    });
    type.def("_level_count", [view, known_side](const Native& self, int side) {
        return view(self).level_count(known_side(side));
    });
    type.def("__len__", [view](const Native& self) { return view(self).order_count(); });
}

// --- plain C calls ----------------------------------------------------------------------------------------
// pybind11's argument handling would cost several times what a message does.

// The native object of `self`; nullptr with a Python error set.
template <class Native>
[[nodiscard]] Native* native_of(PyObject* self) {
    auto* instance = reinterpret_cast<py::detail::instance*>(self);
    auto* native = static_cast<Native*>(instance->get_value_and_holder().value_ptr());
    if (native == nullptr)
        PyErr_Format(PyExc_TypeError, "%s.__init__ was not called", Py_TYPE(self)->tp_name);
    return native;
}

// Reads `count` ints (fewer only down to `required`); false with a Python error set.
[[nodiscard]] inline bool read_integers(PyObject* const* given, Py_ssize_t count,
                                        std::span<std::int64_t> values, Py_ssize_t required) {
    if (count < required || count > static_cast<Py_ssize_t>(values.size())) {
        PyErr_Format(PyExc_TypeError, "expected %zd to %zu arguments, got %zd", required, values.size(),
                     count);
        return false;
    }
    for (Py_ssize_t i = 0; i < count; ++i) {
        const std::int64_t value = PyLong_AsLongLong(given[i]);
        if (value == -1 && PyErr_Occurred()) return false;
        values[static_cast<std::size_t>(i)] = value;
    }
    return true;
}

// A method of `most` ints, the last ones optional and 0, that answers what `message(native, values)` does.
template <class Native, Py_ssize_t required, std::size_t most, auto message>
PyObject* send(PyObject* self, PyObject* const* given, Py_ssize_t count) {
    Native* native = native_of<Native>(self);
    std::array<std::int64_t, most> values{};
    if (native == nullptr || !read_integers(given, count, values, required)) return nullptr;
    try {
        return Py_NewRef(status_of(message(native->get(), values)));
    } catch (const std::bad_alloc&) {
        return PyErr_NoMemory();
    } catch (const std::out_of_range& error) {
        PyErr_SetString(PyExc_ValueError, error.what());
    } catch (const std::exception& error) {
        PyErr_SetString(PyExc_RuntimeError, error.what());
    }
    return nullptr;
}

[[nodiscard]] inline PyMethodDef method(const char* name,
                                        PyObject* (*call)(PyObject*, PyObject* const*, Py_ssize_t)) {
    return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(call)), METH_FASTCALL, nullptr};
}

// Give the type these methods; the definitions must live as long as the module.
void define_methods(const py::handle& type, std::span<PyMethodDef> methods);

// `value` as an unsigned 32-bit number; std::out_of_range names it otherwise.
[[nodiscard]] std::uint32_t unsigned_of(const char* name, std::int64_t value);

void register_matching(py::module_& module);

}  // namespace optionsib::bindings
