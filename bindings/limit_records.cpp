// Single legs: records in NumPy buffers, and bound functions without argument parsing.
#include <pybind11/numpy.h>

#include <cstdint>
#include <string>

#include "limiter.hpp"

namespace optionsib::bindings {

namespace {

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

// The `self` of a bound function. It holds no container, so the garbage collector need not know it.
struct Bound {
    PyObject_HEAD LimitEngine* engine;
    const OrderRecord* records;
    VerdictRecord* verdicts;
    std::int64_t count;
    PyObject *owner, *records_owner, *verdicts_owner;
};

Bound& bound(PyObject* self) {
    return *reinterpret_cast<Bound*>(self);
}

void free_bound(PyObject* self) {
    Bound& held = bound(self);
    Py_XDECREF(held.owner);
    Py_XDECREF(held.records_owner);
    Py_XDECREF(held.verdicts_owner);
    PyTypeObject* const type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF(type);
}

PyObject* bound_type = nullptr;

// False with an error set. Integers of one digit, and here of two or three, without a call.
bool read_integer(PyObject* object, std::int64_t& value) {
#if PYLONG_BITS_IN_DIGIT == 30
    if (PyLong_CheckExact(object)) [[likely]] {
        const auto* const number = reinterpret_cast<const PyLongObject*>(object);
#if PY_VERSION_HEX >= 0x030C0000
        const auto tag = number->long_value.lv_tag;
        const std::size_t digits = (tag & 3) == 0 ? tag >> 3 : 0;  // 0: zero or negative
        const digit* const of = number->long_value.ob_digit;
#else
        const std::size_t digits = Py_SIZE(number) > 0 ? static_cast<std::size_t>(Py_SIZE(number)) : 0;
        const digit* const of = number->ob_digit;
#endif
        if (digits == 1) {
            value = of[0];
            return true;
        }
        if (digits == 2) {
            value = (std::int64_t{of[1]} << 30) | of[0];
            return true;
        }
        if (digits == 3 && of[2] < 8) {
            value = (std::int64_t{of[2]} << 60) | (std::int64_t{of[1]} << 30) | of[0];
            return true;
        }
    }
#endif
    value = PyLong_AsLongLong(object);
    return value != -1 || PyErr_Occurred() == nullptr;
}

// row -> number of the check that refuses it, 0 accepted.
PyObject* submit_row(PyObject* self, PyObject* row) {
    const Bound& to = bound(self);
    std::int64_t at = 0;
    if (!read_integer(row, at)) return nullptr;
    if (at < 0 || at >= to.count) {
        return PyErr_Format(PyExc_IndexError, "row %lld of %lld", static_cast<long long>(at),
                            static_cast<long long>(to.count));
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
        if (!read_integer(arguments[i], values[i])) return nullptr;
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

// A function that calls `definition` with what it is about; takes over nothing where it throws.
py::object bind_function(PyMethodDef& definition, const py::object& self, const py::array* records,
                         const py::array* verdicts) {
    auto* const engine = &self.cast<Limiter&>().engine();
    const OrderRecord* orders =
        records == nullptr ? nullptr : items_of<OrderRecord>(*records, "records", false);
    VerdictRecord* answers =
        verdicts == nullptr ? nullptr : items_of<VerdictRecord>(*verdicts, "verdicts", true);
    if (records != nullptr && records->size() != verdicts->size())
        throw py::value_error("records and verdicts must be of one length");
    auto* const to = PyObject_New(Bound, reinterpret_cast<PyTypeObject*>(bound_type));
    if (to == nullptr) throw py::error_already_set();
    to->engine = engine;
    to->records = orders;
    to->verdicts = answers;
    to->count = records == nullptr ? 0 : records->size();
    to->owner = self.inc_ref().ptr();
    to->records_owner = records == nullptr ? nullptr : records->inc_ref().ptr();
    to->verdicts_owner = verdicts == nullptr ? nullptr : verdicts->inc_ref().ptr();
    const auto held = py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(to));
    PyObject* const function = PyCFunction_NewEx(&definition, held.ptr(), nullptr);
    if (function == nullptr) throw py::error_already_set();
    return py::reinterpret_steal<py::object>(function);
}

}  // namespace

void register_limit_records(py::class_<Limiter>& engine) {
    static PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(&free_bound)}, {0, nullptr}};
    static PyType_Spec spec = {"optionsib._native._core._Bound", sizeof(Bound), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
    bound_type = PyType_FromSpec(&spec);
    if (bound_type == nullptr) throw py::error_already_set();
    engine.def("submit_batch", &submit_batch)
        .def("row_submitter",
             [](const py::object& self, const py::array& records, const py::array& verdicts) {
                 return bind_function(submit_row_definition, self, &records, &verdicts);
             })
        .def("order_submitter", [](const py::object& self) {
            return bind_function(submit_order_definition, self, nullptr, nullptr);
        });
}

}  // namespace optionsib::bindings
