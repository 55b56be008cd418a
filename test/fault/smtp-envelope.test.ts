/**
 * Servers that misbehave from MAIL to the end of data: each fault at each step, in lock step and
 * pipelined, with one recipient and several, in the first message of a connection and in a later one.
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
  type Words,
} from '../helpers/fault-words.js';
import type { FaultName } from '../helpers/server-faults.js';

const rcpt: Words = { where: 'sending RCPT TO', command: 'RCPT TO' };

/**
 * A connection that breaks while it is used again, for a later message, is replaced by a new one, on
 * which all goes well.
 */
function replaced({ message, pipelining }: Setting, table: FaultTable): FaultTable {
  const retried = (line: string): string => (line.startsWith('deferred 4.4.2') ? sent(1) : line);
  const all = (lines: readonly string[]): string | readonly string[] => {
    const again = lines.some((line) => line.startsWith('deferred 4.4.2'));
    const results = lines.map((line) =>
      again && line.startsWith('deferred') ? sent(1) : retried(line),
    );
    return new Set(results).size === 1 ? (results[0] ?? '') : results;
  };
  // Pipelined, the replies that are missing make the connection time out.
  const changed: FaultTable = pipelining
    ? { ...table, 'a code of the wrong kind': sent(1) }
    : table;
  return message === 1
    ? table
    : Object.fromEntries(
        Object.entries(changed).map(([fault, lines]) => [
          fault,
          typeof lines === 'string' ? retried(lines) : all(lines),
        ]),
      );
}

describe('a server that misbehaves at', () => {
  describeFaults({ step: 'MAIL' }, settings, (setting) =>
    replaced(setting, {
      ...faultTable({ where: 'sending MAIL FROM', command: 'MAIL FROM' }, setting.message),
      // Every reply is then taken for one command too late.
      'one reply too many': setting.pipelining
        ? protocol('said: 250 2.1.5 Ok (in reply to DATA command)')
        : early,
    }),
  );

  describeFaults({ step: 'RCPT' }, settings, (setting) => {
    const table = faultTable(rcpt, setting.message);
    const late = setting.recipients === 1 ? '250 2.0.0 extra' : '250 2.1.5 Ok';
    const extra = setting.pipelining ? protocol(`said: ${late} (in reply to DATA command)`) : early;
    return replaced(setting, { ...amongOthers(table, setting), 'one reply too many': extra });
  });

  describeFaults({ step: 'DATA' }, settings, (setting) =>
    replaced(
      { ...setting, pipelining: false },
      {
        ...faultTable({ where: 'sending DATA command', command: 'DATA' }, setting.message),
        'a code of the wrong kind': protocol('said: 250 2.0.0 what (in reply to DATA command)'),
        'two codes in one reply':
          'bounced 5.7.1 host H said: 354-one 550 5.7.1 two (in reply to DATA command)',
      },
    ),
  );

  const where = 'sending end of data -- message may be sent more than once';
  // The message may have been taken: it is not sent again over another connection.
  describeFaults({ step: 'end of data' }, settings, (setting) => ({
    ...faultTable({ where, command: 'end of DATA' }, setting.message),
    ...shownTable(setting.message),
  }));
});

/** The second of three: the others share its fate only where the connection is over. */
function amongOthers(table: FaultTable, { recipients, message }: Setting): FaultTable {
  if (recipients === 1) {
    return table;
  }
  const fates: Readonly<Partial<Record<FaultName, string>>> = {
    '4xx': sent(message),
    '5xx': sent(message),
    '4xx without an enhanced code': sent(message),
    '5xx of several lines': sent(message),
    '421 and goodbye': lost(rcpt.where),
    'a code of the wrong kind': timedOut(rcpt.where),
    'two codes in one reply': timedOut(rcpt.where),
  };
  return Object.fromEntries(
    Object.entries(table).map(([fault, line]) => {
      const others = fates[fault as FaultName];
      return [fault, others === undefined ? line : [others, String(line), others]];
    }),
  );
}
