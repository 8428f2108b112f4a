#pragma once

// One call of a function on American options or cash dividends, read and answered.

#include "dividends.hpp"
#include "evaluate.hpp"
#include "optionsib/pricing/american.hpp"

namespace optionsib::bindings {

class AmericanCall {
  public:
    Slots slots{};
    Options options;
    Inputs inputs;
    pricing::Tier tier = pricing::Tier::accurate;
    pricing::DividendModel dividend_model = pricing::DividendModel::spot;
    Dividends dividends;
    Effort effort = {64, 1};  // a solved boundary costs microseconds

    [[nodiscard]] bool read(const Signature& signature, PyObject* const* arguments, Py_ssize_t count,
                            PyObject* names);

    // How dividends are modelled: the word of the result.
    [[nodiscard]] const char* label() const noexcept {
        return dividends.empty()                                ? "none"
               : dividend_model == pricing::DividendModel::spot ? "spot"
                                                                : "escrowed";
    }

    template <typename Kernel>
    [[nodiscard]] PyObject* answer(const Answer& answer, const Kernel& kernel) const {
        if (!is_scalar_call(inputs, options))
            return evaluate_arrays(inputs, options, answer, effort, &dividends, kernel);
        OwnedArray view;
        if (!dividends.view_offsets(Shape{}, view) || (view && !dividends.check_numbers())) return nullptr;
        const auto* const offsets =
            view ? reinterpret_cast<const std::byte*>(PyArray_BYTES(view.get())) : nullptr;
        PyThreadState* const state = PyEval_SaveThread();
        const ScalarResult result = evaluate_scalar(inputs, answer.columns, offsets, kernel);
        PyEval_RestoreThread(state);
        return result.out_of_memory || is_solved(result.status) ? result.shown(answer)
                                                                : refuse(result.status);
    }

    // The cash dividends of the options of a run.
    [[nodiscard]] pricing::CashDividends cash(const Run& run) const noexcept {
        return {dividend_model, dividends.schedule(run.offsets)};
    }

  private:
    [[nodiscard]] PyObject* refuse(pricing::Status status) const;

    const char* function_ = "";
};

}  // namespace optionsib::bindings
