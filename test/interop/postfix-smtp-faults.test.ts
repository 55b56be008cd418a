/**
 * The same misbehaving servers before Postfix's smtp(8) (Debian 13, 3.10) and before our smtp: status,
 * code and reason of each recipient are the same, except where we differ on purpose.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Smtp } from '../../lib/client.js';
import { prepareDebian13, whyNoDebian13 } from '../helpers/debian13.js';
import { Lines } from '../helpers/lines.js';
import { misbehaving, type Moment, type Step } from '../helpers/misbehaving-server.js';
import { Postfix } from '../helpers/postfix.js';
import { type ScriptedServer, scriptedServers } from '../helpers/scripted-server.js';
import { type FaultName, faultNames, serverFaults } from '../helpers/server-faults.js';

const reason = whyNoDebian13();
const message = 'Subject: fault\n\nhello\n';
const limit = 2000;

/** Where the fault is, and what the server offers. */
interface Place {
  readonly step: Step;
  readonly keywords: readonly string[];
  readonly level: 'may' | 'encrypt';
}

const inLockStep = ['8BITMIME'];
const pipelined = ['PIPELINING', '8BITMIME'];
const steps = ['greeting', 'EHLO', 'HELO', 'MAIL', 'RCPT', 'DATA', 'end of data', 'QUIT'] as const;

const places: Readonly<Record<string, Place>> = Object.fromEntries([
  ...steps.map((step) => [`${step}, in lock step`, { step, keywords: inLockStep, level: 'may' }]),
  ...steps.map((step) => [`${step}, pipelined`, { step, keywords: pipelined, level: 'may' }]),
  ...(['may', 'encrypt'] as const).flatMap((level) =>
    (['STARTTLS', 'EHLO in TLS'] as const).map((step) => [
      `${step}, at level ${level}`,
      { step, keywords: [...pipelined, 'STARTTLS'], level },
    ]),
  ),
]);

/** Where our smtp does something else, why, and what it does instead. */
interface Difference {
  readonly faults: readonly FaultName[];
  readonly steps: readonly Step[];
  readonly why: string;
  readonly ours: RegExp;
}

const anywhere: readonly Step[] = [...steps, 'STARTTLS', 'EHLO in TLS'];

const differences: readonly Difference[] = [
  {
    faults: ['a code of the wrong kind'],
    steps: ['greeting', 'HELO', 'STARTTLS', 'MAIL', 'RCPT', 'DATA', 'end of data'],
    why: 'Postfix bounces with 5.5.0. Such a reply tells that commands and replies are out of step, nothing about the message.',
    ours: /^deferred 4\.5\.0 Protocol error: |^deferred 4\.4\.2 conversation with H timed out while sending RCPT TO$/,
  },
  {
    faults: ['one reply too many'],
    steps: ['greeting', 'EHLO', 'HELO', 'MAIL', 'RCPT', 'DATA', 'EHLO in TLS'],
    why: 'Postfix takes it for the reply to the next command, and so on: in the end for that to the message, which may be lost.',
    ours: /^deferred 4\.5\.0 Protocol error: host H (?:sent a reply|said: 250 2\.1\.5 Ok \(in reply to DATA)/,
  },
  {
    faults: ['one reply too many'],
    steps: ['STARTTLS'],
    why: 'Postfix throws away what came before the handshake; we go no further with a server that injects replies (CVE-2011-0411).',
    ours: /^deferred 4\.7\.5 Cannot start TLS: the server sent 17 bytes of plaintext ahead/,
  },
  {
    faults: ['a line that is too long'],
    steps: anywhere,
    why: 'Postfix 3.10 reads nothing more from a server after a line of 2048 bytes; we cut the line, as Postfix did before.',
    ours: /^sent 2\.0\.0 250 2\.0\.0 Ok: queued as Q1x*$/,
  },
  {
    faults: ['a line without end', 'a reply without end'],
    steps: anywhere,
    why: 'Postfix reads until the time limit, or ends the reply at 2048 bytes; our limit is 64 KiB, and the reason names it.',
    ours: /^deferred 4\.5\.0 Protocol error: host H sent a reply without end$/,
  },
  {
    faults: ['words ahead of the reply'],
    steps: ['end of data'],
    why: 'Postfix shows the words as part of the reply.',
    ours: /^sent 2\.0\.0 250 2\.0\.0 Ok: queued as Q1$/,
  },
  {
    faults: ['NUL bytes'],
    steps: ['end of data'],
    why: 'Postfix shows what is before the first NUL.',
    ours: /^sent 2\.0\.0 250 \?2\.0\.0 Ok: queued as Q1$/,
  },
];

interface Case {
  readonly place: string;
  readonly step: Step;
  readonly fault: FaultName;
  readonly domain: string;
  /** Two servers of the same kind. */
  readonly forPostfix: ScriptedServer;
  readonly forUs: ScriptedServer;
  theirs: readonly string[];
  ours: readonly string[];
}

test.runIf(process.env['CI'] !== undefined)('Postfix can be run', () => {
  expect(reason).toBeNull();
});

describe.skipIf(reason !== null)('a server that misbehaves is the same to both at', () => {
  const cases: Case[] = [];
  const servers = scriptedServers();
  let postfix: Postfix;

  beforeAll(async () => {
    prepareDebian13();
    await listen();
    postfix = await startPostfix();
    const theirs = postfix.submitEach('a@example.org', cases.map(recipientsOf), message);
    await Promise.all([theirs, ...cases.map(deliver)]);
    await Promise.all(cases.map(readRecords));
  }, 600_000);

  afterAll(async () => {
    await postfix?.stop();
    servers.close();
  });

  async function listen(): Promise<void> {
    for (const [place, { step, keywords }] of Object.entries(places)) {
      for (const fault of faultNames) {
        const script = misbehaving({ keywords, at: (moment) => faultAt(moment, step, fault) });
        const [forPostfix, forUs] = [await servers.listen(script), await servers.listen(script)];
        const domain = `d${cases.length}.example`;
        cases.push({ place, step, fault, domain, forPostfix, forUs, theirs: [], ours: [] });
      }
    }
  }

  function startPostfix(): Promise<Postfix> {
    const timeouts = [
      'helo',
      'starttls',
      'mail',
      'rcpt',
      'data_init',
      'data_xfer',
      'data_done',
      'quit',
    ];
    const encrypted = cases.filter(({ place }) => places[place]?.level === 'encrypt');
    const policies = encrypted.map(({ forPostfix }) => `{ ${forPostfix.nexthop} = encrypt }`);
    return Postfix.start({
      keys: ['ecdsa'],
      mailboxes: [],
      transport: Object.fromEntries(
        cases.map(({ domain, forPostfix }) => [domain, forPostfix.nexthop]),
      ),
      main: {
        smtp_tls_security_level: 'may',
        smtp_tls_policy_maps: `inline:{ ${policies.join(', ')} }`,
        ...Object.fromEntries(timeouts.map((name) => [`smtp_${name}_timeout`, `${limit / 1000}s`])),
      },
    });
  }

  async function deliver(entry: Case): Promise<void> {
    const { place, forUs } = entry;
    const smtp = new Smtp({
      logger: new Lines(),
      tls: { securityLevel: places[place]?.level ?? 'may' },
      ...{ heloTimeout: limit, starttlsTimeout: limit, mailTimeout: limit, rcptTimeout: limit },
      ...{ dataInitTimeout: limit, dataXferTimeout: limit, dataDoneTimeout: limit },
      quitTimeout: limit,
    });
    const { recipients } = await smtp.deliver({
      sender: 'a@example.org',
      recipients: recipientsOf(entry),
      message,
      nexthop: forUs.nexthop,
    });
    entry.ours = recipients.map(({ status, dsn, reply }) =>
      anonymous(`${status} ${dsn} ${reply}`, forUs),
    );
  }

  async function readRecords(entry: Case): Promise<void> {
    entry.theirs = await Promise.all(
      recipientsOf(entry).map(async (recipient) => {
        const line = await postfix.lines.line(new RegExp(`to=<${recipient}>.*, dsn=`));
        const [, dsn, status, text] = /, dsn=(\S+), status=(\S+) \((.*?)\)?$/.exec(line) ?? [];
        return anonymous(`${status} ${dsn} ${text}`, entry.forPostfix);
      }),
    );
  }

  test.each(Object.keys(places))('%s', (place) => {
    const rows = cases.filter((entry) => entry.place === place);
    expect(rows).toHaveLength(faultNames.length);
    for (const { step, fault, ours, theirs } of rows) {
      const difference = argued(step, fault);
      const what = `${fault}\n${difference?.why ?? ''}`;
      expect(ours, what).toHaveLength(3);
      if (difference === null || same(ours, theirs)) {
        expect(ours, what).toEqual(theirs);
      } else {
        for (const result of ours) {
          expect(result, what).toMatch(difference.ours);
        }
      }
    }
  });

  test.each(differences)('no other than where argued: $faults', ({ faults, steps: where }) => {
    const differing = cases.filter(
      ({ step, fault, ours, theirs }) =>
        where.includes(step) && faults.includes(fault) && !same(ours, theirs),
    );
    expect(differing.length).toBeGreaterThan(0);
  });
});

function same(ours: readonly string[], theirs: readonly string[]): boolean {
  return JSON.stringify(ours) === JSON.stringify(theirs);
}

function argued(step: Step, fault: FaultName): Difference | null {
  return differences.find((row) => row.steps.includes(step) && row.faults.includes(fault)) ?? null;
}

/** The second of three recipients has it; to come to HELO, EHLO has to be refused. */
function faultAt(moment: Moment, step: Step, fault: FaultName) {
  if (step === 'HELO' && moment.step === 'EHLO') {
    return serverFaults['5xx'];
  }
  const there = moment.step === step && (step !== 'RCPT' || moment.recipient === 2);
  return there ? serverFaults[fault] : null;
}

function recipientsOf({ domain }: { readonly domain: string }): readonly string[] {
  return ['b', 'c', 'd'].map((name) => `${name}@${domain}`);
}

/** A reset may come before or after connect(2) has returned; with both it is the same fault of the server. */
const resetAtOnce = '4.4.1 connect to H:P: Connection reset by peer';
const resetLater = '4.4.2 lost connection with H while receiving the initial server greeting';

/** Without what is different in each run. */
function anonymous(text: string, { namaddr, port }: ScriptedServer): string {
  return text
    .replaceAll(`${namaddr}:${port}`, 'H:P')
    .replaceAll(namaddr, 'H')
    .replace(resetAtOnce, resetLater);
}
