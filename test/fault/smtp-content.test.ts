/**
 * Servers that misbehave while content is on its way, by DATA and by BDAT, and when it is over: at RSET
 * and QUIT.
 */
import { describe } from 'vitest';
import { describeFaults, type FaultTable, type Setting, settings } from '../helpers/fault-table.js';
import {
  early,
  faultTable,
  lost,
  protocol,
  sent,
  shownTable,
  timedOut,
} from '../helpers/fault-words.js';
import type { Fault } from '../helpers/misbehaving-server.js';
import { faultNames, serverFaults } from '../helpers/server-faults.js';

/** More than the buffers of both sides hold. */
const large = Buffer.alloc(16 * 1024 * 1024, 'a line of content\n');
const said = (reply: string): string => `host H said: ${reply} (in reply to end of DATA command)`;

const contentFaults: Readonly<Record<string, Fault>> = {
  '4xx': serverFaults['4xx'],
  '5xx': serverFaults['5xx'],
  '421 and goodbye': serverFaults['421 and goodbye'],
  'the reply to the whole message': (peer) => {
    peer.say('250 2.0.0 Ok: queued as FAKE\r\n');
    return 'refused';
  },
  words: (peer) => {
    peer.say('hello, client\r\n');
    return 'accepted';
  },
  'a reply without end': (peer) => {
    peer.say('550-more\r\n'.repeat(50_000));
    return 'over';
  },
  'a closed connection': serverFaults['a closed connection'],
  'a connection that is reset': serverFaults['a connection that is reset'],
  'nobody reads': (peer) => {
    peer.stopReading();
    return 'over';
  },
};

/** A later message goes over a new connection when the one that is kept breaks. */
const once = (lines: FaultTable, { message }: Setting): FaultTable =>
  Object.fromEntries(
    Object.entries(lines).map(([fault, line]) => [
      fault,
      message === 2 && String(line).startsWith('deferred 4.4.2') ? sent(1) : line,
    ]),
  );

describe('a server that misbehaves in the', () => {
  describeFaults(
    { step: 'content', request: { message: large } },
    settings.filter(
      ([, { recipients, pipelining, message }]) =>
        recipients === 3 && pipelining === (message === 2),
    ),
    (setting) =>
      once(
        {
          '4xx': `deferred 4.2.0 ${said('450 4.2.0 busy')}`,
          '5xx': `bounced 5.7.1 ${said('550 5.7.1 no')}`,
          '421 and goodbye': `deferred 4.3.2 ${said('421 4.3.2 going down')}`,
          'the reply to the whole message': protocol(
            'sent a reply to nothing: 250 2.0.0 Ok: queued as FAKE',
          ),
          words: sent(setting.message),
          'a reply without end': protocol('sent a reply without end'),
          'a closed connection': lost('sending message body'),
          'a connection that is reset': lost('sending message body'),
          'nobody reads': timedOut('sending message body'),
        },
        setting,
      ),
    contentFaults,
  );
});

describe('a server that misbehaves at', () => {
  const place = {
    keywords: ['CHUNKING'],
    request: { message: 'a line of content\n'.repeat(6000), bdat: true },
  };

  const where = 'sending end of data -- message may be sent more than once';

  describeFaults({ ...place, step: 'BDAT' }, settings, (setting) => {
    const { pipelining, message } = setting;
    if (!pipelining) {
      return once(faultTable({ where: 'sending message body', command: 'BDAT' }, message), setting);
    }
    // The last chunk is on its way already. A connection that breaks after a refusal is replaced.
    const again =
      message === 1 ? {} : { '421 and goodbye': sent(1), 'a code of the wrong kind': sent(1) };
    return {
      ...faultTable({ where, command: 'BDAT' }, message),
      // Nothing tells the reply that is too many from the right one.
      'one reply too many': 'sent 2.0.0 250 2.0.0 Ok: 44824 bytes',
      ...again,
    };
  });

  describeFaults({ ...place, step: 'BDAT LAST' }, settings, ({ message }) => ({
    ...faultTable({ where, command: 'BDAT' }, message),
    ...shownTable(message),
  }));
});

/** Whatever happens there, the message is sent. */
const allSent = (n: number): FaultTable =>
  Object.fromEntries(faultNames.map((fault) => [fault, sent(n)]));

describe('whatever a server does, a message is sent by what it said at its end, at', () => {
  describeFaults({ step: 'QUIT' }, settings, ({ message }) => allSent(message));
  describeFaults({ step: 'QUIT', options: { skipQuitResponse: false } }, settings, ({ message }) =>
    allSent(message),
  );
});

describe('a message goes over a new connection when the server misbehaves at', () => {
  // The first message was refused, so that the second one begins with RSET.
  const refused: Fault = (peer) => {
    peer.say('554 5.6.0 not this one\r\n');
    return 'refused';
  };
  const tolerated = ['words ahead of the reply', 'a line that is too long', 'NUL bytes'];
  describeFaults(
    { step: 'RSET', before: { DATA: refused } },
    settings.filter(([, { message }]) => message === 2),
    () => ({
      ...Object.fromEntries(
        faultNames.map((fault) => [fault, sent(tolerated.includes(fault) ? 2 : 1)]),
      ),
      'one reply too many': early,
    }),
  );
});
