// NumPy arrays to kernel columns: broadcasting by strides, nothing materialised, the GIL released.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "optionsib/pricing/european.hpp"
#include "optionsib/pricing/parallel.hpp"
#include "optionsib/version.hpp"
#include "register.hpp"

namespace py = pybind11;
using namespace optionsib::pricing;

namespace optionsib::bindings {
namespace {

// Several arrays walked together: the common shape, and per array its address and one byte stride a
// dimension.
class Walk {
  public:
    explicit Walk(const py::array& shaped_like) {
        for (py::ssize_t i = 0; i < shaped_like.ndim(); ++i) shape_.push_back(shaped_like.shape(i));
    }

    template <typename T>
    void input(const py::array& array, const char* name) {
        if (!py::isinstance<py::array_t<T>>(array)) throw py::type_error(std::string(name) + ": wrong dtype");
        const auto missing = static_cast<py::ssize_t>(shape_.size()) - array.ndim();
        if (missing < 0) throw py::value_error(std::string(name) + " has more dimensions than the result");
        std::vector<std::ptrdiff_t> strides(shape_.size(), 0);
        for (py::ssize_t i = 0; i < array.ndim(); ++i) {
            const auto axis = static_cast<std::size_t>(i + missing);
            if (array.shape(i) == shape_[axis])
                strides[axis] = array.strides(i);
            else if (array.shape(i) != 1)
                throw py::value_error(std::string(name) + " does not broadcast");
        }
        add(static_cast<const std::byte*>(array.data()), std::move(strides));
    }

    template <typename T>
    void output(py::array& array, const char* name) {
        if (!py::isinstance<py::array_t<T>>(array)) throw py::type_error(std::string(name) + ": wrong dtype");
        if (array.ndim() != static_cast<py::ssize_t>(shape_.size()) ||
            !std::equal(shape_.begin(), shape_.end(), array.shape()))
            throw py::value_error(std::string(name) + " has the wrong shape");
        std::vector<std::ptrdiff_t> strides(array.strides(), array.strides() + array.ndim());
        add(static_cast<std::byte*>(array.mutable_data()), std::move(strides));
    }

    // An array that is not there keeps its place in the order of addresses.
    void nothing() { add(nullptr, std::vector<std::ptrdiff_t>(shape_.size(), 0)); }

    // Call `kernel(size, cursor)` for every run of the innermost dimension, on several threads.
    template <typename Kernel>
    void run(unsigned threads, const Kernel& kernel) {
        merge_dimensions();
        std::size_t size = 1;
        for (const auto extent : shape_) size *= static_cast<std::size_t>(extent);
        if (size == 0) return;
        const std::size_t inner = shape_.empty() ? 1 : static_cast<std::size_t>(shape_.back());
        py::gil_scoped_release release;
        for_ranges(size, threads, [&](std::size_t begin, std::size_t end) {
            while (begin < end) {
                const std::size_t offset = begin % inner, count = std::min(end - begin, inner - offset);
                kernel(count, cursor(begin));
                begin += count;
            }
        });
    }

    // The addresses of one element and the innermost strides, in the order the arrays were given.
    class Cursor {
      public:
        template <typename T>
        In<T> in() {
            const auto i = next_++;
            return {addresses_[i], strides_[i]};
        }
        template <typename T>
        Out<T> out() {
            const auto i = next_++;
            // Only arrays given to output() are read back this way.
            return {const_cast<std::byte*>(addresses_[i]), strides_[i]};
        }

      private:
        friend class Walk;
        static constexpr std::size_t most = 20;
        std::array<const std::byte*, most> addresses_{};
        std::array<std::ptrdiff_t, most> strides_{};
        std::size_t next_ = 0;
    };

  private:
    struct Operand {
        const std::byte* data;
        std::vector<std::ptrdiff_t> strides;
    };

    void add(const std::byte* data, std::vector<std::ptrdiff_t> strides) {
        if (operands_.size() == Cursor::most) throw std::length_error("too many arrays");
        operands_.push_back({data, std::move(strides)});
    }

    // Two neighbouring dimensions are one when every array steps through them evenly.
    void merge_dimensions() {
        for (std::size_t axis = shape_.size(); axis-- > 0;) {
            if (shape_[axis] != 1) continue;
            shape_.erase(shape_.begin() + static_cast<std::ptrdiff_t>(axis));
            for (auto& operand : operands_)
                operand.strides.erase(operand.strides.begin() + static_cast<std::ptrdiff_t>(axis));
        }
        for (std::size_t axis = shape_.size(); axis-- > 1;) {
            const auto even = [&](const Operand& operand) {
                return operand.strides[axis - 1] == operand.strides[axis] * shape_[axis];
            };
            if (!std::all_of(operands_.begin(), operands_.end(), even)) continue;
            shape_[axis - 1] *= shape_[axis];
            shape_.erase(shape_.begin() + static_cast<std::ptrdiff_t>(axis));
            for (auto& operand : operands_) {
                operand.strides[axis - 1] = operand.strides[axis];
                operand.strides.erase(operand.strides.begin() + static_cast<std::ptrdiff_t>(axis));
            }
        }
    }

    Cursor cursor(std::size_t index) const {
        Cursor result;
        for (std::size_t i = 0; i < operands_.size(); ++i) {
            result.addresses_[i] = operands_[i].data;
            result.strides_[i] = shape_.empty() ? 0 : operands_[i].strides.back();
        }
        for (std::size_t axis = shape_.size(); axis-- > 0;) {
            const auto extent = static_cast<std::size_t>(shape_[axis]);
            const auto step = static_cast<std::ptrdiff_t>(index % extent);
            index /= extent;
            for (std::size_t i = 0; i < operands_.size(); ++i)
                if (operands_[i].data != nullptr) result.addresses_[i] += step * operands_[i].strides[axis];
        }
        return result;
    }

    std::vector<std::ptrdiff_t> shape_;
    std::vector<Operand> operands_;
};

void add_options(Walk& walk, const py::array& kind, const py::array& spot, const py::array& strike,
                 const py::array& time_to_expiry, const py::array& rate, const py::array& dividend_yield) {
    walk.input<std::int8_t>(kind, "kind");
    walk.input<double>(spot, "spot");
    walk.input<double>(strike, "strike");
    walk.input<double>(time_to_expiry, "time_to_expiry");
    walk.input<double>(rate, "rate");
    walk.input<double>(dividend_yield, "dividend_yield");
}

EuropeanColumns take_options(Walk::Cursor& cursor) {
    EuropeanColumns options;
    options.kind = cursor.in<std::int8_t>();
    options.spot = cursor.in<double>();
    options.strike = cursor.in<double>();
    options.time_to_expiry = cursor.in<double>();
    options.rate = cursor.in<double>();
    options.dividend_yield = cursor.in<double>();
    return options;
}

void add_status(Walk& walk, std::optional<py::array>& status) {
    if (status)
        walk.output<std::int8_t>(*status, "status");
    else
        walk.nothing();
}

void price_arrays(int model, const py::array& kind, const py::array& spot, const py::array& strike,
                  const py::array& time_to_expiry, const py::array& rate, const py::array& volatility,
                  const py::array& dividend_yield, py::array out, std::optional<py::array> status,
                  unsigned threads) {
    Walk walk(out);
    add_options(walk, kind, spot, strike, time_to_expiry, rate, dividend_yield);
    walk.input<double>(volatility, "volatility");
    walk.output<double>(out, "out");
    add_status(walk, status);
    walk.run(threads, [model](std::size_t size, Walk::Cursor cursor) {
        const EuropeanColumns options = take_options(cursor);
        const auto vol = cursor.in<double>();
        const auto result = cursor.out<double>();
        price(static_cast<Model>(model), size, options, vol, result, cursor.out<std::int8_t>());
    });
}

void greeks_arrays(int model, const py::array& kind, const py::array& spot, const py::array& strike,
                   const py::array& time_to_expiry, const py::array& rate, const py::array& volatility,
                   const py::array& dividend_yield, std::array<py::array, 9> out,
                   std::optional<py::array> status, unsigned threads) {
    Walk walk(out[0]);
    add_options(walk, kind, spot, strike, time_to_expiry, rate, dividend_yield);
    walk.input<double>(volatility, "volatility");
    for (auto& column : out) walk.output<double>(column, "out");
    add_status(walk, status);
    walk.run(threads, [model](std::size_t size, Walk::Cursor cursor) {
        const EuropeanColumns options = take_options(cursor);
        const auto vol = cursor.in<double>();
        GreekColumns result;
        for (const Greek greek : {Greek::price, Greek::delta, Greek::gamma, Greek::vega, Greek::theta,
                                  Greek::rho, Greek::vanna, Greek::volga, Greek::charm})
            result[greek] = cursor.out<double>();
        greeks(static_cast<Model>(model), 3, Units::raw, size, options, vol, result, cursor.out<std::int8_t>());
    });
}

void implied_volatility_arrays(int model, const py::array& price, const py::array& kind,
                               const py::array& spot, const py::array& strike,
                               const py::array& time_to_expiry, const py::array& rate,
                               const py::array& dividend_yield, std::optional<py::array> guess, py::array out,
                               py::array status, unsigned threads) {
    Walk walk(out);
    add_options(walk, kind, spot, strike, time_to_expiry, rate, dividend_yield);
    walk.input<double>(price, "price");
    if (guess)
        walk.input<double>(*guess, "guess");
    else
        walk.nothing();
    walk.output<double>(out, "out");
    walk.output<std::int8_t>(status, "status");
    walk.run(threads, [model](std::size_t size, Walk::Cursor cursor) {
        const EuropeanColumns options = take_options(cursor);
        const auto quotes = cursor.in<double>();
        const auto start = cursor.in<double>();
        const auto result = cursor.out<double>();
        implied_volatility(static_cast<Model>(model), size, options, quotes, start, result,
                           cursor.out<std::int8_t>());
    });
}

}  // namespace

void register_pricing(py::module_& module) {
    module.attr("__version__") = version;
    module.def("price", &price_arrays);
    module.def("greeks", &greeks_arrays);
    module.def("implied_volatility", &implied_volatility_arrays);
}

}  // namespace optionsib::bindings
