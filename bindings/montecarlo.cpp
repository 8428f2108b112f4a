// Python face of Monte Carlo programs: instructions as an array of records in, statistics of blocks out.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "optionsib/montecarlo/program.hpp"
#include "optionsib/montecarlo/sobol.hpp"
#include "register.hpp"

namespace optionsib::bindings {

namespace py = pybind11;
using namespace optionsib::montecarlo;

namespace {

using Doubles = py::array_t<double, py::array::c_style>;

SimdPath path_of(const std::string& name) {
    for (const SimdPath path : {SimdPath::baseline, SimdPath::avx2, SimdPath::avx512}) {
        if (name != simd_path_name(path)) continue;
        if (simd_path_supported(path)) return path;
        throw py::value_error("this machine cannot run the SIMD path '" + name + "'; its own is '" +
                              simd_path_name(simd_path()) + "'");
    }
    throw py::value_error("the SIMD path must be baseline, avx2 or avx512, got '" + name + "'");
}

Precision precision_of(const std::string& name) {
    if (name == "wide") return Precision::wide;
    if (name == "narrow") return Precision::narrow;
    if (name == "paired") return Precision::paired;
    throw py::value_error("precision must be wide, narrow or paired, got '" + name + "'");
}

Program make_program(const py::bytes& code, const Doubles& constants,
                     const std::vector<std::uint16_t>& outputs, std::uint32_t registers, std::uint32_t slots,
                     std::uint64_t seed, std::uint64_t paths, const std::string& precision,
                     std::uint32_t dimensions, std::uint64_t replicate_paths) {
    Program program;
    const std::string_view bytes = code;
    if (bytes.size() % sizeof(Instruction) != 0) throw py::value_error("an instruction has 20 bytes");
    program.code.resize(bytes.size() / sizeof(Instruction));
    if (!bytes.empty()) std::memcpy(program.code.data(), bytes.data(), bytes.size());
    program.constants.assign(constants.data(), constants.data() + constants.size());
    program.outputs = outputs;
    program.registers = registers;
    program.slots = slots;
    program.seed = seed;
    program.paths = paths;
    program.precision = precision_of(precision);
    if (dimensions > sobol_dimensions()) throw py::value_error("too many dimensions");
    program.directions = sobol_directions(dimensions);
    program.replicate_paths = replicate_paths;
    if (const std::string wrong = program.check(); !wrong.empty()) throw py::value_error(wrong);
    return program;
}

// Blocks [first, first + count) as rows of statistics.
Doubles run(const Program& program, std::uint64_t first, std::uint64_t count, const std::string& path,
            unsigned threads) {
    if (program.slots != 0) throw py::value_error("this program stores paths");
    if (first > program.blocks() || count > program.blocks() - first) throw py::value_error("no such blocks");
    const SimdPath used = path_of(path);
    Doubles result({static_cast<py::ssize_t>(count), static_cast<py::ssize_t>(program.statistics())});
    double* to = result.mutable_data();
    {
        const py::gil_scoped_release released;
        run_blocks(program, used, first, count, to, nullptr, threads);
    }
    return result;
}

// Blocks as above, their paths, and no others, into out[slot, path].
void run_into(const Program& program, std::uint64_t first, std::uint64_t count, const std::string& path,
              py::array_t<double, 0>& out, unsigned threads) {
    if (first > program.blocks() || count > program.blocks() - first) throw py::value_error("no such blocks");
    const std::uint64_t stored = std::min(program.paths - first * block_paths, count * block_paths);
    if (out.ndim() != 2 || out.shape(0) != static_cast<py::ssize_t>(program.slots) ||
        out.shape(1) != static_cast<py::ssize_t>(stored) || !(out.flags() & py::array::c_style))
        throw py::value_error("out must be a C-contiguous array of (slots, paths of the blocks)");
    const SimdPath used = path_of(path);
    std::vector<double> statistics(count * program.statistics());
    double* to = out.mutable_data();
    const py::gil_scoped_release released;
    run_blocks(program, used, first, count, statistics.data(), to, threads);
}

}  // namespace

void register_montecarlo(py::module_& module) {
    py::class_<Program>(module, "MonteCarloProgram")
        .def(py::init(&make_program), py::kw_only(), py::arg("code"), py::arg("constants"),
             py::arg("outputs"), py::arg("registers"), py::arg("slots"), py::arg("seed"), py::arg("paths"),
             py::arg("precision"), py::arg("dimensions"), py::arg("replicate_paths"))
        .def_property_readonly("blocks", &Program::blocks)
        .def("run", &run, py::arg("first"), py::arg("count"), py::arg("simd_path"), py::arg("threads") = 1)
        .def("run_into", &run_into, py::arg("first"), py::arg("count"), py::arg("simd_path"), py::arg("out"),
             py::arg("threads") = 1);
    module.attr("SOBOL_DIMENSIONS") = sobol_dimensions();
}

}  // namespace optionsib::bindings
