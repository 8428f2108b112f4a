// Python face of the ITCH decoder: bytes in, records of the book out.
#include "optionsib/book/itch.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "register.hpp"

namespace optionsib::bindings {

namespace py = pybind11;
using namespace optionsib::book;

namespace {

std::vector<Symbol> padded(const std::vector<std::string>& names) {
    std::vector<Symbol> symbols;
    for (const std::string& name : names) {
        Symbol symbol;
        symbol.fill(' ');
        if (name.empty() || name.size() > symbol.size())
            throw std::invalid_argument("symbol must have 1 to 8 letters, got '" + name + "'");
        std::copy(name.begin(), name.end(), symbol.begin());
        symbols.push_back(symbol);
    }
    return symbols;
}

std::string trimmed(const Symbol& symbol) {
    const std::string text(symbol.begin(), symbol.end());
    return text.substr(0, text.find_last_not_of(' ') + 1);
}

// The number of bytes used up, records written, whole and damaged messages, and whether decoding is stuck.
py::tuple decode(ItchDecoder& decoder, const py::buffer& bytes, py::array& records) {
    const py::buffer_info in = bytes.request();
    if (in.ndim != 1 || in.itemsize != 1 || in.strides[0] != 1)
        throw std::invalid_argument("bytes must be one contiguous row of bytes");
    if (records.ndim() != 1 || records.itemsize() != static_cast<py::ssize_t>(sizeof(Record)) ||
        (records.flags() & py::array::c_style) == 0)
        throw std::invalid_argument("records must be a contiguous array of RECORD_DTYPE");
    auto* const out = static_cast<Record*>(records.mutable_data());  // raises where read-only
    const std::span<const std::uint8_t> input(static_cast<const std::uint8_t*>(in.ptr),
                                              static_cast<std::size_t>(in.size));
    const std::span<Record> output(out, static_cast<std::size_t>(records.size()));
    ItchProgress progress;
    {
        const py::gil_scoped_release release;
        progress = decoder.decode(input, output);
    }
    return py::make_tuple(progress.consumed, progress.records, progress.messages, progress.damaged,
                          progress.stuck);
}

}  // namespace

void register_itch(py::module_& module) {
    py::class_<ItchDecoder>(module, "ItchDecoder", "NASDAQ ITCH 5.0 to records; see optionsib.book.feeds.")
        .def(py::init([](std::int64_t midnight, const std::vector<std::string>& symbols) {
                 const std::vector<Symbol> wanted = padded(symbols);
                 return ItchDecoder(midnight, wanted);
             }),
             py::arg("midnight"), py::arg("symbols"))
        .def("decode", &decode, py::arg("bytes"), py::arg("records"))
        .def(
            "symbol",
            [](const ItchDecoder& decoder, std::uint32_t row) {
                if (row >= decoder.rows())
                    throw py::index_error("row " + std::to_string(row) + " of " +
                                          std::to_string(decoder.rows()));
                return trimmed(decoder.symbol(row));
            },
            py::arg("row"))
        .def_property_readonly("rows", &ItchDecoder::rows);
}

}  // namespace optionsib::bindings
