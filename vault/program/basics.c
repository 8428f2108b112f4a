// Checked arithmetic, keys, clock and rent.
#include "vault.h"

u64 add(u64 a, u64 b, u64 *sum) {
  REQUIRE(b <= ~a, ERROR_OVERFLOW);
  *sum = a + b;
  return OK;
}

u64 sub(u64 a, u64 b, u64 *difference) {
  REQUIRE(b <= a, ERROR_OVERFLOW);
  *difference = a - b;
  return OK;
}

int same_key(const Key *a, const Key *b) {
  int order = 1;
  sol_memcmp_(a, b, sizeof(Key), &order);
  return order == 0;
}

int is_zero(const Key *key) { return same_key(key, &PROGRAM_SYSTEM); }  // the system program's address is 32 zeros

void copy_key(Key *to, const Key *from) { sol_memcpy_(to, from, sizeof(Key)); }

u64 read_clock(u64 *now) {
  struct {
    u64 slot;
    s64 epoch_start;
    u64 epoch, leader_schedule_epoch;
    s64 unix_timestamp;
  } clock;
  REQUIRE(sol_get_clock_sysvar(&clock) == 0, ERROR_BAD_CLOCK);
  REQUIRE(clock.unix_timestamp > 0 && (u64)clock.unix_timestamp < MAX_TIME, ERROR_BAD_CLOCK);
  *now = (u64)clock.unix_timestamp;
  return OK;
}

// (128 + size) x rate x threshold, where the threshold is the double 2.0 and, once SIMD-0194 is active, 1.0.
u64 minimum_balance(u64 size, u64 *lamports) {
  struct {
    u64 rate, threshold;
    u8 burn, padding[7];
  } rent;
  REQUIRE(sol_get_rent_sysvar(&rent) == 0, ERROR_BAD_RENT);
  u64 years = rent.threshold == 0x4000000000000000ull ? 2 : rent.threshold == 0x3ff0000000000000ull ? 1 : 0;
  REQUIRE(years != 0 && rent.rate < (1ull << 32), ERROR_BAD_RENT);
  *lamports = (128 + size) * rent.rate * years;  // size is below 2^12
  return OK;
}
