// The Vault program: what its files share.
//
// Amounts are base units of the mint, at most MAX_AMOUNT where a rule computes with them, so that an amount times
// a rate in 1/10000 fits 64 bits. Times are Clock.unix_timestamp, below MAX_TIME. Sums go through `add` and `sub`.
#pragma once

#include "schema.h"

#define OK 0ull
#define REQUIRE(condition, error)                                                                                  \
  do {                                                                                                             \
    if (!(condition)) return (error);                                                                              \
  } while (0)
#define TRY(call)                                                                                                  \
  do {                                                                                                             \
    u64 failed_ = (call);                                                                                          \
    if (failed_) return failed_;                                                                                   \
  } while (0)

// An account of the instruction, in the memory that the runtime reads back.
typedef struct {
  Key *key;
  Key *owner;
  u64 *lamports;
  u64 *data_length;
  u8 *data;
  u64 rent_epoch;
  u8 signer, writable, executable, padding[5];
} Account;

typedef struct {
  const void *address;
  u64 length;
} Slice;

// An account of a call into another program, with SIGNER and WRITABLE.
typedef struct {
  const Account *account;
  u64 privileges;
} Party;

// One call; lives on the heap, which the runtime hands over zeroed.
typedef struct {
  const Key *program;
  const u8 *data;
  u64 data_length;
  u64 code;
  u64 now;
  Vault *vault;
  Trade *trade;
  Account *role[ROLE_COUNT];
  u64 account_count;
  Account account[MAX_ACCOUNTS];
  AuditRecord record;
} Context;

// --- The runtime's functions (all that the linker lets through) ------------------------------------------------
extern void sol_memcpy_(void *to, const void *from, u64 length);
extern void sol_memset_(void *to, u8 value, u64 length);
extern void sol_memcmp_(const void *a, const void *b, u64 length, int *result);
extern u64 sol_sha256(const Slice *pieces, u64 count, u8 *result);
extern void sol_log_data(const Slice *pieces, u64 count);
extern u64 sol_get_clock_sysvar(void *clock);
extern u64 sol_get_rent_sysvar(void *rent);
extern u64 sol_create_program_address(const Slice *seeds, u64 count, const Key *program, Key *address);
extern u64 sol_try_find_program_address(const Slice *seeds, u64 count, const Key *program, Key *address, u8 *bump);
extern u64 sol_invoke_signed_c(const void *instruction, const void *infos, u64 info_count, const void *seeds,
                               u64 seed_count);

// --- basics.c ------------------------------------------------------------------------------------------------
u64 add(u64 a, u64 b, u64 *sum);
u64 sub(u64 a, u64 b, u64 *difference);
int same_key(const Key *a, const Key *b);
int is_zero(const Key *key);
void copy_key(Key *to, const Key *from);
u64 read_clock(u64 *now);
u64 minimum_balance(u64 size, u64 *lamports);

// --- accounts.c ----------------------------------------------------------------------------------------------
u64 parse(u8 *input, Context *context);
u64 load(Context *context);
u64 vault_address(const Key *trader, const Key *program, Key *address, u8 *bump);
u64 create_account(Account *account, Account *payer, u64 size, const Key *owner, const Slice *signer);
void close_trade_if_done(Context *context);

// --- token.c -------------------------------------------------------------------------------------------------
u64 balance(const Account *token_account);
u64 check_token_account(const Account *account, const Key *mint, u64 frozen_error);
u64 check_own_token_account(const Account *account, const Context *context, u64 frozen_error);
int token_usable(const Account *account, const Key *mint);
u64 check_mint_authorities(const Account *mint, const Mandate *mandate);
u64 initialise_token_account(Account *account, Account *mint, const Key *owner);
u64 move_tokens(Context *context, Account *from, Account *to, Account *authority, u64 amount);
u64 invoke(const Key *program, const Party *parties, u64 count, const Slice *data, const Slice *signer);

// --- attestation.c -------------------------------------------------------------------------------------------
u64 refuse_durable_nonce(const Account *sysvar);
u64 check_attestation(const Account *sysvar, u64 index, const Key *attestor, const CloseMessage *message);

// --- audit.c -------------------------------------------------------------------------------------------------
u64 start_audit(Context *context);
u64 append_audit(Context *context);

// --- The instructions: funds.c, mandate.c, trade.c, settle.c ---------------------------------------------------
u64 create(Context *context);
u64 deposit(Context *context);
u64 withdraw(Context *context);
u64 sweep(Context *context);
u64 recover(Context *context);
u64 pause(Context *context);
u64 unpause(Context *context);
u64 propose(Context *context);
u64 apply(Context *context);
u64 cancel(Context *context);
u64 start_recovery(Context *context);
u64 cancel_recovery(Context *context);
u64 open(Context *context);
u64 reduce(Context *context);
u64 expire(Context *context);
u64 extend(Context *context);
u64 release(Context *context);
u64 heartbeat(Context *context);
u64 close(Context *context);
u64 pay_profit(Context *context);
u64 waive_profit(Context *context);

// mandate.c
u64 check_mandate(const Mandate *mandate, const Vault *vault);
