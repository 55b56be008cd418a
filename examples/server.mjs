// @ts-check
/** What a server does about TLS and mail: the same in all the examples, and yours to replace. */

/**
 * @param {string} chainFile PEM file with the private key, its certificate, and those above it
 * @returns {import('mxtls').SmtpdOptions}
 */
export function serverOptions(chainFile) {
  return {
    myhostname: 'mx.example.com',
    tls: {
      securityLevel: 'may',
      chainFiles: [chainFile],
      loglevel: 2, // tells which sessions are resumed; 1 is enough in production
      sessionCacheTimeout: 3_600_000, // milliseconds; the same in all processes that share ticket keys
    },
    // Nobody lives here yet. Say who does, and take their messages in `onData`.
    onRcpt: () => ({ code: 550, enhanced: '5.1.1', text: 'User unknown' }),
    onData: async () => ({ code: 451, enhanced: '4.3.0', text: 'Nothing is stored here' }),
  };
}
