/**
 * Servers that misbehave ahead of the first MAIL: each fault at greeting, EHLO, HELO, STARTTLS, in the
 * handshake, at the EHLO after it, and at AUTH; over STARTTLS and in wrapper mode.
 */
import { describe } from 'vitest';
import { describeFaults, type FaultTable, type Place, settings } from '../helpers/fault-table.js';
import {
  brokenTable,
  lost,
  refusalTable,
  sent,
  timedOut,
  unasked,
} from '../helpers/fault-words.js';
import type { Fault, Sequel } from '../helpers/misbehaving-server.js';
import { type FaultName, serverFaults } from '../helpers/server-faults.js';

const firstMessages = settings.filter(([, { message }]) => message === 1);
const refusedToTalk = (reply: string): string => `host H refused to talk to me: ${reply}`;

/** Each line with the `tls=` field of its result. */
function withTls(
  lines: Readonly<Record<string, string>>,
  failed: string,
  good: string,
): FaultTable {
  return Object.fromEntries(
    Object.entries(lines).map(([fault, line]) => [
      fault,
      `${line} tls=${/^sent|MAIL FROM|to nothing/.test(line) ? good : failed}`,
    ]),
  );
}

/** EHLO that is refused is followed by HELO, in whose place the server may be silent. */
function ehloTable(where: string): Record<FaultName, string> {
  return {
    ...brokenTable(where, sent(1)),
    '4xx': sent(1),
    '5xx': sent(1),
    '4xx without an enhanced code': sent(1),
    '5xx of several lines': sent(1),
    '421 and goodbye': `deferred 4.3.2 ${refusedToTalk('421 4.3.2 going down')}`,
    'a code of the wrong kind': timedOut('performing the HELO handshake'),
    'two codes in one reply': timedOut('performing the HELO handshake'),
    'one reply too many': unasked,
  };
}

const greetingTable = {
  ...refusalTable(refusedToTalk, false, 220),
  ...brokenTable('receiving the initial server greeting', sent(1)),
};

describe('a server that misbehaves in plaintext at', () => {
  const place = { tls: true } as const;

  describeFaults({ ...place, step: 'greeting' }, firstMessages, () =>
    withTls(greetingTable, 'may?', 'may:none'),
  );

  describeFaults({ ...place, step: 'EHLO' }, firstMessages, () =>
    withTls(ehloTable('performing the EHLO handshake'), 'may?', 'may:none'),
  );

  describeFaults(
    { ...place, step: 'HELO', before: { EHLO: serverFaults['5xx'] } },
    firstMessages,
    () =>
      withTls(
        {
          ...refusalTable(refusedToTalk, true),
          ...brokenTable('performing the HELO handshake', sent(1)),
          'one reply too many': unasked,
        },
        'may?',
        'may:none',
      ),
  );
});

describe('at level may, a server that misbehaves at', () => {
  const place: Omit<Place, 'step'> = { tls: true, keywords: ['STARTTLS'] };

  // A refusal means plaintext in the same session; a server that has gone meanwhile is lost at MAIL.
  describeFaults({ ...place, step: 'STARTTLS' }, firstMessages, () => ({
    ...withTls(brokenTable('receiving the STARTTLS response', sent(1)), 'may?', 'may'),
    ...withTls(
      {
        '4xx': sent(1),
        '5xx': sent(1),
        '4xx without an enhanced code': sent(1),
        '5xx of several lines': sent(1),
        '421 and goodbye': lost('sending MAIL FROM'),
        'a code of the wrong kind': timedOut('sending MAIL FROM'),
        'two codes in one reply': timedOut('sending MAIL FROM'),
        'one reply too many':
          'deferred 4.7.5 Cannot start TLS: the server sent 17 bytes of plaintext ahead of the TLS handshake',
      },
      'may?',
      'may:none',
    ),
  }));

  describeFaults({ ...place, step: 'EHLO in TLS' }, firstMessages, () =>
    withTls(ehloTable('performing the EHLO handshake'), 'may', 'may'),
  );
});

describe('at level encrypt, a server that misbehaves at', () => {
  const place: Omit<Place, 'step'> = {
    tls: true,
    keywords: ['STARTTLS'],
    options: { tls: { securityLevel: 'encrypt' } },
  };
  const refused = (reply: string): string =>
    `TLS is required, but host H refused to start TLS: ${reply}`;

  describeFaults({ ...place, step: 'STARTTLS' }, firstMessages, () => ({
    ...withTls(brokenTable('receiving the STARTTLS response', sent(1)), 'encrypt?', 'encrypt'),
    ...withTls(refusalTable(refused, true, 220), '!encrypt', 'encrypt'),
    'one reply too many':
      'deferred 4.7.5 Cannot start TLS: the server sent 17 bytes of plaintext ahead of the TLS handshake tls=encrypt?',
  }));

  describeFaults({ ...place, step: 'EHLO in TLS' }, firstMessages, () =>
    withTls(ehloTable('performing the EHLO handshake'), 'encrypt', 'encrypt'),
  );
});

describe('in wrapper mode, a server that misbehaves at', () => {
  const place: Omit<Place, 'step'> = {
    tls: true,
    wrappermode: true,
    options: { tls: { securityLevel: 'encrypt', wrappermode: true } },
  };

  describeFaults({ ...place, step: 'greeting' }, firstMessages, () =>
    withTls(greetingTable, 'encrypt', 'encrypt'),
  );

  describeFaults({ ...place, step: 'EHLO in TLS' }, firstMessages, () =>
    withTls(ehloTable('performing the EHLO handshake'), 'encrypt', 'encrypt'),
  );
});

describe('a server that misbehaves at', () => {
  const place: Place = {
    step: 'AUTH',
    keywords: ['AUTH PLAIN'],
    options: {
      saslAuthEnable: true,
      saslSecurityOptions: ['noanonymous'],
      credentials: { username: 'user', password: 'secret' },
    },
  };

  describeFaults(place, firstMessages, () => ({
    ...refusalTable((reply) => `SASL authentication failed; server H said: ${reply}`, false, 235),
    ...brokenTable('performing the AUTH handshake', sent(1)),
    'one reply too many': unasked,
  }));
});

const handshakeFaults: Readonly<Record<string, Fault>> = {
  'a closed connection': serverFaults['a closed connection'],
  'a connection that is reset': serverFaults['a connection that is reset'],
  silence: serverFaults.silence,
  'a reply in plaintext': async (peer): Promise<Sequel> => {
    await peer.hearBytes(1);
    peer.say('454 4.7.0 no TLS after all\r\n');
    return 'over';
  },
  'a fatal alert': async (peer): Promise<Sequel> => {
    await peer.hearBytes(1);
    peer.say('\x15\x03\x03\x00\x02\x02\x28');
    return 'over';
  },
  'half a record': async (peer): Promise<Sequel> => {
    await peer.hearBytes(1);
    peer.say('\x16\x03\x03\x00\x7a\x02\x00');
    return 'over';
  },
  'half a record and a closed connection': async (peer): Promise<Sequel> => {
    await peer.hearBytes(1);
    peer.say('\x16\x03\x03\x00\x7a\x02\x00');
    peer.end();
    return 'over';
  },
};

describe.each([
  ['at level may', 'may?', {}],
  ['at level encrypt', 'encrypt?', { tls: { securityLevel: 'encrypt' } }],
  ['in wrapper mode', 'encrypt?', { tls: { securityLevel: 'encrypt', wrappermode: true } }],
] as const)('%s, a server that misbehaves in the', (mode, tls, options) => {
  const place: Place = {
    step: 'handshake',
    keywords: ['STARTTLS'],
    wrappermode: mode === 'in wrapper mode',
    options,
    tls: true,
  };
  const failure = `deferred 4.7.5 Cannot start TLS: handshake failure tls=${tls}`;
  const table = Object.fromEntries(Object.keys(handshakeFaults).map((fault) => [fault, failure]));
  describeFaults(place, firstMessages, () => table, handshakeFaults);
});
