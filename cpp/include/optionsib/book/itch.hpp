// NASDAQ TotalView-ITCH 5.0 to records of the book.
//
// A file is a row of messages, each after its length in two bytes, big-endian; a length of 0 stands for the
// length of that message's type, as some writers leave it out. A message becomes one record:
//
//   A, F add (F names the market participant, which is not kept)     -> add, order reference as order_id
//   E, C executed (C at another price than the order's)              -> execute
//   X    partial cancel                                              -> reduce
//   D    delete                                                      -> cancel
//   U    replace                                                     -> replace
//
// Every other message of the specification says nothing about a queue: it is counted and passed over, but for
// R (stock directory), from which a reader learns what a stock locate means. Prices are ticks of 1/10000
// dollar, as on the wire; times are ns since midnight plus `midnight`.
//
// Damaged bytes never crash: a message of an unknown type, or one whose length is not that of its type, is
// skipped by its length and counted as damaged; where no length leads on, decoding ends with `stuck`. What
// only looks whole (an order of quantity 0, side 'Z') becomes a record that the book refuses.
//
// Source: NASDAQ TotalView-ITCH 5.0 specification, sections 1.1 to 1.8 (message layouts).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "optionsib/book/types.hpp"

namespace optionsib::book {

struct ItchProgress {
    std::size_t consumed = 0;  // bytes; what is left is an unfinished message, or did not fit the records
    std::size_t records = 0;   // written
    std::size_t messages = 0;  // whole ones, the damaged included
    std::size_t damaged = 0;
    bool stuck = false;  // the next bytes are no message and carry no length
};

// A stock symbol as the wire has it: eight letters, blanks at the end.
using Symbol = std::array<char, 8>;

class ItchDecoder {
  public:
    // `midnight`: of the trading day in New York, ns since the epoch. `symbols`: the stocks wanted, the first
    // in row 0 and so on; none means all, each in the row of its stock locate. Only a directory message (R)
    // makes the decoder know a stock, so messages before it are left out.
    explicit ItchDecoder(std::int64_t midnight, std::span<const Symbol> symbols = {});

    // Decode until the bytes or the room for records end. No allocation.
    ItchProgress decode(std::span<const std::uint8_t> bytes, std::span<Record> records);

    // What the directory called the stock of a row; blanks where it has not come.
    [[nodiscard]] const Symbol& symbol(std::uint32_t row) const { return symbols_[row]; }
    [[nodiscard]] std::uint32_t rows() const { return static_cast<std::uint32_t>(symbols_.size()); }

    // Length of a message by its type, 0 for an unknown one.
    [[nodiscard]] static std::size_t length_of(std::uint8_t type);

  private:
    void learn(const std::uint8_t* directory);

    std::int64_t midnight_;
    bool all_;
    std::vector<Symbol> symbols_;      // by row
    std::vector<std::uint32_t> rows_;  // by stock locate
};

}  // namespace optionsib::book
