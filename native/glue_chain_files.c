/*
 * glue_chain_files.c - loads chains from a list of PEM files (smtpd_tls_chain_files).
 *
 * Mirrors the multi-chain loader of Postfix's tls_certkey.c: (key, certificate, issuers...)* is one
 * stream of PEM objects over any number of files; a chain may begin in one file and end in the
 * next, so that keys and certificates need not lie together. Everything loads or nothing, and a
 * file that cannot be opened is a failure: Postfix goes on, without the chains. PEM objects that
 * are neither key nor certificate are passed over with a note.
 */
#include <stdio.h>

#include "glue_internal.h"

typedef enum load_state {
    STATE_INIT, /* nothing yet */
    STATE_PKEY, /* a key waits for its certificate */
    STATE_CERT  /* a chain that may still get issuers */
} load_state;

/* One run over all files; survives from one to the next. */
typedef struct load_run {
    glue_pem_run pem;
    glue_chains *chains;
    load_state state;
    glue_chain open;      /* the chain being read */
    int key_index;        /* of its key, for messages */
    char key_origin[256]; /* the file that was in */
} load_run;

static bool take_object(void *arg, const glue_pem_object *object);
static glue_chains *load_finish(load_run *run, bool ok, const char *origins);

static bool load_begin(load_run *run, const glue_notes *notes, glue_error *err)
{
    *run = (load_run){.pem = {.take = take_object, .arg = run, .notes = notes, .err = err}};
    run->chains = glue_chains_new(err);
    return run->chains != NULL;
}

/* ------------------------------------------------------------------ public */

static void list_files(const char *const *files, size_t count, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count && used < size; i++) {
        int n = snprintf(out + used, size - used, "%s%s", i == 0 ? "" : ", ", files[i]);
        used += n > 0 ? (size_t)n : 0;
    }
}

glue_chains *glue_chains_load(const char *const *files, size_t count, const glue_notes *notes,
                              glue_error *err)
{
    char origins[448];
    load_run run;
    if (!load_begin(&run, notes, err)) {
        return NULL;
    }
    list_files(files, count, origins, sizeof(origins));
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        ok = glue_pem_read_file(&run.pem, files[i]);
    }
    return load_finish(&run, ok, origins);
}

glue_chains *glue_chains_parse(const void *pem, size_t len, const char *origin,
                               const glue_notes *notes, glue_error *err)
{
    load_run run;
    if (!load_begin(&run, notes, err)) {
        return NULL;
    }
    return load_finish(&run, glue_pem_read_memory(&run.pem, pem, len, origin), origin);
}

/* ------------------------------------------------------------------ the state machine */

/* Ends the open chain; a failure is told in Postfix's words, which depend on where it is found. */
static bool close_chain(load_run *run, const char *before, const char *certificate)
{
    const char *why;
    if (!glue_chain_usable(run->chains, &run->open, &why)) {
        return glue_pem_fail(&run->pem, GLUE_E_CHAIN_KEY_MISMATCH, why,
                             "%skey at index %d in %.240s does not match %s", before,
                             run->key_index, run->key_origin, certificate);
    }
    return glue_chains_append(run->chains, &run->open, run->pem.err);
}

/* Takes over `key`. */
static bool add_key(load_run *run, EVP_PKEY *key, const glue_pem_object *object)
{
    if (run->state == STATE_CERT &&
        !close_chain(run, "error loading certificate chain: ", "the certificate")) {
        EVP_PKEY_free(key);
        return false;
    }
    if (run->state == STATE_PKEY) {
        EVP_PKEY_free(key);
        return glue_pem_fail(&run->pem, GLUE_E_CHAIN_KEY_WITHOUT_CERT, NULL,
                             "error loading certificate chain: key at index %d in %.240s not "
                             "followed by a certificate",
                             run->key_index, run->key_origin);
    }
    run->open.key = key;
    run->key_index = object->index;
    snprintf(run->key_origin, sizeof(run->key_origin), "%s", object->origin);
    run->state = STATE_PKEY;
    return true;
}

/* Takes over `cert`. */
static bool add_cert(load_run *run, X509 *cert, const glue_pem_object *object)
{
    switch (run->state) {
    case STATE_PKEY:
        run->state = STATE_CERT;
        return glue_chain_set_leaf(&run->open, cert, object->origin, object->index, run->pem.err);
    case STATE_CERT:
        return glue_chain_add_issuer(&run->open, cert, run->pem.err);
    default:
        X509_free(cert);
        return glue_pem_fail(&run->pem, GLUE_E_CHAIN_KEY_NOT_FIRST, NULL,
                             "error loading chain from %.240s: key not first", object->origin);
    }
}

static bool take_object(void *arg, const glue_pem_object *object)
{
    load_run *run = arg;
    EVP_PKEY *key;
    X509 *cert;
    switch (object->kind) {
    case GLUE_PEM_KEY:
    case GLUE_PEM_LOCKED:
        key = glue_pem_key(&run->pem, object);
        return key != NULL && add_key(run, key, object);
    case GLUE_PEM_CERT:
        cert = glue_pem_cert(&run->pem, object);
        return cert != NULL && add_cert(run, cert, object);
    default:
        glue_pem_note(run->pem.notes, "loading %.240s: ignoring PEM type: %.80s", object->origin,
                      object->type);
        return true;
    }
}

/* The end of the last file. Frees the run's chains on failure, hands them out otherwise. */
static glue_chains *load_finish(load_run *run, bool ok, const char *origins)
{
    if (ok && run->state == STATE_INIT) {
        ok = glue_pem_fail(&run->pem, GLUE_E_CHAIN_NO_PEM_DATA, NULL, "No PEM data in %.240s",
                           origins);
    }
    if (ok && run->state == STATE_PKEY) {
        ok = glue_pem_fail(&run->pem, GLUE_E_CHAIN_KEY_WITHOUT_CERT, NULL,
                           "No certs for key at index %d in %.240s", run->key_index,
                           run->key_origin);
    }
    ok = ok && close_chain(run, "", "next certificate");
    ERR_clear_error();
    if (ok) {
        return run->chains;
    }
    glue_pem_note(run->pem.notes, GLUE_PEM_FAILED "%.440s", origins);
    glue_chain_clear(&run->open);
    glue_chains_free(run->chains);
    return NULL;
}
