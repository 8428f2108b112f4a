// Generated from vault.json by vault/generate_header.py; do not edit.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;
typedef struct {
  u8 bytes[32];
} Key;

#define MAX_AMOUNT 1125899906842624ull
#define MAX_TIME 1099511627776ull
#define BPS 10000ull
#define MAX_FEE_BPS 5000ull
#define HOUR 3600ull
#define LOSS_BUCKETS 25ull
#define ID_WINDOW 256ull
#define MAX_ID_STEP 65536ull
#define MIN_HEARTBEAT_LIMIT 86400ull
#define MAX_HEARTBEAT_LIMIT 31536000ull
#define MIN_TIMELOCK 86400ull
#define MAX_TIMELOCK 2592000ull
#define MAX_DURATION 31622400ull
#define RECOVERY_DELAY 2592000ull
#define VAULT_TAG 6074323736524376399ull
#define TRADE_TAG 4991186108890106191ull
#define FIRST_VENUE_INSTRUCTION 64ull
#define LAST_VENUE_INSTRUCTION 127ull

#define ERROR_UNKNOWN_INSTRUCTION 6000ull
#define ERROR_BAD_DATA_LENGTH 6001ull
#define ERROR_BAD_ACCOUNT_COUNT 6002ull
#define ERROR_DUPLICATE_ACCOUNT 6003ull
#define ERROR_MISSING_SIGNATURE 6004ull
#define ERROR_NOT_WRITABLE 6005ull
#define ERROR_WRONG_PROGRAM 6006ull
#define ERROR_WRONG_ACCOUNT_OWNER 6007ull
#define ERROR_WRONG_ACCOUNT_TYPE 6008ull
#define ERROR_WRONG_ADDRESS 6009ull
#define ERROR_ALREADY_EXISTS 6010ull
#define ERROR_WRONG_TRADER 6011ull
#define ERROR_WRONG_ENGINE 6012ull
#define ERROR_WRONG_RECOVERY 6013ull
#define ERROR_WRONG_MINT 6014ull
#define ERROR_WRONG_FUNDS 6015ull
#define ERROR_WRONG_ESCROW 6016ull
#define ERROR_WRONG_PAYOUT 6017ull
#define ERROR_WRONG_SETTLEMENT 6018ull
#define ERROR_WRONG_FEE_ACCOUNT 6019ull
#define ERROR_WRONG_RENT_PAYER 6020ull
#define ERROR_WRONG_VAULT 6021ull
#define ERROR_BAD_TOKEN_ACCOUNT 6022ull
#define ERROR_TAINTED_TOKEN_ACCOUNT 6023ull
#define ERROR_FUNDS_FROZEN 6024ull
#define ERROR_ESCROW_FROZEN 6025ull
#define ERROR_PAYOUT_FROZEN 6026ull
#define ERROR_SETTLEMENT_UNUSABLE 6027ull
#define ERROR_INSUFFICIENT_FUNDS 6028ull
#define ERROR_INSUFFICIENT_SETTLEMENT 6029ull
#define ERROR_ESCROW_SHORT 6030ull
#define ERROR_AMOUNT_ZERO 6031ull
#define ERROR_AMOUNT_TOO_LARGE 6032ull
#define ERROR_OVERFLOW 6033ull
#define ERROR_BAD_CLOCK 6034ull
#define ERROR_BAD_RENT 6035ull
#define ERROR_DURABLE_NONCE 6036ull
#define ERROR_PAUSED 6037ull
#define ERROR_NOT_PAUSED 6038ull
#define ERROR_PROFIT_UNPAID 6039ull
#define ERROR_KEY_REVOKED 6040ull
#define ERROR_STALE_MANDATE 6041ull
#define ERROR_MINT_CHANGED 6042ull
#define ERROR_TRADE_ID_USED 6043ull
#define ERROR_TRADE_ID_TOO_OLD 6044ull
#define ERROR_TRADE_ID_TOO_FAR 6045ull
#define ERROR_OVER_TRADE_CAP 6046ull
#define ERROR_OVER_TOTAL_CAP 6047ull
#define ERROR_OVER_DAY_LOSS_CAP 6048ull
#define ERROR_OVER_LIFETIME_LOSS_CAP 6049ull
#define ERROR_BAD_EXPIRY 6050ull
#define ERROR_EXPIRED 6051ull
#define ERROR_NOT_EXPIRED 6052ull
#define ERROR_SHARE_TOO_LARGE 6053ull
#define ERROR_LOSS_TOO_LARGE 6054ull
#define ERROR_WRONG_CLOSE_NUMBER 6055ull
#define ERROR_ATTESTATION_LATE 6056ull
#define ERROR_ATTESTATION_MISSING 6057ull
#define ERROR_ATTESTATION_MALFORMED 6058ull
#define ERROR_ATTESTATION_WRONG_KEY 6059ull
#define ERROR_ATTESTATION_WRONG_MESSAGE 6060ull
#define ERROR_NOTHING_OWED 6061ull
#define ERROR_OVERPAID 6062ull
#define ERROR_ENGINE_ALIVE 6063ull
#define ERROR_BAD_MANDATE 6064ull
#define ERROR_KEYS_NOT_DISTINCT 6065ull
#define ERROR_NO_PROPOSAL 6066ull
#define ERROR_TIMELOCKED 6067ull
#define ERROR_NO_RECOVERY 6068ull
#define ERROR_RECOVERY_STARTED 6069ull
#define ERROR_RECOVERY_TOO_EARLY 6070ull
#define ERROR_NOTHING_TO_SWEEP 6071ull
#define ERROR_NOTHING_TO_RETURN 6072ull
#define ERROR_BALANCE_MISMATCH 6073ull
#define ERROR_BAD_SYSVAR 6074ull

typedef struct {
  Key engine;
  Key attestor;
  Key settlement;
  Key fee_account;
  Key payout;
  Key recovery;
  Key symbols_hash;
  Key mint_authority;
  Key freeze_authority;
  u64 trade_cap;
  u64 total_cap;
  u64 day_loss_cap;
  u64 lifetime_loss_cap;
  u64 fee_bps;
  u64 max_duration;
  u64 heartbeat_limit;
  u64 timelock;
} Mandate;
_Static_assert(__builtin_offsetof(Mandate, engine) == 0, "Mandate has a gap");
_Static_assert(__builtin_offsetof(Mandate, attestor) == 32, "Mandate has a gap");
_Static_assert(__builtin_offsetof(Mandate, settlement) == 64, "Mandate has a gap");
_Static_assert(__builtin_offsetof(Mandate, fee_account) == 96, "Mandate has a gap");
_Static_assert(__builtin_offsetof(Mandate, payout) == 128, "Mandate has a gap");
_Static_assert(__builtin_offsetof(Mandate, recovery) == 160, "Mandate has a gap");
_Static_assert(__builtin_offsetof(Mandate, symbols_hash) == 192, "Mandate has a gap");
_Static_assert(__builtin_offsetof(Mandate, mint_authority) == 224, "Mandate has a gap");
_Static_assert(__builtin_offsetof(Mandate, freeze_authority) == 256, "Mandate has a gap");
_Static_assert(__builtin_offsetof(Mandate, trade_cap) == 288, "Mandate has a gap");
_Static_assert(__builtin_offsetof(Mandate, total_cap) == 296, "Mandate has a gap");
_Static_assert(__builtin_offsetof(Mandate, day_loss_cap) == 304, "Mandate has a gap");
_Static_assert(__builtin_offsetof(Mandate, lifetime_loss_cap) == 312, "Mandate has a gap");
_Static_assert(__builtin_offsetof(Mandate, fee_bps) == 320, "Mandate has a gap");
_Static_assert(__builtin_offsetof(Mandate, max_duration) == 328, "Mandate has a gap");
_Static_assert(__builtin_offsetof(Mandate, heartbeat_limit) == 336, "Mandate has a gap");
_Static_assert(__builtin_offsetof(Mandate, timelock) == 344, "Mandate has a gap");
_Static_assert(sizeof(Mandate) == 352, "Mandate has a tail");

typedef struct {
  u64 tag;
  Key trader;
  Key mint;
  Key funds;
  Key escrow;
  Key cluster;
  u8 vault_bump;
  u8 funds_bump;
  u8 escrow_bump;
  u8 decimals;
  u8 paused;
  u8 padding[3];
  Mandate mandate;
  u64 mandate_version;
  Mandate pending;
  u64 pending_ready;
  u64 recovery_ready;
  u64 last_heartbeat;
  u64 open_amount;
  u64 open_trades;
  u64 receivable;
  u64 highest_id;
  u64 id_window[4];
  u64 loss_hour;
  u64 losses[25];
  u64 lifetime_loss;
  u64 received_profit;
  u64 high_water;
  u64 sequence;
  Key audit;
} Vault;
_Static_assert(__builtin_offsetof(Vault, tag) == 0, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, trader) == 8, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, mint) == 40, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, funds) == 72, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, escrow) == 104, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, cluster) == 136, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, vault_bump) == 168, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, funds_bump) == 169, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, escrow_bump) == 170, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, decimals) == 171, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, paused) == 172, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, padding) == 173, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, mandate) == 176, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, mandate_version) == 528, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, pending) == 536, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, pending_ready) == 888, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, recovery_ready) == 896, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, last_heartbeat) == 904, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, open_amount) == 912, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, open_trades) == 920, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, receivable) == 928, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, highest_id) == 936, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, id_window) == 944, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, loss_hour) == 976, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, losses) == 984, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, lifetime_loss) == 1184, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, received_profit) == 1192, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, high_water) == 1200, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, sequence) == 1208, "Vault has a gap");
_Static_assert(__builtin_offsetof(Vault, audit) == 1216, "Vault has a gap");
_Static_assert(sizeof(Vault) == 1248, "Vault has a tail");

typedef struct {
  u64 tag;
  Key vault;
  u64 trade_id;
  Key order_hash;
  Key rent_payer;
  Key engine;
  Key attestor;
  Key settlement;
  Key fee_account;
  u64 fee_bps;
  u64 amount;
  u64 remaining;
  u64 receivable;
  u64 opened_at;
  u64 expiry;
  u64 latest_expiry;
  u64 heartbeat_limit;
  u64 closes;
  u64 mandate_version;
  u8 bump;
  u8 padding[7];
} Trade;
_Static_assert(__builtin_offsetof(Trade, tag) == 0, "Trade has a gap");
_Static_assert(__builtin_offsetof(Trade, vault) == 8, "Trade has a gap");
_Static_assert(__builtin_offsetof(Trade, trade_id) == 40, "Trade has a gap");
_Static_assert(__builtin_offsetof(Trade, order_hash) == 48, "Trade has a gap");
_Static_assert(__builtin_offsetof(Trade, rent_payer) == 80, "Trade has a gap");
_Static_assert(__builtin_offsetof(Trade, engine) == 112, "Trade has a gap");
_Static_assert(__builtin_offsetof(Trade, attestor) == 144, "Trade has a gap");
_Static_assert(__builtin_offsetof(Trade, settlement) == 176, "Trade has a gap");
_Static_assert(__builtin_offsetof(Trade, fee_account) == 208, "Trade has a gap");
_Static_assert(__builtin_offsetof(Trade, fee_bps) == 240, "Trade has a gap");
_Static_assert(__builtin_offsetof(Trade, amount) == 248, "Trade has a gap");
_Static_assert(__builtin_offsetof(Trade, remaining) == 256, "Trade has a gap");
_Static_assert(__builtin_offsetof(Trade, receivable) == 264, "Trade has a gap");
_Static_assert(__builtin_offsetof(Trade, opened_at) == 272, "Trade has a gap");
_Static_assert(__builtin_offsetof(Trade, expiry) == 280, "Trade has a gap");
_Static_assert(__builtin_offsetof(Trade, latest_expiry) == 288, "Trade has a gap");
_Static_assert(__builtin_offsetof(Trade, heartbeat_limit) == 296, "Trade has a gap");
_Static_assert(__builtin_offsetof(Trade, closes) == 304, "Trade has a gap");
_Static_assert(__builtin_offsetof(Trade, mandate_version) == 312, "Trade has a gap");
_Static_assert(__builtin_offsetof(Trade, bump) == 320, "Trade has a gap");
_Static_assert(__builtin_offsetof(Trade, padding) == 321, "Trade has a gap");
_Static_assert(sizeof(Trade) == 328, "Trade has a tail");

typedef struct {
  u64 kind;
  u64 sequence;
  u64 time;
  u64 trade_id;
  u64 amount;
  s64 pnl;
  u64 fee;
  Key detail;
} AuditRecord;
_Static_assert(__builtin_offsetof(AuditRecord, kind) == 0, "AuditRecord has a gap");
_Static_assert(__builtin_offsetof(AuditRecord, sequence) == 8, "AuditRecord has a gap");
_Static_assert(__builtin_offsetof(AuditRecord, time) == 16, "AuditRecord has a gap");
_Static_assert(__builtin_offsetof(AuditRecord, trade_id) == 24, "AuditRecord has a gap");
_Static_assert(__builtin_offsetof(AuditRecord, amount) == 32, "AuditRecord has a gap");
_Static_assert(__builtin_offsetof(AuditRecord, pnl) == 40, "AuditRecord has a gap");
_Static_assert(__builtin_offsetof(AuditRecord, fee) == 48, "AuditRecord has a gap");
_Static_assert(__builtin_offsetof(AuditRecord, detail) == 56, "AuditRecord has a gap");
_Static_assert(sizeof(AuditRecord) == 88, "AuditRecord has a tail");

typedef struct {
  Key domain;
  Key cluster;
  Key program;
  Key vault;
  u64 trade_id;
  u64 close_number;
  u64 share;
  s64 pnl;
  Key executions_hash;
  u64 valid_until;
} CloseMessage;
_Static_assert(__builtin_offsetof(CloseMessage, domain) == 0, "CloseMessage has a gap");
_Static_assert(__builtin_offsetof(CloseMessage, cluster) == 32, "CloseMessage has a gap");
_Static_assert(__builtin_offsetof(CloseMessage, program) == 64, "CloseMessage has a gap");
_Static_assert(__builtin_offsetof(CloseMessage, vault) == 96, "CloseMessage has a gap");
_Static_assert(__builtin_offsetof(CloseMessage, trade_id) == 128, "CloseMessage has a gap");
_Static_assert(__builtin_offsetof(CloseMessage, close_number) == 136, "CloseMessage has a gap");
_Static_assert(__builtin_offsetof(CloseMessage, share) == 144, "CloseMessage has a gap");
_Static_assert(__builtin_offsetof(CloseMessage, pnl) == 152, "CloseMessage has a gap");
_Static_assert(__builtin_offsetof(CloseMessage, executions_hash) == 160, "CloseMessage has a gap");
_Static_assert(__builtin_offsetof(CloseMessage, valid_until) == 192, "CloseMessage has a gap");
_Static_assert(sizeof(CloseMessage) == 200, "CloseMessage has a tail");

typedef struct {
  Key domain;
  Key program;
  Key vault;
  Key cluster;
} AuditSeed;
_Static_assert(__builtin_offsetof(AuditSeed, domain) == 0, "AuditSeed has a gap");
_Static_assert(__builtin_offsetof(AuditSeed, program) == 32, "AuditSeed has a gap");
_Static_assert(__builtin_offsetof(AuditSeed, vault) == 64, "AuditSeed has a gap");
_Static_assert(__builtin_offsetof(AuditSeed, cluster) == 96, "AuditSeed has a gap");
_Static_assert(sizeof(AuditSeed) == 128, "AuditSeed has a tail");

typedef struct {
  Key cluster;
  Mandate mandate;
} CreateArgs;
_Static_assert(__builtin_offsetof(CreateArgs, cluster) == 0, "CreateArgs has a gap");
_Static_assert(__builtin_offsetof(CreateArgs, mandate) == 32, "CreateArgs has a gap");
_Static_assert(sizeof(CreateArgs) == 384, "CreateArgs has a tail");

typedef struct {
  u64 amount;
} DepositArgs;
_Static_assert(__builtin_offsetof(DepositArgs, amount) == 0, "DepositArgs has a gap");
_Static_assert(sizeof(DepositArgs) == 8, "DepositArgs has a tail");

typedef struct {
  u64 amount;
} WithdrawArgs;
_Static_assert(__builtin_offsetof(WithdrawArgs, amount) == 0, "WithdrawArgs has a gap");
_Static_assert(sizeof(WithdrawArgs) == 8, "WithdrawArgs has a tail");

typedef struct {
  u64 trade_id;
  u64 amount;
  u64 expiry;
  u64 mandate_version;
  Key order_hash;
} OpenArgs;
_Static_assert(__builtin_offsetof(OpenArgs, trade_id) == 0, "OpenArgs has a gap");
_Static_assert(__builtin_offsetof(OpenArgs, amount) == 8, "OpenArgs has a gap");
_Static_assert(__builtin_offsetof(OpenArgs, expiry) == 16, "OpenArgs has a gap");
_Static_assert(__builtin_offsetof(OpenArgs, mandate_version) == 24, "OpenArgs has a gap");
_Static_assert(__builtin_offsetof(OpenArgs, order_hash) == 32, "OpenArgs has a gap");
_Static_assert(sizeof(OpenArgs) == 64, "OpenArgs has a tail");

typedef struct {
  u64 share;
  s64 pnl;
  u64 close_number;
  u64 valid_until;
  Key executions_hash;
  u64 signature_instruction;
} CloseArgs;
_Static_assert(__builtin_offsetof(CloseArgs, share) == 0, "CloseArgs has a gap");
_Static_assert(__builtin_offsetof(CloseArgs, pnl) == 8, "CloseArgs has a gap");
_Static_assert(__builtin_offsetof(CloseArgs, close_number) == 16, "CloseArgs has a gap");
_Static_assert(__builtin_offsetof(CloseArgs, valid_until) == 24, "CloseArgs has a gap");
_Static_assert(__builtin_offsetof(CloseArgs, executions_hash) == 32, "CloseArgs has a gap");
_Static_assert(__builtin_offsetof(CloseArgs, signature_instruction) == 64, "CloseArgs has a gap");
_Static_assert(sizeof(CloseArgs) == 72, "CloseArgs has a tail");

typedef struct {
  u64 amount;
} PayProfitArgs;
_Static_assert(__builtin_offsetof(PayProfitArgs, amount) == 0, "PayProfitArgs has a gap");
_Static_assert(sizeof(PayProfitArgs) == 8, "PayProfitArgs has a tail");

typedef struct {
  u64 amount;
} ReduceArgs;
_Static_assert(__builtin_offsetof(ReduceArgs, amount) == 0, "ReduceArgs has a gap");
_Static_assert(sizeof(ReduceArgs) == 8, "ReduceArgs has a tail");

typedef struct {
  u64 expiry;
} ExtendArgs;
_Static_assert(__builtin_offsetof(ExtendArgs, expiry) == 0, "ExtendArgs has a gap");
_Static_assert(sizeof(ExtendArgs) == 8, "ExtendArgs has a tail");

typedef struct {
  Mandate mandate;
} ProposeArgs;
_Static_assert(__builtin_offsetof(ProposeArgs, mandate) == 0, "ProposeArgs has a gap");
_Static_assert(sizeof(ProposeArgs) == 352, "ProposeArgs has a tail");

#define INSTRUCTION_CREATE 0
#define INSTRUCTION_DEPOSIT 1
#define INSTRUCTION_WITHDRAW 2
#define INSTRUCTION_OPEN 3
#define INSTRUCTION_CLOSE 4
#define INSTRUCTION_PAY_PROFIT 5
#define INSTRUCTION_REDUCE 6
#define INSTRUCTION_EXPIRE 7
#define INSTRUCTION_EXTEND 8
#define INSTRUCTION_RELEASE 9
#define INSTRUCTION_HEARTBEAT 10
#define INSTRUCTION_PAUSE 11
#define INSTRUCTION_UNPAUSE 12
#define INSTRUCTION_PROPOSE 13
#define INSTRUCTION_APPLY 14
#define INSTRUCTION_CANCEL 15
#define INSTRUCTION_START_RECOVERY 16
#define INSTRUCTION_CANCEL_RECOVERY 17
#define INSTRUCTION_RECOVER 18
#define INSTRUCTION_SWEEP 19
#define INSTRUCTION_WAIVE_PROFIT 20
#define INSTRUCTION_COUNT 21

#define ROLE_TRADER 0
#define ROLE_VAULT 1
#define ROLE_FUNDS 2
#define ROLE_ESCROW 3
#define ROLE_MINT 4
#define ROLE_PAYOUT 5
#define ROLE_TOKEN_PROGRAM 6
#define ROLE_SYSTEM_PROGRAM 7
#define ROLE_DEPOSITOR 8
#define ROLE_SOURCE 9
#define ROLE_ENGINE 10
#define ROLE_TRADE 11
#define ROLE_INSTRUCTIONS 12
#define ROLE_RENT_PAYER 13
#define ROLE_SETTLEMENT 14
#define ROLE_FEE_ACCOUNT 15
#define ROLE_SETTLEMENT_AUTHORITY 16
#define ROLE_AUTHORITY 17
#define ROLE_RECOVERY 18
#define ROLE_COUNT 19

#define SIGNER 1
#define WRITABLE 2
#define ALIAS 4
#define FIXED_TOKEN 8
#define FIXED_SYSTEM 16
#define FIXED_SYSVAR 32
#define MAX_ACCOUNTS 12

typedef struct {
  u64 accounts, data_length, durable_nonce;
  struct { u8 role, flags; } slot[12];
} InstructionRule;

#ifdef SCHEMA_TABLES
static const InstructionRule RULES[INSTRUCTION_COUNT] = {
  {8, 392, 1, {{ROLE_TRADER, SIGNER | WRITABLE}, {ROLE_VAULT, WRITABLE}, {ROLE_FUNDS, WRITABLE}, {ROLE_ESCROW, WRITABLE}, {ROLE_MINT, 0}, {ROLE_PAYOUT, 0}, {ROLE_TOKEN_PROGRAM, FIXED_TOKEN}, {ROLE_SYSTEM_PROGRAM, FIXED_SYSTEM}}}, // create
  {6, 16, 1, {{ROLE_DEPOSITOR, SIGNER}, {ROLE_SOURCE, WRITABLE}, {ROLE_VAULT, WRITABLE}, {ROLE_FUNDS, WRITABLE}, {ROLE_MINT, 0}, {ROLE_TOKEN_PROGRAM, FIXED_TOKEN}}}, // deposit
  {6, 16, 1, {{ROLE_TRADER, SIGNER}, {ROLE_VAULT, WRITABLE}, {ROLE_FUNDS, WRITABLE}, {ROLE_PAYOUT, WRITABLE}, {ROLE_MINT, 0}, {ROLE_TOKEN_PROGRAM, FIXED_TOKEN}}}, // withdraw
  {9, 72, 0, {{ROLE_ENGINE, SIGNER | WRITABLE}, {ROLE_VAULT, WRITABLE}, {ROLE_FUNDS, WRITABLE}, {ROLE_ESCROW, WRITABLE}, {ROLE_TRADE, WRITABLE}, {ROLE_MINT, 0}, {ROLE_TOKEN_PROGRAM, FIXED_TOKEN}, {ROLE_SYSTEM_PROGRAM, FIXED_SYSTEM}, {ROLE_INSTRUCTIONS, FIXED_SYSVAR}}}, // open
  {12, 80, 0, {{ROLE_ENGINE, SIGNER}, {ROLE_VAULT, WRITABLE}, {ROLE_FUNDS, WRITABLE}, {ROLE_ESCROW, WRITABLE}, {ROLE_TRADE, WRITABLE}, {ROLE_RENT_PAYER, WRITABLE | ALIAS}, {ROLE_SETTLEMENT, WRITABLE}, {ROLE_FEE_ACCOUNT, 0}, {ROLE_SETTLEMENT_AUTHORITY, ALIAS}, {ROLE_MINT, 0}, {ROLE_TOKEN_PROGRAM, FIXED_TOKEN}, {ROLE_INSTRUCTIONS, FIXED_SYSVAR}}}, // close
  {10, 16, 0, {{ROLE_SETTLEMENT_AUTHORITY, SIGNER}, {ROLE_VAULT, WRITABLE}, {ROLE_FUNDS, WRITABLE}, {ROLE_TRADE, WRITABLE}, {ROLE_RENT_PAYER, WRITABLE | ALIAS}, {ROLE_SETTLEMENT, WRITABLE}, {ROLE_FEE_ACCOUNT, 0}, {ROLE_MINT, 0}, {ROLE_TOKEN_PROGRAM, FIXED_TOKEN}, {ROLE_INSTRUCTIONS, FIXED_SYSVAR}}}, // pay_profit
  {9, 16, 0, {{ROLE_ENGINE, SIGNER}, {ROLE_VAULT, WRITABLE}, {ROLE_FUNDS, WRITABLE}, {ROLE_ESCROW, WRITABLE}, {ROLE_TRADE, WRITABLE}, {ROLE_RENT_PAYER, WRITABLE | ALIAS}, {ROLE_MINT, 0}, {ROLE_TOKEN_PROGRAM, FIXED_TOKEN}, {ROLE_INSTRUCTIONS, FIXED_SYSVAR}}}, // reduce
  {8, 8, 0, {{ROLE_VAULT, WRITABLE}, {ROLE_FUNDS, WRITABLE}, {ROLE_ESCROW, WRITABLE}, {ROLE_TRADE, WRITABLE}, {ROLE_RENT_PAYER, WRITABLE | ALIAS}, {ROLE_MINT, 0}, {ROLE_TOKEN_PROGRAM, FIXED_TOKEN}, {ROLE_INSTRUCTIONS, FIXED_SYSVAR}}}, // expire
  {4, 16, 0, {{ROLE_ENGINE, SIGNER}, {ROLE_VAULT, WRITABLE}, {ROLE_TRADE, WRITABLE}, {ROLE_INSTRUCTIONS, FIXED_SYSVAR}}}, // extend
  {9, 8, 0, {{ROLE_TRADER, SIGNER}, {ROLE_VAULT, WRITABLE}, {ROLE_FUNDS, WRITABLE}, {ROLE_ESCROW, WRITABLE}, {ROLE_TRADE, WRITABLE}, {ROLE_RENT_PAYER, WRITABLE | ALIAS}, {ROLE_MINT, 0}, {ROLE_TOKEN_PROGRAM, FIXED_TOKEN}, {ROLE_INSTRUCTIONS, FIXED_SYSVAR}}}, // release
  {3, 8, 0, {{ROLE_ENGINE, SIGNER}, {ROLE_VAULT, WRITABLE}, {ROLE_INSTRUCTIONS, FIXED_SYSVAR}}}, // heartbeat
  {3, 8, 0, {{ROLE_AUTHORITY, SIGNER}, {ROLE_VAULT, WRITABLE}, {ROLE_INSTRUCTIONS, FIXED_SYSVAR}}}, // pause
  {3, 8, 0, {{ROLE_TRADER, SIGNER}, {ROLE_VAULT, WRITABLE}, {ROLE_INSTRUCTIONS, FIXED_SYSVAR}}}, // unpause
  {4, 360, 0, {{ROLE_TRADER, SIGNER}, {ROLE_VAULT, WRITABLE}, {ROLE_PAYOUT, 0}, {ROLE_INSTRUCTIONS, FIXED_SYSVAR}}}, // propose
  {3, 8, 0, {{ROLE_TRADER, SIGNER}, {ROLE_VAULT, WRITABLE}, {ROLE_INSTRUCTIONS, FIXED_SYSVAR}}}, // apply
  {3, 8, 0, {{ROLE_TRADER, SIGNER}, {ROLE_VAULT, WRITABLE}, {ROLE_INSTRUCTIONS, FIXED_SYSVAR}}}, // cancel
  {3, 8, 0, {{ROLE_RECOVERY, SIGNER}, {ROLE_VAULT, WRITABLE}, {ROLE_INSTRUCTIONS, FIXED_SYSVAR}}}, // start_recovery
  {3, 8, 0, {{ROLE_TRADER, SIGNER}, {ROLE_VAULT, WRITABLE}, {ROLE_INSTRUCTIONS, FIXED_SYSVAR}}}, // cancel_recovery
  {7, 8, 0, {{ROLE_RECOVERY, SIGNER}, {ROLE_VAULT, WRITABLE}, {ROLE_FUNDS, WRITABLE}, {ROLE_PAYOUT, WRITABLE}, {ROLE_MINT, 0}, {ROLE_TOKEN_PROGRAM, FIXED_TOKEN}, {ROLE_INSTRUCTIONS, FIXED_SYSVAR}}}, // recover
  {6, 8, 0, {{ROLE_VAULT, WRITABLE}, {ROLE_FUNDS, WRITABLE}, {ROLE_ESCROW, WRITABLE}, {ROLE_MINT, 0}, {ROLE_TOKEN_PROGRAM, FIXED_TOKEN}, {ROLE_INSTRUCTIONS, FIXED_SYSVAR}}}, // sweep
  {5, 8, 0, {{ROLE_TRADER, SIGNER}, {ROLE_VAULT, WRITABLE}, {ROLE_TRADE, WRITABLE}, {ROLE_RENT_PAYER, WRITABLE | ALIAS}, {ROLE_INSTRUCTIONS, FIXED_SYSVAR}}}, // waive_profit
};
#endif

static const Key PROGRAM_TOKEN __attribute__((unused)) = {{6, 221, 246, 225, 215, 101, 161, 147, 217, 203, 225, 70, 206, 235, 121, 172, 28, 180, 133, 237, 95, 91, 55, 145, 58, 140, 245, 133, 126, 255, 0, 169}};
static const Key PROGRAM_SYSTEM __attribute__((unused)) = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}};
static const Key PROGRAM_INSTRUCTIONS __attribute__((unused)) = {{6, 167, 213, 23, 24, 123, 209, 102, 53, 218, 212, 4, 85, 253, 194, 192, 193, 36, 198, 143, 33, 86, 117, 165, 219, 186, 203, 95, 8, 0, 0, 0}};
static const Key PROGRAM_ED25519 __attribute__((unused)) = {{3, 125, 70, 214, 124, 147, 251, 190, 18, 249, 66, 143, 131, 141, 64, 255, 5, 112, 116, 73, 39, 244, 138, 100, 252, 202, 112, 68, 128, 0, 0, 0}};
static const Key PROGRAM_SYSVAR_OWNER __attribute__((unused)) = {{6, 167, 213, 23, 24, 117, 247, 41, 199, 61, 147, 64, 143, 33, 97, 32, 6, 126, 216, 140, 118, 224, 140, 40, 127, 193, 148, 96, 0, 0, 0, 0}};
static const Key CLOSE_DOMAIN __attribute__((unused)) = {{79, 112, 116, 105, 111, 110, 115, 73, 66, 32, 118, 97, 117, 108, 116, 32, 99, 108, 111, 115, 101, 32, 118, 49, 0, 0, 0, 0, 0, 0, 0, 0}};
static const Key AUDIT_DOMAIN __attribute__((unused)) = {{79, 112, 116, 105, 111, 110, 115, 73, 66, 32, 118, 97, 117, 108, 116, 32, 97, 117, 100, 105, 116, 32, 118, 49, 0, 0, 0, 0, 0, 0, 0, 0}};
