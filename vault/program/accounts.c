// The accounts of a call: parsing, the checks that every instruction shares, creating and closing.
#define SCHEMA_TABLES
#include "vault.h"

#define SYSTEM_TRANSFER 2
#define SYSTEM_ALLOCATE 8
#define SYSTEM_ASSIGN 1
#define NOT_A_DUPLICATE 0xff
#define GROWTH 10240  // room that the runtime leaves behind each account's data

static u64 read_code(Context *c) {
  REQUIRE(c->data_length >= 8, ERROR_BAD_DATA_LENGTH);
  c->code = *(const u64 *)c->data;
  REQUIRE(c->code < INSTRUCTION_COUNT, ERROR_UNKNOWN_INSTRUCTION);
  REQUIRE(c->data_length == RULES[c->code].data_length, ERROR_BAD_DATA_LENGTH);
  return OK;
}

static const Key *fixed_address(u64 flags) {
  if (flags & FIXED_TOKEN) return &PROGRAM_TOKEN;
  if (flags & FIXED_SYSTEM) return &PROGRAM_SYSTEM;
  if (flags & FIXED_SYSVAR) return &PROGRAM_INSTRUCTIONS;
  return 0;
}

// Reads the runtime's input (8-byte aligned throughout) and holds it against the instruction's rule.
u64 parse(u8 *input, Context *c) {
  u8 duplicate_of[MAX_ACCOUNTS];
  u8 *p = input + 8;
  c->account_count = *(u64 *)input;
  REQUIRE(c->account_count <= MAX_ACCOUNTS, ERROR_BAD_ACCOUNT_COUNT);
  for (u64 i = 0; i < c->account_count; i++) {
    duplicate_of[i] = *p;
    if (*p != NOT_A_DUPLICATE) {
      REQUIRE(*p < i, ERROR_DUPLICATE_ACCOUNT);
      c->account[i] = c->account[*p];
      p += 8;
      continue;
    }
    Account *a = &c->account[i];
    a->signer = p[1];
    a->writable = p[2];
    a->executable = p[3];
    a->key = (Key *)(p + 8);
    a->owner = (Key *)(p + 40);
    a->lamports = (u64 *)(p + 72);
    a->data_length = (u64 *)(p + 80);
    a->data = p + 88;
    p += 88 + ((*a->data_length + 7) & ~7ull) + GROWTH;
    a->rent_epoch = *(u64 *)p;
    p += 8;
  }
  c->data_length = *(u64 *)p;
  c->data = p + 8;
  c->program = (const Key *)(p + 8 + c->data_length);
  TRY(read_code(c));
  const InstructionRule *rule = &RULES[c->code];
  REQUIRE(c->account_count == rule->accounts, ERROR_BAD_ACCOUNT_COUNT);
  for (u64 i = 0; i < rule->accounts; i++) {
    Account *a = &c->account[i];
    u64 flags = rule->slot[i].flags;
    REQUIRE(duplicate_of[i] == NOT_A_DUPLICATE || (flags & ALIAS), ERROR_DUPLICATE_ACCOUNT);
    REQUIRE(!(flags & SIGNER) || a->signer, ERROR_MISSING_SIGNATURE);
    REQUIRE(!(flags & WRITABLE) || a->writable, ERROR_NOT_WRITABLE);
    const Key *fixed = fixed_address(flags);
    REQUIRE(!fixed || same_key(a->key, fixed), ERROR_WRONG_PROGRAM);
    c->role[rule->slot[i].role] = a;
  }
  if (!rule->durable_nonce) TRY(refuse_durable_nonce(c->role[ROLE_INSTRUCTIONS]));
  return read_clock(&c->now);
}

static u64 load_vault(Context *c, Account *a) {
  Key address;
  REQUIRE(same_key(a->owner, c->program), ERROR_WRONG_ACCOUNT_OWNER);
  REQUIRE(*a->data_length == sizeof(Vault) && ((Vault *)a->data)->tag == VAULT_TAG, ERROR_WRONG_ACCOUNT_TYPE);
  c->vault = (Vault *)a->data;
  const Slice seeds[3] = {{"vault", 5}, {&c->vault->trader, sizeof(Key)}, {&c->vault->vault_bump, 1}};
  REQUIRE(sol_create_program_address(seeds, 3, c->program, &address) == 0 && same_key(&address, a->key),
          ERROR_WRONG_ADDRESS);
  return OK;
}

static u64 load_trade(Context *c, Account *a) {
  Key address;
  REQUIRE(same_key(a->owner, c->program), ERROR_WRONG_ACCOUNT_OWNER);
  REQUIRE(*a->data_length == sizeof(Trade) && ((Trade *)a->data)->tag == TRADE_TAG, ERROR_WRONG_ACCOUNT_TYPE);
  c->trade = (Trade *)a->data;
  REQUIRE(same_key(&c->trade->vault, c->role[ROLE_VAULT]->key), ERROR_WRONG_VAULT);
  const Slice seeds[4] = {
      {"trade", 5}, {&c->trade->vault, sizeof(Key)}, {&c->trade->trade_id, 8}, {&c->trade->bump, 1}};
  REQUIRE(sol_create_program_address(seeds, 4, c->program, &address) == 0 && same_key(&address, a->key),
          ERROR_WRONG_ADDRESS);
  return OK;
}

// A key that was taken out of the mandate may still close and reduce the trades that were opened under it.
static int is_engine(const Context *c, const Key *key) {
  if (is_zero(key)) return 0;
  if (same_key(key, &c->vault->mandate.engine)) return 1;
  return (c->code == INSTRUCTION_CLOSE || c->code == INSTRUCTION_REDUCE) && same_key(key, &c->trade->engine);
}

// Loads vault and trade, and holds every account whose key they store against it. `create` has no vault yet.
u64 load(Context *c) {
  if (c->code == INSTRUCTION_CREATE) return OK;
  Account **role = c->role;
  TRY(load_vault(c, role[ROLE_VAULT]));
  const Vault *vault = c->vault;
  if (role[ROLE_TRADE] && c->code != INSTRUCTION_OPEN) TRY(load_trade(c, role[ROLE_TRADE]));
  if (role[ROLE_TRADER]) REQUIRE(same_key(role[ROLE_TRADER]->key, &vault->trader), ERROR_WRONG_TRADER);
  if (role[ROLE_ENGINE]) REQUIRE(is_engine(c, role[ROLE_ENGINE]->key), ERROR_WRONG_ENGINE);
  if (role[ROLE_RECOVERY])
    REQUIRE(!is_zero(role[ROLE_RECOVERY]->key) && same_key(role[ROLE_RECOVERY]->key, &vault->mandate.recovery),
            ERROR_WRONG_RECOVERY);
  if (role[ROLE_MINT]) REQUIRE(same_key(role[ROLE_MINT]->key, &vault->mint), ERROR_WRONG_MINT);
  if (role[ROLE_RENT_PAYER])
    REQUIRE(same_key(role[ROLE_RENT_PAYER]->key, &c->trade->rent_payer), ERROR_WRONG_RENT_PAYER);
  if (role[ROLE_SETTLEMENT])
    REQUIRE(same_key(role[ROLE_SETTLEMENT]->key, &c->trade->settlement), ERROR_WRONG_SETTLEMENT);
  if (role[ROLE_FEE_ACCOUNT])
    REQUIRE(same_key(role[ROLE_FEE_ACCOUNT]->key, &c->trade->fee_account), ERROR_WRONG_FEE_ACCOUNT);
  if (role[ROLE_FUNDS]) {
    REQUIRE(same_key(role[ROLE_FUNDS]->key, &vault->funds), ERROR_WRONG_FUNDS);
    TRY(check_own_token_account(role[ROLE_FUNDS], c, ERROR_FUNDS_FROZEN));
  }
  if (role[ROLE_ESCROW]) {
    REQUIRE(same_key(role[ROLE_ESCROW]->key, &vault->escrow), ERROR_WRONG_ESCROW);
    TRY(check_own_token_account(role[ROLE_ESCROW], c, ERROR_ESCROW_FROZEN));
    REQUIRE(balance(role[ROLE_ESCROW]) >= vault->open_amount, ERROR_ESCROW_SHORT);
  }
  return OK;
}

u64 vault_address(const Key *trader, const Key *program, Key *address, u8 *bump) {
  const Slice seeds[2] = {{"vault", 5}, {trader, sizeof(Key)}};
  REQUIRE(sol_try_find_program_address(seeds, 2, program, address, bump) == 0, ERROR_WRONG_ADDRESS);
  return OK;
}

static void put_u32(u8 *to, u32 value) { sol_memcpy_(to, &value, sizeof value); }

// Transfer, allocate and assign rather than CreateAccount: a stranger's lamports at the address must not be in the way.
u64 create_account(Account *account, Account *payer, u64 size, const Key *owner, const Slice *signer) {
  REQUIRE(same_key(account->owner, &PROGRAM_SYSTEM) && *account->data_length == 0, ERROR_ALREADY_EXISTS);
  u64 rent;
  TRY(minimum_balance(size, &rent));
  u8 data[36];
  if (*account->lamports < rent) {
    u64 missing = rent - *account->lamports;
    put_u32(data, SYSTEM_TRANSFER);
    sol_memcpy_(data + 4, &missing, 8);
    const Party parties[2] = {{payer, SIGNER | WRITABLE}, {account, WRITABLE}};
    TRY(invoke(&PROGRAM_SYSTEM, parties, 2, &(Slice){data, 12}, 0));
  }
  const Party parties[1] = {{account, SIGNER | WRITABLE}};
  put_u32(data, SYSTEM_ALLOCATE);
  sol_memcpy_(data + 4, &size, 8);
  TRY(invoke(&PROGRAM_SYSTEM, parties, 1, &(Slice){data, 12}, signer));
  put_u32(data, SYSTEM_ASSIGN);
  sol_memcpy_(data + 4, owner, sizeof(Key));
  return invoke(&PROGRAM_SYSTEM, parties, 1, &(Slice){data, 36}, signer);
}

// A trade that holds nothing and is owed nothing ends: its rent goes to who paid it, nothing of it stays to be revived.
void close_trade_if_done(Context *c) {
  if (c->trade->remaining != 0 || c->trade->receivable != 0) return;
  Account *a = c->role[ROLE_TRADE];
  c->vault->open_trades -= 1;  // each trade was counted when it was opened
  *c->role[ROLE_RENT_PAYER]->lamports += *a->lamports;  // all lamports there are stay below 2^63
  *a->lamports = 0;
  sol_memset_(a->data, 0, sizeof(Trade));
  *a->data_length = 0;
  sol_memset_(a->owner, 0, sizeof(Key));
  c->trade = 0;
}
