/*
 * minisign.h - keys and signatures as the program minisign has them, as text
 * (https://jedisct1.github.io/minisign/). A signature is Ed25519 over the BLAKE2b-512 of the signed
 * bytes ("ED"), and another over that signature and the trusted comment, so that the comment cannot be
 * changed either. Comments that are called untrusted are passed over.
 *
 * Messages about text that is not of this format end in " (minisign)".
 */
#ifndef PO_ARCHIVE_MINISIGN_H
#define PO_ARCHIVE_MINISIGN_H

#include "base/buf.h"

#define PO_MINISIGN_ID_SIZE 8u
#define PO_MINISIGN_KEY_SIZE 32u
#define PO_MINISIGN_SECRET_SIZE 64u /* seed and public key */
#define PO_MINISIGN_SIGNATURE_SIZE 64u
#define PO_MINISIGN_HASH_SIZE 64u
#define PO_MINISIGN_SALT_SIZE 32u
#define PO_MINISIGN_SEALED_SIZE 104u       /* key id, secret key, checksum */
#define PO_MINISIGN_RANDOM_SIZE 40u        /* key id and seed */
#define PO_MINISIGN_TEXT_MAX 16384u        /* of any file of the format */
#define PO_MINISIGN_COMMENT_MAX 8191u      /* as minisign */
#define PO_MINISIGN_PASSPHRASE_MAX 1023u   /* as minisign */
#define PO_MINISIGN_OPS_MAX 33554432u      /* scrypt's limits: minisign's own, and the most */
#define PO_MINISIGN_MEMORY_MAX 1073741824u /* that is spent on the key file of a stranger */
#define PO_MINISIGN_MEMORY_MIN (16u << 20) /* the least that is used for a key of ours */

struct po_minisign_public {
    uint8_t key_id[PO_MINISIGN_ID_SIZE];
    uint8_t key[PO_MINISIGN_KEY_SIZE];
};

struct po_minisign_secret {
    bool is_encrypted; /* the rest is for po_minisign_secret_open; else key_id and key are right */
    uint8_t salt[PO_MINISIGN_SALT_SIZE];
    uint64_t ops;
    uint64_t memory;
    uint8_t sealed[PO_MINISIGN_SEALED_SIZE];
    uint8_t key_id[PO_MINISIGN_ID_SIZE];
    uint8_t key[PO_MINISIGN_SECRET_SIZE];
};

struct po_minisign_signature {
    bool is_hashed; /* over the BLAKE2b-512 of the bytes; else (legacy, "Ed") over the bytes */
    uint8_t key_id[PO_MINISIGN_ID_SIZE];
    uint8_t signature[PO_MINISIGN_SIGNATURE_SIZE];
    uint8_t global[PO_MINISIGN_SIGNATURE_SIZE];
    char comment[PO_MINISIGN_COMMENT_MAX + 1]; /* the trusted one, to be trusted when verified */
};

/* How a secret key is encrypted in its file. */
struct po_minisign_lock {
    const char *passphrase;
    size_t passphrase_size;
    uint8_t salt[PO_MINISIGN_SALT_SIZE]; /* random */
    uint64_t ops;
    uint64_t memory;
};

/* A key id as minisign shows it, 16 digits. */
void po_minisign_put_id(struct po_buf *out, const uint8_t key_id[PO_MINISIGN_ID_SIZE]);

/* ---- keys ---- */

/* A file of two lines, or the second line alone. PO_E_FORMAT. */
PO_NODISCARD enum po_status po_minisign_public_parse(struct po_minisign_public *out,
                                                     const void *text, size_t size,
                                                     struct po_err *err);
/* The file's text is appended. */
PO_NODISCARD enum po_status po_minisign_public_print(struct po_buf *out,
                                                     const struct po_minisign_public *key,
                                                     struct po_err *err);

/* A new pair out of random bytes. */
PO_NODISCARD enum po_status po_minisign_make(struct po_minisign_secret *secret,
                                             struct po_minisign_public *public_key,
                                             const uint8_t random[PO_MINISIGN_RANDOM_SIZE],
                                             struct po_err *err);
/*
 * PO_E_FORMAT; PO_E_UNSUPPORTED: encrypted in another way, or scrypt would take more than the limits
 * above. An unencrypted one is opened already.
 */
PO_NODISCARD enum po_status po_minisign_secret_parse(struct po_minisign_secret *out,
                                                     const void *text, size_t size,
                                                     struct po_err *err);
/*
 * Decrypts. PO_E_AUTH: another passphrase, or the file is damaged. PO_E_NOMEM: scrypt wants up to
 * 1 GiB for a moment.
 */
PO_NODISCARD enum po_status po_minisign_secret_open(struct po_minisign_secret *secret,
                                                    const char *passphrase, size_t passphrase_size,
                                                    struct po_err *err);
/* The file's text is appended; without a lock the key is not encrypted. */
PO_NODISCARD enum po_status po_minisign_secret_print(struct po_buf *out,
                                                     const struct po_minisign_secret *secret,
                                                     const struct po_minisign_lock *lock,
                                                     struct po_err *err);

/* ---- signatures ---- */

/* BLAKE2b-512 over bytes that come in pieces. */
struct po_minisign_hasher;
PO_NODISCARD enum po_status po_minisign_hasher_new(struct po_minisign_hasher **out,
                                                   struct po_err *err);
void po_minisign_hasher_add(struct po_minisign_hasher *hasher, const void *bytes, size_t size);
/* Ends it. */
void po_minisign_hasher_end(struct po_minisign_hasher *hasher, uint8_t hash[PO_MINISIGN_HASH_SIZE]);
void po_minisign_hasher_free(struct po_minisign_hasher *hasher);

/* Signs, with an opened key. The file's text is appended. The comment is one line: PO_E_USAGE. */
PO_NODISCARD enum po_status po_minisign_sign(struct po_buf *out,
                                             const struct po_minisign_secret *secret,
                                             const uint8_t hash[PO_MINISIGN_HASH_SIZE],
                                             const char *comment, struct po_err *err);
/* PO_E_FORMAT. Nothing is verified. */
PO_NODISCARD enum po_status po_minisign_signature_parse(struct po_minisign_signature *out,
                                                        const void *text, size_t size,
                                                        struct po_err *err);
/*
 * Whether both signatures are those of the key; that the key ids are the same is up to the caller.
 * `message` is the hash, or all the bytes when !is_hashed.
 */
bool po_minisign_is_good(const struct po_minisign_signature *signature,
                         const struct po_minisign_public *key, const void *message, size_t size);

#endif
