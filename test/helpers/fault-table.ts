/**
 * Runs one delivery for each fault at one step of the dialogue, and compares what came of it with a
 * table. What is true of every delivery, whatever the server does, is checked on the way.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import type {
  DeliveryReport,
  DeliveryRequest,
  RecipientResult,
} from '../../lib/delivery/report.js';
import { Lines } from './lines.js';
import { type Fault, type Moment, misbehaving, type Step } from './misbehaving-server.js';
import { scriptedServers } from './scripted-server.js';
import { serverFaults } from './server-faults.js';

export interface Setting {
  readonly pipelining: boolean;
  readonly recipients: 1 | 3;
  /** The message that meets the fault; those before it go well. */
  readonly message: 1 | 2;
}

/** All that there are, in words. */
export const settings: readonly (readonly [string, Setting])[] = [false, true].flatMap(
  (pipelining) =>
    ([1, 3] as const).flatMap((recipients) =>
      ([1, 2] as const).map((message): readonly [string, Setting] => [
        `${pipelining ? 'pipelined' : 'in lock step'}, ${recipients} recipient${recipients > 1 ? 's' : ''}, message ${message}`,
        { pipelining, recipients, message },
      ]),
    ),
);

export interface Place {
  readonly step: Step;
  /** A step to come by, and what happens there once. */
  readonly before?: Readonly<Partial<Record<Step, Fault>>>;
  readonly keywords?: readonly string[];
  readonly wrappermode?: boolean;
  readonly options?: SmtpOptions;
  readonly request?: Partial<DeliveryRequest>;
  /** Each recipient's result ends in the `tls=` field. */
  readonly tls?: boolean;
}

/** What comes of a fault: the same for all recipients, or a line for each. */
export type FaultTable = Readonly<Record<string, string | readonly string[]>>;

/** Faults after which a server says nothing more. */
const silent = [
  ...['silence', 'half a reply and silence', 'no reply but words', 'nothing but NUL bytes'],
  ...['a code of the wrong kind', 'two codes in one reply', 'half a record'],
];

/** Time enough for a busy machine, except where it has to run out. */
function limits(fault: string): SmtpOptions {
  const limit = silent.includes(fault) ? 2000 : 30_000;
  return {
    ...{ heloTimeout: limit, starttlsTimeout: limit, mailTimeout: limit, rcptTimeout: limit },
    ...{ dataInitTimeout: limit, dataDoneTimeout: limit },
    dataXferTimeout: fault === 'nobody reads' ? 2000 : limit,
    ...{ rsetTimeout: limit, quitTimeout: 2000 },
  };
}

/** Describes a step: one test for each setting, all faults of a setting at once. */
export function describeFaults(
  place: Place,
  chosen: readonly (readonly [string, Setting])[],
  expected: (setting: Setting) => FaultTable,
  faults: Readonly<Record<string, Fault>> = serverFaults,
): void {
  describe(place.step, () => {
    const servers = scriptedServers();
    const found = new Map<string, FaultTable>();

    beforeAll(async () => {
      await Promise.all(
        chosen.map(async ([name, setting]) => {
          const rows = Object.entries(faults).map(async ([fault, act]) => [
            fault,
            await deliver(servers, place, setting, [fault, act]),
          ]);
          found.set(name, Object.fromEntries(await Promise.all(rows)) as FaultTable);
        }),
      );
    });

    afterAll(() => servers.close());

    test.each(chosen)('%s', (name, setting) => {
      expect(found.get(name)).toEqual(expected(setting));
    });
  });
}

async function deliver(
  servers: ReturnType<typeof scriptedServers>,
  place: Place,
  setting: Setting,
  [name, fault]: readonly [string, Fault],
): Promise<string | readonly string[]> {
  const { pipelining, message } = setting;
  const { keywords = [], wrappermode = false } = place;
  const server = await servers.listen(
    misbehaving({
      keywords: [...(pipelining ? ['PIPELINING'] : []), ...keywords],
      wrappermode,
      at: faultAt(place, setting, fault),
    }),
  );
  const smtp = new Smtp({ logger: new Lines(), ...limits(name), ...place.options });
  const requests = Array.from({ length: message }, (_, i) =>
    makeRequest(setting, i + 1, server.nexthop, i + 1 === message ? place.request : {}),
  );
  const reports = await smtp.deliverAll(requests);
  await server.done; // the client has gone each time
  checkReports(requests, reports);
  const results = reports.at(-1)?.recipients ?? [];
  const lines = results.map(
    ({ status, dsn, reply, tlsFeature }) =>
      `${status} ${dsn} ${reply.replaceAll(server.namaddr, 'H')}${place.tls === true ? ` tls=${tlsFeature}` : ''}`,
  );
  return new Set(lines).size === 1 ? (lines[0] ?? '') : lines;
}

/** The fault happens once in a connection. */
function faultAt(place: Place, setting: Setting, fault: Fault): (moment: Moment) => Fault | null {
  const { recipients, message } = setting;
  const past = new Set<Step>();
  return ({ step, message: current, recipient }) => {
    const before = place.before?.[step];
    if (before !== undefined && !past.has(step)) {
      past.add(step);
      return before;
    }
    const there =
      step === place.step &&
      (current === message || current === 0 || step === 'RSET') &&
      (step !== 'RCPT' || recipient === Math.min(2, recipients));
    return there ? fault : null;
  };
}

function makeRequest(
  { recipients }: Setting,
  number: number,
  nexthop: string,
  further: Partial<DeliveryRequest> = {},
): DeliveryRequest {
  const names = ['b', 'c', 'd'].slice(0, recipients);
  return {
    sender: 'a@example.org',
    recipients: names.map((name) => `${name}${number}@example.com`),
    message: 'hello\n',
    nexthop,
    ...further,
  };
}

/** Each recipient has exactly one result that says what happened, in order. */
export function checkReports(
  requests: readonly DeliveryRequest[],
  reports: readonly DeliveryReport[],
): void {
  expect(reports).toHaveLength(requests.length);
  for (const [i, { recipients }] of reports.entries()) {
    expect(recipients.map(({ recipient }) => recipient)).toEqual(requests[i]?.recipients);
    for (const result of recipients) {
      checkResult(result);
    }
  }
}

const classes = { sent: '2', deferred: '4', bounced: '5' } as const;

function checkResult({ status, dsn, reply, delay, delays, tlsFeature }: RecipientResult): void {
  expect(dsn).toMatch(new RegExp(`^${classes[status]}\\.\\d{1,3}\\.\\d{1,3}$`));
  expect(reply).toMatch(/^[^\p{Cc}]{3,4000}$/u);
  expect(delay).toBeGreaterThanOrEqual(0);
  expect(delays).toHaveLength(4);
  expect(tlsFeature).toMatch(/^!?(?:none|may|encrypt)(?::none)?\??$/);
}
