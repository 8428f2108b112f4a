// The way of every call: parse, load, the instruction, escrow checked again, audit.
#include "vault.h"

#define HEAP 0x300000000ull
_Static_assert(sizeof(Context) <= 32 * 1024, "the heap");

static u64 run(Context *c) {
  switch (c->code) {
    case INSTRUCTION_CREATE: return create(c);
    case INSTRUCTION_DEPOSIT: return deposit(c);
    case INSTRUCTION_WITHDRAW: return withdraw(c);
    case INSTRUCTION_OPEN: return open(c);
    case INSTRUCTION_CLOSE: return close(c);
    case INSTRUCTION_PAY_PROFIT: return pay_profit(c);
    case INSTRUCTION_REDUCE: return reduce(c);
    case INSTRUCTION_EXPIRE: return expire(c);
    case INSTRUCTION_EXTEND: return extend(c);
    case INSTRUCTION_RELEASE: return release(c);
    case INSTRUCTION_HEARTBEAT: return heartbeat(c);
    case INSTRUCTION_PAUSE: return pause(c);
    case INSTRUCTION_UNPAUSE: return unpause(c);
    case INSTRUCTION_PROPOSE: return propose(c);
    case INSTRUCTION_APPLY: return apply(c);
    case INSTRUCTION_CANCEL: return cancel(c);
    case INSTRUCTION_START_RECOVERY: return start_recovery(c);
    case INSTRUCTION_CANCEL_RECOVERY: return cancel_recovery(c);
    case INSTRUCTION_RECOVER: return recover(c);
    case INSTRUCTION_SWEEP: return sweep(c);
    case INSTRUCTION_WAIVE_PROFIT: return waive_profit(c);
    default: return ERROR_UNKNOWN_INSTRUCTION;
  }
}

u64 entrypoint(u8 *input) {
  Context *c = (Context *)HEAP;
  TRY(parse(input, c));
  TRY(load(c));
  TRY(run(c));
  if (c->role[ROLE_ESCROW]) REQUIRE(balance(c->role[ROLE_ESCROW]) >= c->vault->open_amount, ERROR_ESCROW_SHORT);
  return append_audit(c);
}
