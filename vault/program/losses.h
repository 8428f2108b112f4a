// The losses of the last 24 hours, in hourly buckets: this hour's and the 24 before it. A loss counts for at least 24
// and less than 25 hours.
#pragma once
#include "vault.h"

static inline void forget_old_losses(Vault *vault, u64 now) {
  u64 hour = now / HOUR;
  if (hour <= vault->loss_hour) return;  // a clock that steps back forgets nothing
  u64 steps = hour - vault->loss_hour;
  if (steps > LOSS_BUCKETS) steps = LOSS_BUCKETS;
  for (u64 k = 1; k <= steps; k++) vault->losses[(vault->loss_hour + k) % LOSS_BUCKETS] = 0;
  vault->loss_hour = hour;
}

static inline u64 losses_of_a_day(Vault *vault, u64 now, u64 *total) {
  forget_old_losses(vault, now);
  *total = 0;
  for (u64 k = 0; k < LOSS_BUCKETS; k++) TRY(add(*total, vault->losses[k], total));
  return OK;
}

static inline u64 book_loss(Vault *vault, u64 now, u64 loss) {
  forget_old_losses(vault, now);
  u64 *bucket = &vault->losses[vault->loss_hour % LOSS_BUCKETS];
  TRY(add(*bucket, loss, bucket));
  return add(vault->lifetime_loss, loss, &vault->lifetime_loss);
}
