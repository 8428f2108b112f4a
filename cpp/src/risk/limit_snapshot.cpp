// The books of the limit engine as bytes, and back. Sums are not stored: they are made anew.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "limit_guard.hpp"
#include "optionsib/risk/limit_engine.hpp"

namespace optionsib::risk {

namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::uint64_t kFormat = 0x32304D494C42494FULL;      // "OIBLIM02"
constexpr std::int64_t kMostHeld = std::int64_t{1} << 52;     // contracts
constexpr std::int64_t kMostCounted = std::int64_t{1} << 53;  // messages, executions

std::uint64_t digest(std::span<const std::byte> bytes) {
    std::uint64_t hash = 0xCBF29CE484222325ULL;
    for (const std::byte byte : bytes) {
        hash = (hash ^ static_cast<std::uint64_t>(byte)) * 0x100000001B3ULL;
    }
    return hash;
}

class Writer {
  public:
    template <class T>
    void put(const T& value) {
        const auto raw = std::bit_cast<std::array<std::byte, sizeof(T)>>(value);
        bytes_.insert(bytes_.end(), raw.begin(), raw.end());
    }
    template <class T>
    void put_all(const std::vector<T>& values) {
        put(static_cast<std::uint64_t>(values.size()));
        for (const T& value : values) put(value);
    }
    std::vector<std::byte> finish() {
        put(digest(bytes_));
        return std::move(bytes_);
    }

  private:
    std::vector<std::byte> bytes_;
};

// After the end everything reads as zero and `fails` is true.
class Reader {
  public:
    explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {
        fails = bytes.size() < sizeof(std::uint64_t);
        if (fails) return;
        bytes_ = bytes.first(bytes.size() - sizeof(std::uint64_t));
        std::uint64_t told = 0;
        std::memcpy(&told, bytes.data() + bytes_.size(), sizeof told);
        fails = told != digest(bytes_);
    }
    template <class T>
    T get() {
        std::array<std::byte, sizeof(T)> raw{};
        if (fails || bytes_.size() < sizeof(T)) {
            fails = true;
        } else {
            std::copy_n(bytes_.begin(), sizeof(T), raw.begin());
            bytes_ = bytes_.subspan(sizeof(T));
        }
        return std::bit_cast<T>(raw);
    }
    template <class T>
    std::vector<T> get_all() {
        const auto count = get<std::uint64_t>();
        if (count > bytes_.size() / sizeof(T)) fails = true;
        std::vector<T> values;
        for (std::uint64_t i = 0; !fails && i < count; ++i) values.push_back(get<T>());
        return values;
    }
    void require(bool holds) { fails = fails || !holds; }
    [[nodiscard]] bool is_at_end() const { return bytes_.empty(); }
    bool fails;

  private:
    std::span<const std::byte> bytes_;
};

struct StoredPosition {
    std::int64_t quantity;
    std::uint64_t contract;
};

template <class Cells>
std::vector<StoredPosition> positions_in(const Cells& cells) {
    std::vector<StoredPosition> held;
    for (std::size_t c = 0; c < cells.size(); ++c) {
        if (cells[c].position != 0) held.push_back({cells[c].position, c});
    }
    return held;
}

}  // namespace

struct LimitEngine::Books {
    struct OfAccount {
        State state;
        bool enabled;
        std::int64_t cash, messages, executions;
        std::vector<std::int64_t> sent;
        std::vector<RecentOrders::Sent> recent;
        std::vector<StoredPosition> held;
    };
    struct OfStrategy {
        bool tripped;
        std::vector<std::int64_t> executed;
        std::vector<StoredPosition> held;
    };
    struct OfProtection {
        std::int64_t tripped;
        std::vector<SumWindow::Entry> filled;
    };
    struct Slot {
        std::int64_t remaining, limit_price;
        std::uint32_t generation, leg_count, trade, account, strategy;
        std::vector<StoredPosition> legs;  // ratios
    };
    State state;
    std::vector<std::uint8_t> tradable;
    std::vector<OfAccount> accounts;
    std::vector<OfStrategy> strategies;
    std::vector<OfProtection> protections;
    struct OfTrade {
        std::uint32_t account;
        std::vector<StoredPosition> held;
    };
    std::vector<OfTrade> trades;
    std::vector<Slot> slots;
    std::vector<std::uint32_t> free, active;  // slots, in their order
};

// Of what must be equal for a snapshot to mean the same.
std::uint64_t LimitEngine::shape() const {
    Writer shape;
    for (const ContractTerms& terms : contracts_) {
        shape.put(std::int64_t{terms.kind});
        shape.put(std::int64_t{terms.expiry});
        shape.put(terms.strike);
        shape.put(terms.multiplier);
    }
    for (const Instrument& it : instruments_) shape.put(it.underlying);
    for (const std::size_t size : {accounts_.size(), orders_.size()}) shape.put(std::uint64_t{size});
    const std::vector<std::byte> bytes = shape.finish();
    return digest(bytes);
}

std::vector<std::byte> LimitEngine::snapshot() const {
    const Guard guard(*this);
    Writer to;
    to.put(kFormat);
    to.put(shape());
    to.put(state_);
    for (const Instrument& it : instruments_) to.put(static_cast<std::uint8_t>(it.tradable));
    for (std::uint32_t a = 0; a < account_limit_; ++a) {
        const Account& account = accounts_[a];
        to.put(account.state);
        to.put(static_cast<std::uint8_t>(account.enabled));
        for (const std::int64_t number : {account.cash, account.messages, account.executions}) to.put(number);
        to.put_all(account.sent.latest());
        to.put_all(account.recent.latest());
        to.put_all(positions_in(account.cells));
    }
    to.put(strategy_limit_);
    for (const Strategy& strategy : strategies_) {
        to.put(static_cast<std::uint8_t>(strategy.tripped));
        to.put_all(strategy.executed.latest());
        to.put_all(positions_in(strategy.cells));
    }
    for (const Account& account : accounts_) {
        for (const Protection& protection : account.protections) {
            to.put(protection.tripped);
            to.put_all(protection.filled.entries());
        }
    }
    to.put(trade_limit_);
    for (const Trade& trade : trades_) {
        std::vector<StoredPosition> held;
        to.put(trade.account);
        for (const Holding& holding : trade.held) held.push_back({holding.quantity, holding.contract});
        to.put_all(held);
    }
    for (const WorkingOrder& order : orders_) {
        to.put(order.remaining);
        to.put(order.limit_price);
        for (const std::uint32_t number :
             {order.generation, order.leg_count, order.trade, order.account, order.strategy}) {
            to.put(number);
        }
        for (const Leg& leg : legs_of(order)) to.put(StoredPosition{leg.ratio, leg.contract});
    }
    std::vector<std::uint32_t> free;
    for (std::size_t at = free_begin_; at < free_end_; ++at) free.push_back(free_[at & free_mask_]);
    to.put_all(free);
    to.put_all(std::vector<std::uint32_t>(active().begin(), active().end()));
    return to.finish();
}

bool LimitEngine::read_books(std::span<const std::byte> bytes, Books& books) const {
    Reader from(bytes);
    from.require(from.get<std::uint64_t>() == kFormat);
    from.require(from.get<std::uint64_t>() == shape());
    if (from.fails) return false;
    const auto get_state = [&] {
        const auto number = from.get<std::uint8_t>();
        from.require(number <= static_cast<std::uint8_t>(State::halted));
        return static_cast<State>(number);
    };
    const auto get_flag = [&] {
        const auto number = from.get<std::uint8_t>();
        from.require(number <= 1);
        return number == 1;
    };
    const auto get_positions = [&] {
        auto held = from.get_all<StoredPosition>();
        for (const StoredPosition& position : held) {
            from.require(position.contract < contract_limit_ && position.quantity <= kMostHeld &&
                         position.quantity >= -kMostHeld);
        }
        return held;
    };
    const auto get_count = [&] {
        const auto count = from.get<std::int64_t>();
        from.require(count >= 0 && count <= kMostCounted);
        return count;
    };
    books.state = get_state();
    for (std::uint32_t c = 0; c < contract_limit_; ++c) books.tradable.push_back(get_flag());
    for (std::uint32_t a = 0; a < account_limit_; ++a) {
        auto& account = books.accounts.emplace_back();
        account.state = get_state();
        account.enabled = get_flag();
        account.cash = from.get<std::int64_t>();
        account.messages = get_count();
        account.executions = get_count();
        account.sent = from.get_all<std::int64_t>();
        account.recent = from.get_all<RecentOrders::Sent>();
        account.held = get_positions();
    }
    const auto strategies = from.get<std::uint32_t>();
    for (std::uint32_t s = 0; !from.fails && s < strategies; ++s) {
        auto& strategy = books.strategies.emplace_back();
        strategy.tripped = get_flag();
        strategy.executed = from.get_all<std::int64_t>();
        strategy.held = get_positions();
    }
    for (std::size_t p = 0; p < accounts_.size() * underlyings_.size(); ++p) {
        auto& protection = books.protections.emplace_back();
        protection.tripped = get_count();
        protection.filled = from.get_all<SumWindow::Entry>();
    }
    const auto trades = from.get<std::uint32_t>();
    for (std::uint32_t t = 0; !from.fails && t < trades; ++t) {
        const auto account = from.get<std::uint32_t>();
        from.require(account < account_limit_);
        books.trades.push_back({account, get_positions()});
    }
    from.require(trades > 0);
    for (std::size_t slot = 0; !from.fails && slot < orders_.size(); ++slot) {
        auto& order = books.slots.emplace_back();
        order.remaining = from.get<std::int64_t>();
        order.limit_price = from.get<std::int64_t>();
        for (std::uint32_t* const number :
             {&order.generation, &order.leg_count, &order.trade, &order.account, &order.strategy}) {
            *number = from.get<std::uint32_t>();
        }
        from.require(order.leg_count <= kMaxLegs && (order.generation == 0) == (order.leg_count == 0));
        for (std::uint32_t i = 0; !from.fails && i < order.leg_count; ++i)
            order.legs.push_back(from.get<StoredPosition>());
        if (order.generation == 0) continue;
        std::vector<Leg> legs;
        for (const StoredPosition& leg : order.legs) {
            from.require(leg.contract < contract_limit_);
            legs.push_back({static_cast<std::uint32_t>(leg.contract), leg.quantity});
        }
        // What has filled or ended may have nothing left; strategies come back with the rest.
        from.require(order.remaining >= 0 && order.trade < trades && order.strategy < strategies &&
                     is_well_formed({legs, std::max<std::int64_t>(order.remaining, 1), order.limit_price,
                                     order.trade, order.account, 0}));
    }
    books.free = from.get_all<std::uint32_t>();
    books.active = from.get_all<std::uint32_t>();
    from.require(from.is_at_end() && books.free.size() + books.active.size() == orders_.size());
    std::vector<bool> seen(orders_.size());
    for (const auto* slots : {&books.free, &books.active}) {
        for (const std::uint32_t slot : *slots) {
            if (slot >= seen.size() || seen[slot]) return false;
            seen[slot] = true;
            if (slots == &books.active)
                from.require(!from.fails && books.slots[slot].generation != 0 &&
                             books.slots[slot].remaining > 0);
        }
    }
    return !from.fails;
}

bool LimitEngine::restore(std::span<const std::byte> bytes) {
    Books books{};
    {
        const Guard guard(*this);
        if (!read_books(bytes, books)) return false;
    }
    while (strategies_.size() < books.strategies.size()) (void)add_strategy();
    const Guard guard(*this);
    state_ = books.state;
    stale_scopes_ = true;
    curves_.assign(accounts_.size(), LossCurves(contracts_));
    trades_.assign(books.trades.size(), {});
    trade_limit_ = static_cast<std::uint32_t>(trades_.size());
    for (std::uint32_t c = 0; c < contract_limit_; ++c) {
        Instrument& it = instruments_[c];
        it.own[0] = it.own[1] = kFar;
        it.first_own = kNoSlot;
        it.tradable = books.tradable[c] != 0;
        place_special(c);
    }
    for (std::uint32_t a = 0; a < account_limit_; ++a) restore_account(a, books);
    for (std::size_t s = 0; s < strategies_.size(); ++s) {
        Strategy& strategy = strategies_[s];
        std::fill(strategy.cells.begin(), strategy.cells.end(), Cell{});
        strategy.touched.clear();
        strategy.executed.clear();
        strategy.tripped = s < books.strategies.size() && books.strategies[s].tripped;
        if (s >= books.strategies.size()) continue;
        for (const std::int64_t time_ns : books.strategies[s].executed) strategy.executed.add(time_ns);
        for (const StoredPosition& position : books.strategies[s].held) {
            Cell& at = strategy.cells[position.contract];
            at.move(position.quantity);
            at.listed = true;
            strategy.touched.push_back(static_cast<std::uint32_t>(position.contract));
        }
    }
    for (std::size_t t = 0; t < trades_.size(); ++t) {
        trades_[t].account = books.trades[t].account;
        for (const StoredPosition& held : books.trades[t].held)
            trades_[t].held.push_back({static_cast<std::uint32_t>(held.contract), held.quantity});
    }
    for (std::size_t slot = 0; slot < orders_.size(); ++slot) {
        const auto& stored = books.slots[slot];
        WorkingOrder& order = orders_[slot];
        order.remaining = stored.remaining;
        order.limit_price = stored.limit_price;
        order.trade = stored.trade;
        order.account = stored.account;
        order.strategy = stored.strategy;
        order.generation = stored.generation;
        order.active_at = kNoSlot;
        std::vector<Leg> legs;
        for (const StoredPosition& leg : stored.legs)
            legs.push_back({static_cast<std::uint32_t>(leg.contract), leg.quantity});
        set_legs(order, legs);
    }
    std::copy(books.free.begin(), books.free.end(), free_.begin());
    free_begin_ = 0;
    free_end_ = books.free.size();
    active_count_ = 0;
    for (const std::uint32_t slot : books.active) activate(orders_[slot]);
    settle_all();
    return true;
}

void LimitEngine::restore_account(std::uint32_t number, const Books& books) {
    const Books::OfAccount& stored = books.accounts[number];
    Account& account = accounts_[number];
    account.open_orders = account.open_quantity = 0;
    account.debit = account.value = 0.0;
    account.held = account.unmarked = account.spanning = account.stocks = 0;
    account.stale_scenarios = true;
    account.touched.clear();
    std::fill(account.cells.begin(), account.cells.end(), Cell{});
    const std::size_t underlyings = account.protections.size();
    for (std::size_t u = 0; u < underlyings; ++u) {
        const Books::OfProtection& protection = books.protections[number * underlyings + u];
        account.protections[u].tripped = protection.tripped;
        account.protections[u].filled.refill(protection.filled);
    }
    account.state = stored.state;
    account.enabled = stored.enabled;
    account.cash = as_cash(stored.cash);
    account.messages = stored.messages;
    account.executions = stored.executions;
    account.sent.clear();
    for (const std::int64_t time_ns : stored.sent) account.sent.add(time_ns);
    account.recent = RecentOrders();
    for (const auto& [hash, time_ns] : stored.recent) account.recent.add(hash, time_ns);
    for (const StoredPosition& position : stored.held) {
        const auto contract = static_cast<std::uint32_t>(position.contract);
        Cell& at = cell(number, contract);
        at.move(position.quantity);
        at.listed = true;
        account.touched.push_back(contract);
        ++account.held;
        if (std::isnan(marks_[contract])) {
            ++account.unmarked;
        } else {
            account.value += static_cast<double>(position.quantity) * instruments_[contract].money_per_price *
                             marks_[contract];
        }
        if (contracts_[contract].kind == 0) {
            ++account.stocks;
        } else {
            curves_[number].move_position(contract, 0, position.quantity);
        }
    }
}

}  // namespace optionsib::risk
