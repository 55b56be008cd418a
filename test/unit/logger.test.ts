import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, expect, test } from 'vitest';
import { logDelivery } from '../../lib/log/delivery.js';
import { eventNames } from '../../lib/log/events.js';
import { logEstablished } from '../../lib/log/handshake.js';
import { engineLogger, type Logger, streamLogger } from '../../lib/log/logger.js';
import { parseLoglevel } from '../../lib/log/loglevel.js';
import { makeSnapshot } from '../helpers/snapshot.js';

const undo: (() => void)[] = [];

afterEach(() => {
  for (const step of undo.splice(0)) {
    step();
  }
});

/** Collects what is published on a channel until the test ends. */
function listen(name: string): unknown[] {
  const messages: unknown[] = [];
  const onMessage = (message: unknown): void => {
    messages.push(message);
  };
  subscribe(name, onMessage);
  undo.push(() => unsubscribe(name, onMessage));
  return messages;
}

function collect(): { readonly logger: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  return {
    lines,
    logger: { info: (text) => lines.push(text), warn: (text) => lines.push(`warning: ${text}`) },
  };
}

test('a line begins with program, service and process like those of Postfix', () => {
  const lines: string[] = [];
  const logger = streamLogger({ service: 'smtpd', pid: 4711, write: (line) => lines.push(line) });
  logger.info('connect from mail.example.org[192.0.2.5]');
  logger.warn('something is wrong');
  logger.error('something failed');
  expect(lines).toEqual([
    'mxtls/smtpd[4711]: connect from mail.example.org[192.0.2.5]\n',
    'mxtls/smtpd[4711]: warning: something is wrong\n',
    'mxtls/smtpd[4711]: error: something failed\n',
  ]);
});

test('what a peer sends cannot begin a line of its own', () => {
  const lines: string[] = [];
  const logger = streamLogger({ service: 'smtp', pid: 1, write: (line) => lines.push(line) });
  logger.info('reply: 250 ok\r\nmxtls/smtp[1]: forged\u2028\u009b0m grüße');
  expect(lines).toEqual(['mxtls/smtp[1]: reply: 250 ok??mxtls/smtp[1]: forged??0m grüße\n']);
});

test('every logged line is an event; errors go to warn where there is no error method', () => {
  const events = listen('mxtls:log');
  const { logger, lines } = collect();
  const wrapped = engineLogger(logger, 'smtp');
  wrapped.info('one');
  wrapped.warn('two');
  wrapped.error('three');
  expect(lines).toEqual(['one', 'warning: two', 'warning: three']);
  expect(events).toEqual([
    { service: 'smtp', severity: 'info', text: 'one' },
    { service: 'smtp', severity: 'warning', text: 'two' },
    { service: 'smtp', severity: 'error', text: 'three' },
  ]);
});

test('a handshake is published whatever the loglevel, and logged when it says so', () => {
  const events = listen('mxtls:tls:established');
  const { logger, lines } = collect();
  const props = {
    snapshot: makeSnapshot(),
    direction: 'from',
    use: 'established',
    namaddr: 'mail.example.org[192.0.2.5]',
  } as const;
  logEstablished(logger, { ...props, flags: parseLoglevel(0).flags });
  expect(lines).toEqual([]);
  logEstablished(logger, { ...props, flags: parseLoglevel(1).flags });
  expect(lines).toHaveLength(1);
  expect(events).toEqual([
    { ...props, line: lines[0] },
    { ...props, line: lines[0] },
  ]);
});

test('a delivery is published with its record', () => {
  const events = listen('mxtls:smtp:delivery');
  const { logger, lines } = collect();
  const record = {
    queueId: 'A1',
    recipient: 'u@example.com',
    origRecipient: null,
    relay: null,
    connUse: 1,
    delay: 1,
    delays: [0, 0, 1, 0],
    tls: 'may?',
    dsn: '4.4.1',
    status: 'deferred',
    text: 'connect to mx.example.com[198.51.100.1]:25: Connection refused',
  } as const;
  logDelivery(logger, record);
  expect(events).toEqual([{ record, line: lines[0] }]);
});

test('channel names are listed', () => {
  expect(eventNames).toEqual([
    'mxtls:tls:established',
    'mxtls:tls:failed',
    'mxtls:tls:reload',
    'mxtls:tls:certificate-expiring',
    'mxtls:smtp:delivery',
    'mxtls:smtpd:reject',
    'mxtls:log',
  ]);
});
