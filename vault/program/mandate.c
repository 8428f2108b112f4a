// The mandate and who may change it; pause and recovery. What raises risk waits, what cuts it does not.
#include "vault.h"

// Two roles may both be unset; otherwise no two may be the same.
static int distinct(const Key *const *keys, u64 count) {
  for (u64 i = 0; i < count; i++)
    for (u64 j = i + 1; j < count; j++)
      if (!is_zero(keys[i]) && same_key(keys[i], keys[j])) return 0;
  return 1;
}

u64 check_mandate(const Mandate *m, const Vault *vault) {
  REQUIRE(!is_zero(&m->payout), ERROR_BAD_MANDATE);
  REQUIRE(m->trade_cap <= MAX_AMOUNT && m->total_cap <= MAX_AMOUNT && m->day_loss_cap <= MAX_AMOUNT &&
              m->lifetime_loss_cap <= MAX_AMOUNT,
          ERROR_BAD_MANDATE);
  REQUIRE(m->fee_bps <= MAX_FEE_BPS && m->max_duration <= MAX_DURATION, ERROR_BAD_MANDATE);
  REQUIRE(m->heartbeat_limit >= MIN_HEARTBEAT_LIMIT && m->heartbeat_limit <= MAX_HEARTBEAT_LIMIT, ERROR_BAD_MANDATE);
  REQUIRE(m->timelock >= MIN_TIMELOCK && m->timelock <= MAX_TIMELOCK, ERROR_BAD_MANDATE);
  const Key *signers[4] = {&vault->trader, &m->engine, &m->attestor, &m->recovery};
  const Key *accounts[5] = {&vault->funds, &vault->escrow, &m->payout, &m->settlement, &m->fee_account};
  REQUIRE(distinct(signers, 4) && distinct(accounts, 5), ERROR_KEYS_NOT_DISTINCT);
  return OK;
}

static int kept_or_revoked(const Key *old, const Key *new) { return is_zero(new) || same_key(old, new); }

static int only_cuts_risk(const Mandate *old, const Mandate *new) {
  return kept_or_revoked(&old->engine, &new->engine) && kept_or_revoked(&old->attestor, &new->attestor) &&
         kept_or_revoked(&old->settlement, &new->settlement) &&
         kept_or_revoked(&old->fee_account, &new->fee_account) && kept_or_revoked(&old->recovery, &new->recovery) &&
         same_key(&old->payout, &new->payout) && same_key(&old->symbols_hash, &new->symbols_hash) &&
         same_key(&old->mint_authority, &new->mint_authority) &&
         same_key(&old->freeze_authority, &new->freeze_authority) && new->trade_cap <= old->trade_cap &&
         new->total_cap <= old->total_cap && new->day_loss_cap <= old->day_loss_cap &&
         new->lifetime_loss_cap <= old->lifetime_loss_cap && new->fee_bps <= old->fee_bps &&
         new->max_duration <= old->max_duration && new->heartbeat_limit <= old->heartbeat_limit &&
         new->timelock >= old->timelock;
}

// A recovery belongs to the key that started it; a new engine has the whole heartbeat limit before it.
static u64 install(Vault *vault, const Mandate *mandate, u64 now) {
  if (!same_key(&vault->mandate.recovery, &mandate->recovery)) vault->recovery_ready = 0;
  if (!kept_or_revoked(&vault->mandate.engine, &mandate->engine)) vault->last_heartbeat = now;
  sol_memcpy_(&vault->mandate, mandate, sizeof(Mandate));
  vault->pending_ready = 0;
  sol_memset_(&vault->pending, 0, sizeof(Mandate));
  return add(vault->mandate_version, 1, &vault->mandate_version);
}

u64 propose(Context *c) {
  const ProposeArgs *args = (const ProposeArgs *)(c->data + 8);
  Vault *vault = c->vault;
  TRY(check_mandate(&args->mandate, vault));
  REQUIRE(same_key(c->role[ROLE_PAYOUT]->key, &args->mandate.payout), ERROR_WRONG_PAYOUT);
  const Slice pieces[1] = {{c->data, c->data_length}};
  REQUIRE(sol_sha256(pieces, 1, c->record.detail.bytes) == 0, ERROR_OVERFLOW);
  // A cut also drops what was pending: that one was written without it and would undo it.
  if (only_cuts_risk(&vault->mandate, &args->mandate)) return install(vault, &args->mandate, c->now);
  TRY(check_token_account(c->role[ROLE_PAYOUT], &vault->mint, ERROR_PAYOUT_FROZEN));
  sol_memcpy_(&vault->pending, &args->mandate, sizeof(Mandate));
  return add(c->now, vault->mandate.timelock, &vault->pending_ready);
}

u64 apply(Context *c) {
  REQUIRE(c->vault->pending_ready != 0, ERROR_NO_PROPOSAL);
  REQUIRE(c->now >= c->vault->pending_ready, ERROR_TIMELOCKED);
  Mandate mandate;
  sol_memcpy_(&mandate, &c->vault->pending, sizeof mandate);
  return install(c->vault, &mandate, c->now);
}

u64 cancel(Context *c) {
  REQUIRE(c->vault->pending_ready != 0, ERROR_NO_PROPOSAL);
  c->vault->pending_ready = 0;
  sol_memset_(&c->vault->pending, 0, sizeof(Mandate));
  return OK;
}

u64 pause(Context *c) {
  const Key *by = c->role[ROLE_AUTHORITY]->key;
  REQUIRE(same_key(by, &c->vault->trader) || (!is_zero(by) && same_key(by, &c->vault->mandate.engine)),
          ERROR_WRONG_ENGINE);
  REQUIRE(!c->vault->paused, ERROR_PAUSED);
  c->vault->paused = 1;
  return OK;
}

u64 unpause(Context *c) {
  REQUIRE(c->vault->paused, ERROR_NOT_PAUSED);
  c->vault->paused = 0;
  return OK;
}

u64 start_recovery(Context *c) {
  REQUIRE(c->vault->recovery_ready == 0, ERROR_RECOVERY_STARTED);
  return add(c->now, RECOVERY_DELAY, &c->vault->recovery_ready);
}

u64 cancel_recovery(Context *c) {
  REQUIRE(c->vault->recovery_ready != 0, ERROR_NO_RECOVERY);
  c->vault->recovery_ready = 0;
  return OK;
}
