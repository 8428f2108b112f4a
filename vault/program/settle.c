// The result of a trade: close with an attested profit or loss, pay_profit, waive_profit.
#include "vault.h"
#include "losses.h"

// Profit into the vault, and the fee out of it: rate x what lifts the realised result above its highest so far. The
// gain is at most `profit`, because the result before was at or below that mark. A fee account that cannot take the fee
// waives it: it must not be able to stop a close.
static u64 take_profit(Context *c, u64 profit) {
  Vault *vault = c->vault;
  TRY(move_tokens(c, c->role[ROLE_SETTLEMENT], c->role[ROLE_FUNDS], c->role[ROLE_SETTLEMENT_AUTHORITY], profit));
  TRY(add(vault->received_profit, profit, &vault->received_profit));
  u64 mark;
  TRY(add(vault->lifetime_loss, vault->high_water, &mark));
  if (vault->received_profit <= mark) return OK;
  u64 gain = vault->received_profit - mark;
  TRY(add(vault->high_water, gain, &vault->high_water));
  REQUIRE(gain <= MAX_AMOUNT, ERROR_AMOUNT_TOO_LARGE);
  u64 fee = gain * c->trade->fee_bps / BPS;
  Account *to = c->role[ROLE_FEE_ACCOUNT];
  if (fee == 0 || check_token_account(to, &vault->mint, ERROR_BAD_TOKEN_ACCOUNT)) return OK;
  REQUIRE(to->writable, ERROR_NOT_WRITABLE);  // or whoever submits could waive another's fee
  c->record.fee = fee;
  return move_tokens(c, c->role[ROLE_FUNDS], to, c->role[ROLE_VAULT], fee);
}

static int can_pay(const Context *c, u64 profit) {
  const Account *from = c->role[ROLE_SETTLEMENT], *by = c->role[ROLE_SETTLEMENT_AUTHORITY];
  return by->signer && token_usable(from, &c->vault->mint) && same_key((const Key *)(from->data + 32), by->key) &&
         balance(from) >= profit;
}

static u64 settle_profit(Context *c, u64 profit) {
  if (can_pay(c, profit)) return take_profit(c, profit);
  TRY(add(c->trade->receivable, profit, &c->trade->receivable));
  return add(c->vault->receivable, profit, &c->vault->receivable);
}

static u64 settle_loss(Context *c, u64 loss) {
  REQUIRE(token_usable(c->role[ROLE_SETTLEMENT], &c->vault->mint), ERROR_SETTLEMENT_UNUSABLE);
  TRY(book_loss(c->vault, c->now, loss));
  return move_tokens(c, c->role[ROLE_ESCROW], c->role[ROLE_SETTLEMENT], c->role[ROLE_VAULT], loss);
}

static void attested(const Context *c, const CloseArgs *args, CloseMessage *message) {
  copy_key(&message->domain, &CLOSE_DOMAIN);
  copy_key(&message->cluster, &c->vault->cluster);
  copy_key(&message->program, c->program);
  copy_key(&message->vault, c->role[ROLE_VAULT]->key);
  message->trade_id = c->trade->trade_id;
  message->close_number = args->close_number;
  message->share = args->share;
  message->pnl = args->pnl;
  copy_key(&message->executions_hash, &args->executions_hash);
  message->valid_until = args->valid_until;
}

u64 close(Context *c) {
  const CloseArgs *args = (const CloseArgs *)(c->data + 8);
  Trade *trade = c->trade;
  int lost = args->pnl < 0;
  u64 size = lost ? 0 - (u64)args->pnl : (u64)args->pnl;  // also right for the least s64
  REQUIRE(c->now < trade->expiry, ERROR_EXPIRED);
  REQUIRE(args->share != 0, ERROR_AMOUNT_ZERO);
  REQUIRE(args->share <= trade->remaining, ERROR_SHARE_TOO_LARGE);
  REQUIRE(size <= MAX_AMOUNT, ERROR_AMOUNT_TOO_LARGE);
  REQUIRE(!lost || size <= args->share, ERROR_LOSS_TOO_LARGE);
  REQUIRE(args->close_number == trade->closes, ERROR_WRONG_CLOSE_NUMBER);
  REQUIRE(c->now <= args->valid_until, ERROR_ATTESTATION_LATE);
  CloseMessage message;
  attested(c, args, &message);
  TRY(check_attestation(c->role[ROLE_INSTRUCTIONS], args->signature_instruction, &trade->attestor, &message));

  TRY(add(trade->closes, 1, &trade->closes));
  TRY(sub(trade->remaining, args->share, &trade->remaining));
  TRY(sub(c->vault->open_amount, args->share, &c->vault->open_amount));
  c->record.trade_id = trade->trade_id;
  c->record.amount = args->share;
  c->record.pnl = args->pnl;
  copy_key(&c->record.detail, &args->executions_hash);
  u64 principal = args->share - (lost ? size : 0);
  TRY(move_tokens(c, c->role[ROLE_ESCROW], c->role[ROLE_FUNDS], c->role[ROLE_VAULT], principal));
  if (size) TRY(lost ? settle_loss(c, size) : settle_profit(c, size));
  close_trade_if_done(c);
  return OK;
}

static u64 clear_receivable(Context *c, u64 amount) {
  TRY(sub(c->trade->receivable, amount, &c->trade->receivable));
  return sub(c->vault->receivable, amount, &c->vault->receivable);
}

u64 pay_profit(Context *c) {
  const PayProfitArgs *args = (const PayProfitArgs *)(c->data + 8);
  REQUIRE(c->trade->receivable != 0, ERROR_NOTHING_OWED);
  REQUIRE(args->amount != 0, ERROR_AMOUNT_ZERO);
  REQUIRE(args->amount <= c->trade->receivable, ERROR_OVERPAID);
  REQUIRE(balance(c->role[ROLE_SETTLEMENT]) >= args->amount, ERROR_INSUFFICIENT_SETTLEMENT);
  REQUIRE(can_pay(c, args->amount), ERROR_SETTLEMENT_UNUSABLE);
  c->record.trade_id = c->trade->trade_id;
  c->record.amount = args->amount;
  TRY(clear_receivable(c, args->amount));
  TRY(take_profit(c, args->amount));
  close_trade_if_done(c);
  return OK;
}

u64 waive_profit(Context *c) {
  u64 owed = c->trade->receivable;
  REQUIRE(owed != 0, ERROR_NOTHING_OWED);
  c->record.trade_id = c->trade->trade_id;
  c->record.amount = owed;
  TRY(clear_receivable(c, owed));
  close_trade_if_done(c);
  return OK;
}
