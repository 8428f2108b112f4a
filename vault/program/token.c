// SPL Token: what an account must look like, and the only two calls that are made: initialise and TransferChecked.
#include "vault.h"

#define TOKEN_ACCOUNT_SIZE 165
#define FROZEN 2

typedef struct {
  Key mint, owner;
  u64 amount;
  u32 delegate_is_set;
  Key delegate;
  u8 state, rest[56];
} TokenAccount;  // the fields after `state` are read by offset: they are not aligned
_Static_assert(sizeof(TokenAccount) == 168, "TokenAccount");
_Static_assert(__builtin_offsetof(TokenAccount, state) == 108, "TokenAccount.state");

static const TokenAccount *token(const Account *account) { return (const TokenAccount *)account->data; }

static int all_zero(const u8 *bytes, u64 count) {
  for (u64 i = 0; i < count; i++)
    if (bytes[i]) return 0;
  return 1;
}

u64 balance(const Account *account) { return token(account)->amount; }

static int is_token_account(const Account *account) {
  return same_key(account->owner, &PROGRAM_TOKEN) && *account->data_length == TOKEN_ACCOUNT_SIZE &&
         token(account)->state != 0;
}

u64 check_token_account(const Account *account, const Key *mint, u64 frozen_error) {
  REQUIRE(is_token_account(account), ERROR_BAD_TOKEN_ACCOUNT);
  REQUIRE(same_key(&token(account)->mint, mint), ERROR_WRONG_MINT);
  REQUIRE(token(account)->state != FROZEN, frozen_error);
  return OK;
}

// Nothing but the vault may ever move or close its token accounts. Option tags: delegate at 72, native at 109, close
// authority at 129.
u64 check_own_token_account(const Account *account, const Context *context, u64 frozen_error) {
  REQUIRE(is_token_account(account), ERROR_BAD_TOKEN_ACCOUNT);
  REQUIRE(same_key(&token(account)->mint, &context->vault->mint), ERROR_WRONG_MINT);
  REQUIRE(same_key(&token(account)->owner, context->role[ROLE_VAULT]->key) && all_zero(account->data + 72, 4) &&
              all_zero(account->data + 109, 4) && all_zero(account->data + 129, 4),
          ERROR_TAINTED_TOKEN_ACCOUNT);
  REQUIRE(token(account)->state != FROZEN, frozen_error);
  return OK;
}

// Whether a foreign account can take part in a transfer of this instruction.
int token_usable(const Account *account, const Key *mint) {
  return account->writable && is_token_account(account) && same_key(&token(account)->mint, mint) &&
         token(account)->state != FROZEN;
}

static int option_equals(const u8 *option, const Key *expected) {
  if (!all_zero(option, 4)) return same_key((const Key *)(option + 4), expected);
  return is_zero(expected);
}

// A mint with other authorities than the trader agreed to takes no more opens. Option tags at 0 and 46.
u64 check_mint_authorities(const Account *mint, const Mandate *mandate) {
  REQUIRE(option_equals(mint->data, &mandate->mint_authority) && option_equals(mint->data + 46, &mandate->freeze_authority),
          ERROR_MINT_CHANGED);
  return OK;
}

// The runtime's C ABI for calls into other programs.
typedef struct {
  const Key *key;
  u8 writable, signer, padding[6];
} Meta;

typedef struct {
  const Key *program;
  const Meta *accounts;
  u64 account_count;
  const u8 *data;
  u64 data_length;
} Instruction;

typedef struct {
  const Key *key;
  u64 *lamports;
  u64 data_length;
  u8 *data;
  const Key *owner;
  u64 rent_epoch;
  u8 signer, writable, executable, padding[5];
} Info;

// `signer`: the seeds (with bump) of the address that signs by derivation, or null. At most four parties.
u64 invoke(const Key *program, const Party *parties, u64 count, const Slice *data, const Slice *signer) {
  Meta metas[4];
  Info infos[4];
  for (u64 i = 0; i < count; i++) {
    const Account *a = parties[i].account;
    u64 privileges = parties[i].privileges;
    metas[i] = (Meta){a->key, (privileges & WRITABLE) != 0, (privileges & SIGNER) != 0, {0}};
    infos[i] = (Info){a->key,   a->lamports, *a->data_length, a->data,      a->owner,
                      a->rent_epoch, a->signer,   a->writable,     a->executable, {0}};
  }
  Instruction instruction = {program, metas, count, data->address, data->length};
  return sol_invoke_signed_c(&instruction, infos, count, signer, signer ? 1 : 0);
}

u64 initialise_token_account(Account *account, Account *mint, const Key *owner) {
  u8 data[33];
  data[0] = 18;  // InitializeAccount3
  sol_memcpy_(data + 1, owner, sizeof(Key));
  const Party parties[2] = {{account, WRITABLE}, {mint, 0}};
  return invoke(&PROGRAM_TOKEN, parties, 2, &(Slice){data, sizeof data}, 0);
}

// TransferChecked, and both balances read again. `authority` signed the transaction, or is the vault.
u64 move_tokens(Context *context, Account *from, Account *to, Account *authority, u64 amount) {
  if (amount == 0) return OK;
  u64 from_after, to_after;
  TRY(sub(balance(from), amount, &from_after));
  TRY(add(balance(to), amount, &to_after));
  u8 data[10];
  data[0] = 12;  // TransferChecked
  sol_memcpy_(data + 1, &amount, sizeof amount);
  data[9] = context->vault->decimals;
  const Party parties[4] = {{from, WRITABLE}, {context->role[ROLE_MINT], 0}, {to, WRITABLE}, {authority, SIGNER}};
  const Slice seeds[3] = {{"vault", 5}, {&context->vault->trader, sizeof(Key)}, {&context->vault->vault_bump, 1}};
  const Slice vault_signs = {seeds, 3};
  TRY(invoke(&PROGRAM_TOKEN, parties, 4, &(Slice){data, sizeof data},
             authority == context->role[ROLE_VAULT] ? &vault_signs : 0));
  REQUIRE(balance(from) == from_after && balance(to) == to_after, ERROR_BALANCE_MISMATCH);
  return OK;
}
