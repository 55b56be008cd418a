/*
 * error_catalogue.h - every error the package can report, once.
 *
 * X(CLASS, NAME, sentence). The class says who must act (DESIGN: eight classes), the name is the
 * stable code a program branches on, the sentence is what a person reads when no better one is
 * known. `scripts/generate-errors.mjs` derives lib/error-catalogue.ts from this file; rows marked
 * "lib" are raised by TypeScript only.
 */
#ifndef MXTLS_ERROR_CATALOGUE_H
#define MXTLS_ERROR_CATALOGUE_H

#define GLUE_ERRORS(X)                                                                             \
    /* usage: the caller's code is wrong */                                                        \
    X(USAGE, INVALID_ARGUMENT, "invalid argument")                                                 \
    X(USAGE, INVALID_STATE, "the operation is not possible in this state")                         \
    X(USAGE, LIBRARY_INIT_CONFLICT, "the TLS library is initialised with other settings already")  \
    X(USAGE, UNKNOWN_OPTION, "unknown option")             /*lib*/                                 \
    X(USAGE, INVALID_PARAMETER, "invalid parameter value") /*lib*/                                 \
    X(USAGE, COMMAND_LINE, "wrong command line")           /*lib*/                                 \
    /* config: the operator's files and machine */                                                 \
    X(CONFIG, ADDON_NOT_FOUND, "the native addon was not found")      /*lib*/                      \
    X(CONFIG, ADDON_UNUSABLE, "the native addon cannot be used here") /*lib*/                      \
    X(CONFIG, LIBRARY_TOO_OLD, "OpenSSL 3.5 or newer is needed")                                   \
    X(CONFIG, LIBRARY_INIT_FAILED, "the TLS library could not be initialised")                     \
    X(CONFIG, CONFIG_FILE, "the OpenSSL configuration file cannot be used")                        \
    X(CONFIG, CHAIN_FILE, "a chain file cannot be read")                                           \
    X(CONFIG, CHAIN_NO_PEM_DATA, "no PEM data")                                                    \
    X(CONFIG, CHAIN_NO_KEY, "no private key")                                                      \
    X(CONFIG, CHAIN_KEY_NOT_FIRST, "the private key does not come first")                          \
    X(CONFIG, CHAIN_KEY_WITHOUT_CERT, "a private key is not followed by a certificate")            \
    X(CONFIG, CHAIN_KEY_MISMATCH, "a private key does not match its certificate")                  \
    X(CONFIG, CHAIN_BAD_OBJECT, "a PEM object cannot be decoded")                                  \
    X(CONFIG, BAD_PROTOCOLS, "the protocol range cannot be set")                                   \
    X(CONFIG, BAD_CIPHERS, "the cipher list cannot be set")                                        \
    X(CONFIG, BAD_GROUPS, "the key exchange groups cannot be set")                                 \
    X(CONFIG, DH_FILE, "the DH parameter file cannot be opened")                                   \
    X(CONFIG, TICKET_CIPHER, "the cipher cannot be used for session tickets")                      \
    X(CONFIG, TICKET_KEY, "a sealed ticket key cannot be opened")                                  \
    X(CONFIG, WRAPPING_KEY, "the wrapping key of the ticket keys cannot be used")                  \
    X(CONFIG, DH_PARAMETERS, "the DH parameters cannot be used")                                   \
    X(CONFIG, KEYLOG_FILE, "the key log file cannot be used")                                      \
    X(CONFIG, BAD_DIGEST, "the digest algorithm is not known")                                     \
    X(CONFIG, CA_LOAD, "the trusted CA certificates cannot be loaded")                             \
    X(CONFIG, MAIN_CF, "the configuration file cannot be used") /*lib*/                            \
    X(CONFIG, LOOKUP_TABLE, "a lookup table cannot be used")    /*lib*/                            \
    X(CONFIG, SESSION_CACHE, "a session cache cannot be used")  /*lib*/                            \
    X(CONFIG, NO_SERVER_CERTS, "no server certificates")        /*lib*/                            \
    X(CONFIG, LISTEN_FAILED, "cannot listen")                                                      \
    /* io: the system said no */                                                                   \
    X(IO, CONNECT_FAILED, "cannot connect")                                                        \
    X(IO, ACCEPT_FAILED, "cannot accept connections")                                              \
    X(IO, READ_FAILED, "reading failed")                                                           \
    X(IO, WRITE_FAILED, "writing failed")                                                          \
    X(IO, TLSPROXY_REFUSED, "the tlsproxy has made no session") /*lib*/                            \
    /* timeout */                                                                                  \
    X(TIMEOUT, CONNECT_TIMEOUT, "connecting took too long")                                        \
    X(TIMEOUT, HANDSHAKE_TIMEOUT, "the TLS handshake took too long")                               \
    X(TIMEOUT, IO_TIMEOUT, "the peer took too long")                                               \
    /* closed */                                                                                   \
    X(CLOSED, LOST_CONNECTION, "lost connection")                                                  \
    X(CLOSED, CANCELLED, "the operation was cancelled")                                            \
    /* alert: the peer refused by a TLS alert */                                                   \
    X(ALERT, TLS_ALERT, "the peer sent a TLS alert")                                               \
    /* protocol: the peer broke a protocol */                                                      \
    X(PROTOCOL, TLS_HANDSHAKE, "the TLS handshake failed")                                         \
    X(PROTOCOL, TLS_PROTOCOL, "the peer broke the TLS protocol")                                   \
    X(PROTOCOL, EARLY_PLAINTEXT, "the peer sent plaintext ahead of the TLS handshake")             \
    X(PROTOCOL, SMTP_PROTOCOL, "the peer broke the SMTP protocol")         /*lib*/                 \
    X(PROTOCOL, TLSPROXY_PROTOCOL, "the peer broke the tlsproxy protocol") /*lib*/                 \
    /* internal: not the peer, not the operator */                                                 \
    X(INTERNAL, OUT_OF_MEMORY, "out of memory")                                                    \
    X(INTERNAL, OPENSSL, "an OpenSSL call failed unexpectedly")                                    \
    X(INTERNAL, THREAD, "a thread could not be started")

#endif
