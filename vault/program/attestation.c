// What other instructions of the transaction say: the attestor's Ed25519 signature, and a durable nonce.
#include "vault.h"

#define ADVANCE_NONCE_ACCOUNT 4
#define ED25519_HEADER 16
#define ED25519_LENGTH (ED25519_HEADER + 32 + 64 + 32)  // header, key, signature, the digest that was signed

typedef struct {
  const u8 *program, *data;
  u64 length, account_count;
} Sibling;

static u64 read_u16(const u8 *at) { return (u64)at[0] | (u64)at[1] << 8; }

// The sysvar: count, offsets, and at each offset: account count, 33 bytes an account, program, length, data.
static u64 sibling(const Account *sysvar, u64 index, u64 missing_error, Sibling *out) {
  REQUIRE(same_key(sysvar->owner, &PROGRAM_SYSVAR_OWNER), ERROR_BAD_SYSVAR);
  const u8 *data = sysvar->data;
  u64 size = *sysvar->data_length;
  REQUIRE(size >= 4, ERROR_BAD_SYSVAR);
  REQUIRE(index < read_u16(data), missing_error);
  REQUIRE(2 + 2 * index + 2 <= size, ERROR_BAD_SYSVAR);
  u64 at = read_u16(data + 2 + 2 * index);
  REQUIRE(at + 2 <= size, ERROR_BAD_SYSVAR);
  out->account_count = read_u16(data + at);
  at += 2 + 33 * out->account_count;
  REQUIRE(at + 34 <= size, ERROR_BAD_SYSVAR);
  out->program = data + at;
  out->length = read_u16(data + at + 32);
  out->data = data + at + 34;
  REQUIRE(at + 34 + out->length <= size, ERROR_BAD_SYSVAR);
  return OK;
}

// A transaction is held together by a durable nonce exactly if its first instruction advances one; it could be kept
// for any length of time after it was signed.
u64 refuse_durable_nonce(const Account *sysvar) {
  Sibling first;
  TRY(sibling(sysvar, 0, ERROR_BAD_SYSVAR, &first));
  if (!same_key((const Key *)first.program, &PROGRAM_SYSTEM) || first.length < 4) return OK;
  REQUIRE(read_u16(first.data) != ADVANCE_NONCE_ACCOUNT || read_u16(first.data + 2) != 0, ERROR_DURABLE_NONCE);
  return OK;
}

static int same_bytes(const void *a, const void *b, u64 length) {
  int order = 1;
  sol_memcmp_(a, b, length, &order);
  return order == 0;
}

// One signature whose key, signature and message lie in the instruction itself (index 0xffff): nothing else was verified
// by the precompile than what is compared here.
u64 check_attestation(const Account *sysvar, u64 index, const Key *attestor, const CloseMessage *message) {
  static const u8 HEADER[ED25519_HEADER] = {1, 0, 48, 0, 0xff, 0xff, 16, 0, 0xff, 0xff, 112, 0, 32, 0, 0xff, 0xff};
  Sibling found;
  TRY(sibling(sysvar, index, ERROR_ATTESTATION_MISSING, &found));
  REQUIRE(same_key((const Key *)found.program, &PROGRAM_ED25519), ERROR_ATTESTATION_MISSING);
  REQUIRE(found.length == ED25519_LENGTH && same_bytes(found.data, HEADER, ED25519_HEADER),
          ERROR_ATTESTATION_MALFORMED);
  REQUIRE(!is_zero(attestor) && same_bytes(found.data + 16, attestor, sizeof(Key)), ERROR_ATTESTATION_WRONG_KEY);
  const Slice pieces[1] = {{message, sizeof *message}};
  u8 digest[32];
  REQUIRE(sol_sha256(pieces, 1, digest) == 0, ERROR_ATTESTATION_WRONG_MESSAGE);
  REQUIRE(same_bytes(found.data + 112, digest, sizeof digest), ERROR_ATTESTATION_WRONG_MESSAGE);
  return OK;
}
