// The trader's money: create, deposit, withdraw, recover, sweep.
#include "vault.h"

#define MINT_SIZE 82
#define MINT_DECIMALS 44
#define MINT_INITIALISED 45

static u64 create_token_account(Context *c, Account *account, const char *name, u64 name_length, u8 *bump) {
  Key address;
  const Key *vault = c->role[ROLE_VAULT]->key;
  Slice seeds[3] = {{name, name_length}, {vault, sizeof(Key)}, {bump, 1}};
  REQUIRE(sol_try_find_program_address(seeds, 2, c->program, &address, bump) == 0 && same_key(&address, account->key),
          ERROR_WRONG_ADDRESS);
  TRY(create_account(account, c->role[ROLE_TRADER], 165, &PROGRAM_TOKEN, &(Slice){seeds, 3}));
  return initialise_token_account(account, c->role[ROLE_MINT], vault);
}

u64 create(Context *c) {
  const CreateArgs *args = (const CreateArgs *)(c->data + 8);
  Account *trader = c->role[ROLE_TRADER], *vault_account = c->role[ROLE_VAULT], *mint = c->role[ROLE_MINT];
  REQUIRE(same_key(mint->owner, &PROGRAM_TOKEN) && *mint->data_length == MINT_SIZE && mint->data[MINT_INITIALISED] == 1,
          ERROR_WRONG_MINT);
  Key address;
  u8 bumps[3];
  TRY(vault_address(trader->key, c->program, &address, &bumps[0]));
  REQUIRE(same_key(&address, vault_account->key), ERROR_WRONG_ADDRESS);
  const Slice seeds[3] = {{"vault", 5}, {trader->key, sizeof(Key)}, {&bumps[0], 1}};
  TRY(create_account(vault_account, trader, sizeof(Vault), c->program, &(Slice){seeds, 3}));
  TRY(create_token_account(c, c->role[ROLE_FUNDS], "funds", 5, &bumps[1]));
  TRY(create_token_account(c, c->role[ROLE_ESCROW], "escrow", 6, &bumps[2]));

  Vault *vault = c->vault = (Vault *)vault_account->data;
  vault->tag = VAULT_TAG;
  copy_key(&vault->trader, trader->key);
  copy_key(&vault->mint, mint->key);
  copy_key(&vault->funds, c->role[ROLE_FUNDS]->key);
  copy_key(&vault->escrow, c->role[ROLE_ESCROW]->key);
  copy_key(&vault->cluster, &args->cluster);
  vault->vault_bump = bumps[0];
  vault->funds_bump = bumps[1];
  vault->escrow_bump = bumps[2];
  vault->decimals = mint->data[MINT_DECIMALS];
  TRY(check_mandate(&args->mandate, vault));
  TRY(check_mint_authorities(mint, &args->mandate));
  REQUIRE(same_key(c->role[ROLE_PAYOUT]->key, &args->mandate.payout), ERROR_WRONG_PAYOUT);
  TRY(check_token_account(c->role[ROLE_PAYOUT], mint->key, ERROR_PAYOUT_FROZEN));
  sol_memcpy_(&vault->mandate, &args->mandate, sizeof(Mandate));
  vault->mandate_version = 1;
  vault->last_heartbeat = c->now;
  vault->id_window[0] = 1;  // there is no trade 0
  vault->loss_hour = c->now / HOUR;
  const Slice pieces[1] = {{c->data, c->data_length}};
  REQUIRE(sol_sha256(pieces, 1, c->record.detail.bytes) == 0, ERROR_OVERFLOW);
  return start_audit(c);
}

u64 deposit(Context *c) {
  const DepositArgs *args = (const DepositArgs *)(c->data + 8);
  Account *source = c->role[ROLE_SOURCE];
  REQUIRE(args->amount != 0, ERROR_AMOUNT_ZERO);
  TRY(check_token_account(source, &c->vault->mint, ERROR_BAD_TOKEN_ACCOUNT));
  REQUIRE(balance(source) >= args->amount, ERROR_INSUFFICIENT_FUNDS);
  c->record.amount = args->amount;
  return move_tokens(c, source, c->role[ROLE_FUNDS], c->role[ROLE_DEPOSITOR], args->amount);
}

static u64 pay_out(Context *c, u64 amount) {
  Account *payout = c->role[ROLE_PAYOUT];
  REQUIRE(amount != 0, ERROR_AMOUNT_ZERO);
  REQUIRE(same_key(payout->key, &c->vault->mandate.payout), ERROR_WRONG_PAYOUT);
  TRY(check_token_account(payout, &c->vault->mint, ERROR_PAYOUT_FROZEN));
  REQUIRE(balance(c->role[ROLE_FUNDS]) >= amount, ERROR_INSUFFICIENT_FUNDS);
  c->record.amount = amount;
  return move_tokens(c, c->role[ROLE_FUNDS], payout, c->role[ROLE_VAULT], amount);
}

u64 withdraw(Context *c) { return pay_out(c, ((const WithdrawArgs *)(c->data + 8))->amount); }

u64 recover(Context *c) {
  REQUIRE(c->vault->recovery_ready != 0, ERROR_NO_RECOVERY);
  REQUIRE(c->now >= c->vault->recovery_ready, ERROR_RECOVERY_TOO_EARLY);
  c->vault->paused = 1;
  return pay_out(c, balance(c->role[ROLE_FUNDS]));
}

u64 sweep(Context *c) {
  u64 excess;
  TRY(sub(balance(c->role[ROLE_ESCROW]), c->vault->open_amount, &excess));
  REQUIRE(excess != 0, ERROR_NOTHING_TO_SWEEP);
  c->record.amount = excess;
  return move_tokens(c, c->role[ROLE_ESCROW], c->role[ROLE_FUNDS], c->role[ROLE_VAULT], excess);
}
