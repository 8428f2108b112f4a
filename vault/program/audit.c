// The audit chain: every accepted instruction extends a SHA-256 chain in the vault, and logs what it took.
#include "vault.h"

static u64 extend_chain(Vault *vault, const void *record, u64 size) {
  const Slice pieces[2] = {{&vault->audit, sizeof(Key)}, {record, size}};
  u8 digest[32];
  REQUIRE(sol_sha256(pieces, 2, digest) == 0, ERROR_OVERFLOW);
  sol_memcpy_(&vault->audit, digest, sizeof digest);
  return OK;
}

u64 start_audit(Context *c) {
  AuditSeed seed;
  copy_key(&seed.domain, &AUDIT_DOMAIN);
  copy_key(&seed.program, c->program);
  copy_key(&seed.vault, c->role[ROLE_VAULT]->key);
  copy_key(&seed.cluster, &c->vault->cluster);
  const Slice pieces[1] = {{&seed, sizeof seed}};
  REQUIRE(sol_sha256(pieces, 1, c->vault->audit.bytes) == 0, ERROR_OVERFLOW);
  return OK;
}

u64 append_audit(Context *c) {
  AuditRecord *record = &c->record;
  record->kind = c->code;
  record->sequence = c->vault->sequence;
  record->time = c->now;
  TRY(extend_chain(c->vault, record, sizeof *record));
  TRY(add(c->vault->sequence, 1, &c->vault->sequence));
  const Slice pieces[3] = {
      {c->role[ROLE_VAULT]->key, sizeof(Key)}, {record, sizeof *record}, {&c->vault->audit, sizeof(Key)}};
  sol_log_data(pieces, 3);
  return OK;
}
