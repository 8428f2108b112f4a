// The life of a trade without a result: open, reduce, expire, extend, release, heartbeat.
#include "vault.h"
#include "losses.h"

// Accepts each id once: anything above the highest by at most MAX_ID_STEP, or unused in the window below it. Bit i of the
// window stands for the id i below the highest.
static u64 take_id(Vault *vault, u64 id) {
  u64 *window = vault->id_window;
  if (id > vault->highest_id) {
    u64 step = id - vault->highest_id;
    REQUIRE(step <= MAX_ID_STEP, ERROR_TRADE_ID_TOO_FAR);
    u64 words = step / 64, bits = step % 64;
    for (u64 k = 4; k-- > 0;) {
      u64 low = k >= words ? window[k - words] : 0;
      u64 carry = bits && k >= words + 1 ? window[k - words - 1] >> (64 - bits) : 0;
      window[k] = low << bits | carry;
    }
    window[0] |= 1;
    vault->highest_id = id;
    return OK;
  }
  u64 below = vault->highest_id - id;
  REQUIRE(below < ID_WINDOW, ERROR_TRADE_ID_TOO_OLD);
  u64 bit = 1ull << below % 64;
  REQUIRE(!(window[below / 64] & bit), ERROR_TRADE_ID_USED);
  window[below / 64] |= bit;
  return OK;
}

// What may be lost from now on, this trade included, stays within both loss caps: a close is never refused for them.
static u64 reserve_loss_budget(Vault *vault, u64 amount, u64 now) {
  const Mandate *m = &vault->mandate;
  u64 open_amount, at_risk;
  REQUIRE(amount <= m->trade_cap, ERROR_OVER_TRADE_CAP);
  TRY(add(vault->open_amount, amount, &open_amount));
  REQUIRE(open_amount <= m->total_cap, ERROR_OVER_TOTAL_CAP);
  TRY(losses_of_a_day(vault, now, &at_risk));
  TRY(add(at_risk, open_amount, &at_risk));
  REQUIRE(at_risk <= m->day_loss_cap, ERROR_OVER_DAY_LOSS_CAP);
  TRY(add(vault->lifetime_loss, open_amount, &at_risk));
  REQUIRE(at_risk <= m->lifetime_loss_cap, ERROR_OVER_LIFETIME_LOSS_CAP);
  vault->open_amount = open_amount;
  return OK;
}

static u64 create_trade(Context *c, u64 id) {
  Key address;
  u8 bump;
  Account *account = c->role[ROLE_TRADE];
  const Slice seeds[4] = {{"trade", 5}, {c->role[ROLE_VAULT]->key, sizeof(Key)}, {&id, 8}, {&bump, 1}};
  REQUIRE(sol_try_find_program_address(seeds, 3, c->program, &address, &bump) == 0 && same_key(&address, account->key),
          ERROR_WRONG_ADDRESS);
  TRY(create_account(account, c->role[ROLE_ENGINE], sizeof(Trade), c->program, &(Slice){seeds, 4}));
  c->trade = (Trade *)account->data;
  c->trade->tag = TRADE_TAG;
  c->trade->trade_id = id;
  c->trade->bump = bump;
  return OK;
}

u64 open(Context *c) {
  const OpenArgs *args = (const OpenArgs *)(c->data + 8);
  Vault *vault = c->vault;
  const Mandate *m = &vault->mandate;
  REQUIRE(!vault->paused, ERROR_PAUSED);
  REQUIRE(vault->receivable == 0, ERROR_PROFIT_UNPAID);
  REQUIRE(!is_zero(&m->attestor) && !is_zero(&m->settlement), ERROR_KEY_REVOKED);
  REQUIRE(args->mandate_version == vault->mandate_version, ERROR_STALE_MANDATE);
  TRY(check_mint_authorities(c->role[ROLE_MINT], m));
  REQUIRE(args->amount != 0, ERROR_AMOUNT_ZERO);
  REQUIRE(args->amount <= MAX_AMOUNT, ERROR_AMOUNT_TOO_LARGE);
  u64 latest_expiry;
  TRY(add(c->now, m->max_duration, &latest_expiry));
  REQUIRE(args->expiry > c->now && args->expiry <= latest_expiry, ERROR_BAD_EXPIRY);
  TRY(take_id(vault, args->trade_id));
  TRY(reserve_loss_budget(vault, args->amount, c->now));
  REQUIRE(balance(c->role[ROLE_FUNDS]) >= args->amount, ERROR_INSUFFICIENT_FUNDS);
  TRY(create_trade(c, args->trade_id));

  Trade *trade = c->trade;
  copy_key(&trade->vault, c->role[ROLE_VAULT]->key);
  copy_key(&trade->order_hash, &args->order_hash);
  copy_key(&trade->rent_payer, c->role[ROLE_ENGINE]->key);
  copy_key(&trade->engine, &m->engine);
  copy_key(&trade->attestor, &m->attestor);
  copy_key(&trade->settlement, &m->settlement);
  copy_key(&trade->fee_account, &m->fee_account);
  trade->fee_bps = m->fee_bps;
  trade->amount = trade->remaining = args->amount;
  trade->opened_at = c->now;
  trade->expiry = args->expiry;
  trade->latest_expiry = latest_expiry;
  trade->heartbeat_limit = m->heartbeat_limit;
  trade->mandate_version = vault->mandate_version;
  vault->last_heartbeat = c->now;
  TRY(add(vault->open_trades, 1, &vault->open_trades));
  c->record.trade_id = args->trade_id;
  c->record.amount = args->amount;
  copy_key(&c->record.detail, &args->order_hash);
  return move_tokens(c, c->role[ROLE_FUNDS], c->role[ROLE_ESCROW], c->role[ROLE_VAULT], args->amount);
}

static u64 give_back(Context *c, u64 amount) {
  c->record.trade_id = c->trade->trade_id;
  c->record.amount = amount;
  TRY(sub(c->trade->remaining, amount, &c->trade->remaining));
  TRY(sub(c->vault->open_amount, amount, &c->vault->open_amount));
  TRY(move_tokens(c, c->role[ROLE_ESCROW], c->role[ROLE_FUNDS], c->role[ROLE_VAULT], amount));
  close_trade_if_done(c);
  return OK;
}

u64 reduce(Context *c) {
  const ReduceArgs *args = (const ReduceArgs *)(c->data + 8);
  REQUIRE(args->amount != 0, ERROR_AMOUNT_ZERO);
  REQUIRE(args->amount <= c->trade->remaining, ERROR_SHARE_TOO_LARGE);
  return give_back(c, args->amount);
}

u64 expire(Context *c) {
  REQUIRE(c->now >= c->trade->expiry, ERROR_NOT_EXPIRED);
  REQUIRE(c->trade->remaining != 0, ERROR_NOTHING_TO_RETURN);
  return give_back(c, c->trade->remaining);
}

// The limit is the one the trade was opened under: cutting the mandate's must not take a running trade from a live engine.
u64 release(Context *c) {
  u64 silent_until;
  TRY(add(c->vault->last_heartbeat, c->trade->heartbeat_limit, &silent_until));
  REQUIRE(c->now >= silent_until, ERROR_ENGINE_ALIVE);
  REQUIRE(c->trade->remaining != 0, ERROR_NOTHING_TO_RETURN);
  return give_back(c, c->trade->remaining);
}

u64 extend(Context *c) {
  const ExtendArgs *args = (const ExtendArgs *)(c->data + 8);
  REQUIRE(!c->vault->paused, ERROR_PAUSED);
  REQUIRE(c->now < c->trade->expiry, ERROR_EXPIRED);
  REQUIRE(args->expiry > c->trade->expiry && args->expiry <= c->trade->latest_expiry, ERROR_BAD_EXPIRY);
  c->trade->expiry = args->expiry;
  c->record.trade_id = c->trade->trade_id;
  c->record.amount = args->expiry;
  return OK;
}

u64 heartbeat(Context *c) {
  c->vault->last_heartbeat = c->now;
  return OK;
}
