/** How many deliveries of one Smtp run at a time: to one destination, and in all. */
import { expect, onTestFinished, test } from 'vitest';
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import type { DeliveryReport } from '../../lib/delivery/report.js';
import { certificate } from '../helpers/certificates.js';
import { Lines } from '../helpers/lines.js';
import { startSmtpd } from '../helpers/servers.js';

const { chainFile } = certificate('ecdsa');

/**
 * An smtpd whose messages wait for one another until `together` are there; what there was at most, connections among
 * them that have not got so far.
 */
async function start(together: number) {
  const state = { now: 0, most: 0 };
  let inside: (() => void)[] = [];
  const server = await startSmtpd({
    tls: { securityLevel: 'may', chainFiles: [chainFile] },
    clientConnectionCountLimit: 0,
    onConnect: () => {
      state.now++;
      state.most = Math.max(state.most, state.now);
    },
    onData: async (_session, message) => {
      for await (const _part of message) {
        // all of it
      }
      await new Promise<void>((resolve) => {
        inside.push(resolve);
        if (inside.length === together) {
          for (const wake of inside) {
            wake();
          }
          inside = [];
        }
      });
      state.now--;
    },
  });
  return { ...server, state };
}

function client(options: Partial<SmtpOptions>) {
  const smtp = new Smtp({ logger: new Lines(), lookup: async () => ['127.0.0.1'], ...options });
  onTestFinished(() => smtp.close());
  return (nexthop: string): Promise<DeliveryReport> =>
    smtp.deliver({
      ...{ sender: 'a@example.org', recipients: ['b@example.com'], message: 'x\r\n', nexthop },
    });
}

function statuses(reports: readonly DeliveryReport[]): readonly (string | undefined)[] {
  return [...new Set(reports.map(({ recipients }) => recipients[0]?.status))];
}

test('to one destination as many as smtp_destination_concurrency_limit says', async () => {
  const { nexthop, state } = await start(3);
  const deliver = client({ destinationConcurrencyLimit: 3 });
  const reports = await Promise.all(Array.from({ length: 12 }, () => deliver(nexthop)));
  expect(statuses(reports)).toEqual(['sent']);
  expect(state.most).toBe(3);
});

test('20 of them by default', async () => {
  const { nexthop, state } = await start(20);
  const deliver = client({});
  const reports = await Promise.all(Array.from({ length: 60 }, () => deliver(nexthop)));
  expect(statuses(reports)).toEqual(['sent']);
  expect(state.most).toBe(20);
});

test('over all destinations as many as connectionLimit says', async () => {
  const { port, state } = await start(4);
  const deliver = client({ connectionLimit: 4, destinationConcurrencyLimit: 3 });
  const reports = await Promise.all(
    Array.from({ length: 24 }, (_, i) => deliver(`[mx${i % 6}.example.com]:${port}`)),
  );
  expect(statuses(reports)).toEqual(['sent']);
  expect(state.most).toBe(4);
});

test('connections that were kept make room for new ones', async () => {
  const { port, state } = await start(1);
  const deliver = client({ connectionLimit: 2, tls: { connectionReuse: true } });
  for (let i = 0; i < 6; i++) {
    expect(statuses([await deliver(`[mx${i}.example.com]:${port}`)])).toEqual(['sent']);
  }
  expect(state.most).toBe(1);
});

test('a delivery that has waited tells so in its delays', async () => {
  const { nexthop } = await start(1);
  const deliver = client({ destinationConcurrencyLimit: 1 });
  const [first, second] = await Promise.all([deliver(nexthop), deliver(nexthop)]);
  const waited = second?.recipients[0]?.delays[0] ?? 0;
  expect(waited).toBeGreaterThan(0);
  expect(first?.recipients[0]?.delays[0]).toBeLessThan(waited);
});

test.each([-1, 1.5, Number.NaN])('a connectionLimit of %d is refused', (connectionLimit) => {
  expect(() => new Smtp({ connectionLimit })).toThrow(
    expect.objectContaining({
      ...{ class: 'usage', code: 'INVALID_PARAMETER' },
      message: `connectionLimit is ${connectionLimit}; give a whole number, 0 for no limit`,
    }),
  );
});
