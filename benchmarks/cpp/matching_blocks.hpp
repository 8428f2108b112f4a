// The matching engine's kernel under the regression gate: 4096 messages into an empty book, which a clear
// empties again, so that they can be sent again and again.
#pragma once

#include <cstddef>
#include <random>
#include <span>
#include <stdexcept>
#include <vector>

#include "floors.hpp"
#include "matching_stream.hpp"
#include "optionsib/book/matching_engine.hpp"

namespace optionsib::benchmarks {

class MatchingBlocks {
  public:
    static constexpr std::size_t kMessages = 4096;

    MatchingBlocks()
        : messages_(make_matching_stream(Shape::normal, kMessages, 17)),
          engine_(kMessages),
          bits_(kMessages) {
        clear_.action = static_cast<std::uint8_t>(book::Action::clear);
        reports_.resize(4 * kMessages);
        lines_.resize(1024);
        std::mt19937_64 random(17);
        for (unsigned char& bit : bits_) bit = random() & 1;
        for (std::size_t i = 0; i < lines_.size(); ++i) lines_[i].next = (i + 389) % lines_.size();
        run(kMessages);  // what must grow has grown
        run(kMessages);
    }

    void run(std::size_t size) {
        engine_.apply(std::span(messages_).first(size), reports_);
        engine_.apply({&clear_, 1}, reports_);
        if (engine_.pending() != 0) throw std::runtime_error("more reports than the benchmark has room for");
    }

    // As many missed branches and four times as many dependent loads.
    void floor() {
        sink_ = floors::branch(bits_.data(), bits_.size()) +
                floors::dependent_load(lines_.data(), 4 * kMessages, sink_ % lines_.size());
    }

  private:
    std::vector<book::Record> messages_;
    book::Record clear_{};
    book::MatchingEngine engine_;
    std::vector<book::Report> reports_;
    std::vector<unsigned char> bits_;
    std::vector<floors::Line> lines_;
    volatile std::size_t sink_ = 0;
};

}  // namespace optionsib::benchmarks
