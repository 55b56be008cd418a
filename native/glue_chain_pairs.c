/*
 * glue_chain_pairs.c - loads chains from pairs of a certificate file and a key file: the legacy
 * parameters smtpd_tls_cert_file and smtpd_tls_key_file, and the like for two more algorithms.
 *
 * Mirrors Postfix's tls_certkey.c. Where both are one file it is read once, and the key may lie
 * before, between or behind the certificates. Else the certificates come from the one and the first
 * key from the other, and what else lies in them is passed over. The labels (RSA, DSA, ECDSA) are
 * words of the messages only: any three algorithms will do, but not one twice. Everything loads or
 * nothing.
 */
#include <stdio.h>
#include <string.h>

#include "glue_internal.h"

/* One pair; what is found in its files. */
typedef struct pair_run {
    glue_pem_run pem;
    const glue_chain_pair *pair;
    glue_chain found;
    int key_index;
    bool mixed; /* both in one file */
} pair_run;

static bool load_pair(glue_chains *chains, const glue_chain_pair *pair, const glue_notes *notes,
                      glue_error *err);

/* ------------------------------------------------------------------ public */

glue_chains *glue_chains_load_pairs(const glue_chain_pair *pairs, size_t count,
                                    const glue_notes *notes, glue_error *err)
{
    glue_chains *chains = glue_chains_new(err);
    for (size_t i = 0; i < count && chains != NULL; i++) {
        if (!load_pair(chains, &pairs[i], notes, err)) {
            glue_chains_free(chains);
            return NULL;
        }
    }
    return chains;
}

/* ------------------------------------------------------------------ objects */

static bool take_cert(pair_run *run, const glue_pem_object *object)
{
    X509 *cert = glue_pem_cert(&run->pem, object);
    if (cert == NULL) {
        return false;
    }
    if (run->found.leaf == NULL) {
        return glue_chain_set_leaf(&run->found, cert, object->origin, object->index, run->pem.err);
    }
    return glue_chain_add_issuer(&run->found, cert, run->pem.err);
}

static bool take_key(pair_run *run, const glue_pem_object *object)
{
    if (run->found.key == NULL) {
        run->key_index = object->index;
        run->found.key = glue_pem_key(&run->pem, object);
        return run->found.key != NULL;
    }
    if (run->mixed) {
        glue_pem_note(run->pem.notes, "ignoring 2nd key at index %d in %.240s after 1st at %d",
                      object->index, object->origin, run->key_index);
    }
    return true;
}

static bool is_key(const glue_pem_object *object)
{
    return object->kind == GLUE_PEM_KEY || object->kind == GLUE_PEM_LOCKED;
}

static bool take_either(void *arg, const glue_pem_object *object)
{
    if (is_key(object)) {
        return take_key(arg, object);
    }
    return object->kind != GLUE_PEM_CERT || take_cert(arg, object);
}

static bool take_certs_only(void *arg, const glue_pem_object *object)
{
    return object->kind != GLUE_PEM_CERT || take_cert(arg, object);
}

static bool take_keys_only(void *arg, const glue_pem_object *object)
{
    return !is_key(object) || take_key(arg, object);
}

/* ------------------------------------------------------------------ key and certificate in one */

static bool load_mixed(pair_run *run, const glue_chains *chains)
{
    const char *file = run->pair->cert_file;
    const char *why;
    run->mixed = true;
    run->pem.take = take_either;
    if (!glue_pem_read_file(&run->pem, file)) {
        return false;
    }
    if (run->found.key == NULL && run->found.leaf == NULL) {
        return glue_pem_fail(&run->pem, GLUE_E_CHAIN_NO_PEM_DATA, NULL, "No PEM data in %.240s",
                             file);
    }
    if (run->found.key == NULL) {
        return glue_pem_fail(&run->pem, GLUE_E_CHAIN_NO_KEY, NULL, "No private key found in %.240s",
                             file);
    }
    if (run->found.leaf == NULL) {
        return glue_pem_fail(&run->pem, GLUE_E_CHAIN_KEY_WITHOUT_CERT, NULL,
                             "No certs for key at index %d in %.240s", run->key_index, file);
    }
    return glue_chain_usable(chains, &run->found, &why) ||
           glue_pem_fail(&run->pem, GLUE_E_CHAIN_KEY_MISMATCH, why,
                         "key at index %d in %.240s does not match next certificate",
                         run->key_index, file);
}

/* ------------------------------------------------------------------ in two files */

/* Postfix's sentence for whatever is wrong with a file; what exactly stays in the error. */
static bool cannot_get(const pair_run *run, const char *what, const char *file, glue_error inner)
{
    glue_error *err = run->pem.err;
    char text[320];
    snprintf(text, sizeof(text), "cannot get %s %s from file \"%.240s\"", run->pair->label, what,
             file);
    glue_pem_note(run->pem.notes, "%s", text);
    if (inner.sys_errno != 0) {
        glue_error_set_errno(err, inner.code, inner.sys_errno, "%s", text);
        return false;
    }
    glue_error_set(err, inner.code, "%s: %s", text, inner.message);
    memcpy(err->reason, inner.reason, sizeof(inner.reason));
    memcpy(err->library, inner.library, sizeof(inner.library));
    return false;
}

/* Reads one of the files, whose own notes are not wanted. */
static bool load_half(pair_run *run, const char *file, const char *what,
                      bool (*take)(void *arg, const glue_pem_object *object))
{
    glue_pem_run own = run->pem;
    glue_error inner;
    run->pem.notes = NULL;
    run->pem.take = take;
    run->pem.err = &inner;
    bool ok = glue_pem_read_file(&run->pem, file);
    run->pem = own;
    return ok || cannot_get(run, what, file, inner);
}

static bool load_separate(pair_run *run, const glue_chains *chains)
{
    const glue_chain_pair *pair = run->pair;
    glue_error none;
    const char *why;
    if (!load_half(run, pair->cert_file, "certificate", take_certs_only)) {
        return false;
    }
    if (run->found.leaf == NULL) {
        glue_error_set(&none, GLUE_E_CHAIN_NO_PEM_DATA, "there is none");
        return cannot_get(run, "certificate", pair->cert_file, none);
    }
    if (!load_half(run, pair->key_file, "private key", take_keys_only)) {
        return false;
    }
    if (run->found.key == NULL) {
        glue_error_set(&none, GLUE_E_CHAIN_NO_KEY, "there is none");
        return cannot_get(run, "private key", pair->key_file, none);
    }
    return glue_chain_usable(chains, &run->found, &why) ||
           glue_pem_fail(&run->pem, GLUE_E_CHAIN_KEY_MISMATCH, why,
                         "%s private key in %.160s does not match public key in %.160s",
                         pair->label, pair->key_file, pair->cert_file);
}

static bool load_pair(glue_chains *chains, const glue_chain_pair *pair, const glue_notes *notes,
                      glue_error *err)
{
    pair_run run = {.pem = {.arg = &run, .notes = notes, .err = err}, .pair = pair};
    bool mixed = strcmp(pair->cert_file, pair->key_file) == 0;
    bool ok = mixed ? load_mixed(&run, chains) : load_separate(&run, chains);
    if (!ok && mixed) {
        glue_pem_note(notes, GLUE_PEM_FAILED "%.440s", pair->cert_file);
    }
    ok = ok && glue_chains_append(chains, &run.found, err);
    glue_chain_clear(&run.found);
    ERR_clear_error();
    return ok;
}
