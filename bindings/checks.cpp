// leisen_reimer_price and finite_difference_price: independent checks of the fast kernels.
#include <pybind11/pybind11.h>

#include <array>
#include <string_view>

#include "american_call.hpp"
#include "american_docs.hpp"
#include "optionsib/pricing/finite_difference.hpp"
#include "optionsib/pricing/leisen_reimer.hpp"
#include "register.hpp"

namespace optionsib::bindings {
namespace {

using namespace pricing;

constexpr Signature tree_signature = {"leisen_reimer_price",
                                      6,
                                      7,
                                      12,
                                      {p_kind, p_spot, p_strike, p_time_to_expiry, p_rate, p_volatility,
                                       p_dividend_yield, p_exercise, p_steps, p_out, p_status, p_threads}};
constexpr Signature grid_signature = {
    "finite_difference_price",
    6,
    7,
    13,
    {p_kind, p_spot, p_strike, p_time_to_expiry, p_rate, p_volatility, p_dividend_yield, p_exercise,
     p_space_steps, p_time_steps, p_out, p_status, p_threads}};

constexpr std::size_t most_steps = 100'000;

bool read_exercise(const AmericanCall& call, ExerciseStyle& style) {
    constexpr std::array<std::string_view, 2> names = {"european", "american"};
    std::size_t place = 1;
    if (!read_choice(call.slots[p_exercise], "exercise", names, place)) return false;
    style = static_cast<ExerciseStyle>(place);
    return true;
}

PyObject* tree_function(PyObject*, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    AmericanCall call;
    ExerciseStyle style{};
    std::size_t steps = 801;
    if (!call.read(tree_signature, arguments, count, names) || !read_exercise(call, style) ||
        !read_count(call.slots[p_steps], "steps", 3, most_steps, steps))
        return nullptr;
    call.effort = {1, 1};
    return call.answer({}, [&](const Run& run) {
        leisen_reimer(style, run.size, run.options, run.volatility, steps, {run.columns[0], {}, {}, {}},
                      run.status);
    });
}

PyObject* grid_function(PyObject*, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    AmericanCall call;
    ExerciseStyle style{};
    FiniteDifferenceGrid grid;
    if (!call.read(grid_signature, arguments, count, names) || !read_exercise(call, style) ||
        !read_count(call.slots[p_space_steps], "space_steps", 8, most_steps, grid.space_steps) ||
        !read_count(call.slots[p_time_steps], "time_steps", 1, most_steps, grid.time_steps))
        return nullptr;
    call.effort = {1, 1};
    return call.answer({}, [&](const Run& run) {
        finite_difference(style, run.size, run.options, run.volatility, grid, {run.columns[0], {}, {}, {}},
                          run.status);
    });
}

std::array<PyMethodDef, 2> functions = {{
    public_function("leisen_reimer_price", &tree_function, leisen_reimer_price_doc),
    public_function("finite_difference_price", &grid_function, finite_difference_price_doc),
}};

}  // namespace

void register_checks(pybind11::module_& module) {
    if (!add_public_functions(module.ptr(), functions)) throw pybind11::error_already_set();
}

}  // namespace optionsib::bindings
