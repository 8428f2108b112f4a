#pragma once

// The way from read arguments to results that all pricing functions share: one walk over the broadcast
// arrays, or one element on the stack, with the kernel called on each inner run.

#include <Python.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>

#include "arguments.hpp"
#include "call.hpp"
#include "dividends.hpp"
#include "optionsib/pricing/european.hpp"
#include "optionsib/pricing/parallel.hpp"
#include "outputs.hpp"
#include "walk.hpp"

namespace optionsib::bindings {

// What a function answers with.
struct Answer {
    PyTypeObject* type = nullptr;  // of a named result; none: one column
    std::size_t columns = 1;       // of doubles
    bool carries_status = false;   // as the second field of the result
    const char* label = nullptr;   // hidden last field of the result: a word
};

// What one element costs, as far as threads and the GIL care.
struct Effort {
    std::size_t least_per_thread = pricing::least_elements_per_thread;
    std::size_t least_without_gil = 256;
};

// What a kernel gets: elements in one inner run.
struct Run {
    std::size_t size;
    pricing::EuropeanColumns options;
    pricing::In<double> volatility, price, guess;  // `guess` has no data when none was given
    const std::byte* offsets;                      // of dividends; no data: one schedule for all
    std::array<pricing::Out<double>, most_columns> columns;
    pricing::Out<std::int8_t> status;  // no data: not wanted

    // Columns [first, first + count) as Greeks.
    [[nodiscard]] pricing::GreekColumns greeks(std::size_t first, std::size_t count) const noexcept {
        pricing::GreekColumns result;
        for (std::size_t i = 0; i < count; ++i) result.columns[i] = columns[first + i];
        return result;
    }
};

[[nodiscard]] inline bool is_solved(pricing::Status status) noexcept {
    return status == pricing::Status::ok || status == pricing::Status::no_vega;
}

[[nodiscard]] inline bool is_scalar_call(const Inputs& inputs, const Options& options) noexcept {
    return !inputs.has_arrays && options.out == nullptr && options.status == nullptr;
}

[[nodiscard]] pricing::European scalar_option(const Inputs& inputs) noexcept;
[[nodiscard]] PyObject* status_object(pricing::Status status) noexcept;

// One element on the stack.
struct ScalarResult {
    std::array<double, most_columns> values{};
    pricing::Status status = pricing::Status::ok;
    bool out_of_memory = false;

    // Floats, or the named result.
    [[nodiscard]] PyObject* shown(const Answer& answer) const;
};

// Arrays: prepare, compute, result.
class ArrayCall {
  public:
    ArrayCall(const Inputs& inputs, const Options& options, const Answer& answer) noexcept
        : inputs_(inputs), options_(options), answer_(answer) {}

    // Broadcasts and prepares the outputs.
    [[nodiscard]] bool prepare(const Dividends* dividends);

    template <typename Kernel>
    void compute(const Effort& effort, const Kernel& kernel) {
        Walk walk = walk_all();
        const std::size_t size = walk.prepare(static_cast<bool>(offsets_));
        if (size == 0) return;
        const auto runs = [&](std::size_t begin, std::size_t end) noexcept {
            try {
                walk.run(begin, end, [&](std::size_t count, const auto& at, const auto& stride) {
                    kernel(run(count, at, stride));
                });
            } catch (const std::bad_alloc&) {
                out_of_memory_.store(true, std::memory_order_relaxed);
            }
        };
        PyThreadState* const state = size >= effort.least_without_gil ? PyEval_SaveThread() : nullptr;
        if (options_.threads == 1)
            runs(0, size);
        else
            pricing::for_ranges(size, static_cast<unsigned>(options_.threads), runs, effort.least_per_thread);
        if (state != nullptr) PyEval_RestoreThread(state);
    }

    [[nodiscard]] PyObject* result();

  private:
    // Places among the addresses of a walk.
    enum : std::size_t { at_kind, at_numbers, at_offsets = at_numbers + number_count, at_columns };

    [[nodiscard]] Walk walk_all();
    template <typename Addresses, typename Strides>
    [[nodiscard]] Run run(std::size_t size, const Addresses& at, const Strides& stride) const noexcept {
        const auto number = [&](std::size_t parameter) {
            return pricing::In<double>{at[at_numbers + parameter], stride[at_numbers + parameter]};
        };
        Run run{size,
                {{at[at_kind], stride[at_kind]},
                 number(p_spot),
                 number(p_strike),
                 number(p_time_to_expiry),
                 number(p_rate),
                 number(p_dividend_yield),
                 number(p_shift)},
                number(p_volatility),
                number(p_price),
                {},
                offsets_ ? at[at_offsets] : nullptr,
                {},
                {}};
        if ((inputs_.given >> p_guess & 1U) != 0) run.guess = number(p_guess);
        std::size_t place = at_columns;
        for (std::size_t i = 0; i < outputs_.count; ++i) {
            if (!outputs_.columns[i]) continue;  // nobody wants it
            run.columns[i] = {at[place], stride[place]};
            ++place;
        }
        if (outputs_.status) run.status = {at[place], stride[place]};
        return run;
    }
    [[nodiscard]] PyObject* shown(OwnedArray& column) const;
    [[nodiscard]] bool keeps_previous() const;

    const Inputs& inputs_;
    const Options& options_;
    const Answer& answer_;
    Shape shape_;
    Outputs outputs_;
    OwnedArray offsets_;
    std::atomic<bool> out_of_memory_ = false;
    std::int8_t sign_ = 0;
};

// All of it for an array call.
template <typename Kernel>
[[nodiscard]] PyObject* evaluate_arrays(const Inputs& inputs, const Options& options, const Answer& answer,
                                        const Effort& effort, const Dividends* dividends,
                                        const Kernel& kernel) {
    ArrayCall call(inputs, options, answer);
    if (!call.prepare(dividends)) return nullptr;
    call.compute(effort, kernel);
    return call.result();
}

// One element as a run: the array kernel on the stack.
template <typename Kernel>
[[nodiscard]] ScalarResult evaluate_scalar(const Inputs& inputs, std::size_t columns,
                                           const std::byte* offsets, const Kernel& kernel) {
    ScalarResult result;
    const auto sign = static_cast<std::int8_t>(inputs.kind.value);
    std::int8_t status = 0;
    const auto in = [](const auto& value) {
        return pricing::In<std::remove_cvref_t<decltype(value)>>{reinterpret_cast<const std::byte*>(&value),
                                                                 0};
    };
    const auto number = [&](Parameter parameter) { return in(inputs.numbers[parameter].value); };
    Run run{1,
            {in(sign), number(p_spot), number(p_strike), number(p_time_to_expiry), number(p_rate),
             number(p_dividend_yield), number(p_shift)},
            number(p_volatility),
            number(p_price),
            {},
            offsets,
            {},
            {reinterpret_cast<std::byte*>(&status), 0}};
    if ((inputs.given >> p_guess & 1U) != 0) run.guess = number(p_guess);
    for (std::size_t i = 0; i < columns; ++i)
        run.columns[i] = {reinterpret_cast<std::byte*>(&result.values[i]), 0};
    try {
        kernel(run);
    } catch (const std::bad_alloc&) {
        result.out_of_memory = true;
    }
    result.status = static_cast<pricing::Status>(status);
    return result;
}

}  // namespace optionsib::bindings
