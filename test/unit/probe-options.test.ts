/** The command line of `mxtls probe`: what it comes to, what it refuses; and the exit code of results. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parseCommandLine } from '../../lib/cli/args.js';
import { wantsColors } from '../../lib/cli/paint.js';
import { probeOptionSpecs, readProbe } from '../../lib/cli/probe-options.js';
import { probeCode } from '../../lib/cli/probe-report.js';
import type { ProbeOptions } from '../../lib/probe/options.js';
import { isSatisfied, type ProbeRecord, probeRecord } from '../../lib/probe/result.js';
import { probeArguments, probeLevels } from '../helpers/probe-levels.js';

async function read(...args: readonly string[]): Promise<ProbeOptions> {
  const line = parseCommandLine(args, probeOptionSpecs, Number.POSITIVE_INFINITY);
  return (await readProbe(line)).options;
}

const digests = { cert: 'aa'.repeat(32), key: 'bb'.repeat(32) };

/** What the command sets by itself. */
const own = {
  heloTimeout: 30_000,
  starttlsTimeout: 30_000,
  quitTimeout: 5000,
};

describe('each level name of the recordings', () => {
  test('has options and arguments', () => {
    expect(Object.keys(probeArguments)).toEqual(Object.keys(probeLevels));
  });

  test.each(Object.keys(probeLevels))('%s is the same on the command line', async (name) => {
    const { options = [], match = [] } = probeArguments[name]?.(digests) ?? {};
    const want = probeLevels[name]?.(digests);
    const got = await read(...options, 'example.com', ...match);
    expect(got).toMatchObject({ destination: 'example.com', match: want?.match ?? [] });
    expect(got.level).toBe(want?.level);
    expect(got.smtp).toEqual({ ...own, tls: { appendDefaultCA: true, ...want?.smtp?.tls } });
  });
});

describe('options', () => {
  test('without any, the destination is probed as mail would go there', async () => {
    const { dns, sts, ...options } = await read('example.com');
    expect(options).toEqual({
      ...{ destination: 'example.com', match: [], allMx: false, reconnect: false },
      smtp: { ...own, tls: { appendDefaultCA: true } },
    });
    expect(dns).toBeDefined();
    expect(sts).toBeDefined();
  });

  test('all of them', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mxtls-probe-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const ca = join(folder, 'ca.pem');
    writeFileSync(ca, '');
    const { dns: _, ...options } = await read(
      ...[
        '-l',
        'SECURE',
        '--port',
        '587',
        '--connect',
        '[::1]:2525',
        '--ca',
        ca,
        '-s',
        'sni.example',
      ],
      ...['--rpk', '--all-mx', '-r', '--no-sts', '--keylog', '/tmp/keys', '--nameserver'],
      ...['127.0.0.1:53', '--nameserver', '127.0.0.2', '--trust-ad', '-o', 'smtp_tls_ciphers=high'],
      ...['inet:[mx.example.com]', 'mx.example.com', '.example.com'],
    );
    expect(options).toEqual({
      ...{ destination: '[mx.example.com]', match: ['mx.example.com', '.example.com'] },
      ...{ level: 'secure', port: 587, connect: { address: '::1', port: 2525 } },
      ...{ allMx: true, reconnect: true, keyLogFile: '/tmp/keys' },
      smtp: {
        ...own,
        tls: { ciphers: 'high', CAfile: ca, servername: 'sni.example', enableRpk: true },
      },
    });
  });

  test.each([['smtp_tls_CAfile=/x'], ['smtp_tls_CApath=/x'], ['tls_append_default_CA=no']])(
    'the CAs of the system give way to %s',
    async (setting) => {
      const { smtp } = await read('-o', setting, 'example.com');
      expect(smtp?.tls?.appendDefaultCA ?? false).toBe(false);
    },
  );

  test('the name of a place to connect to is looked up', async () => {
    const { connect } = await read('--connect', 'localhost:25', 'example.com');
    expect(connect).toEqual({ address: expect.stringMatching(/^(127\.0\.0\.1|::1)$/), port: 25 });
  });

  test.each([
    [[], 'no destination; name a domain'],
    [['-l', 'halfdane', 'a.example'], '--level: "halfdane" is no TLS level; use none, may,'],
    [['--port', '0', 'a.example'], '--port: "0" is no port'],
    [['--port', '25x', 'a.example'], '--port: "25x" is no port'],
    [['--connect', 'mx.example', 'a.example'], '--connect: "mx.example" is no address with port'],
    [['--nameserver', 'ns.example', 'a.example'], '"ns.example" is not the address of a DNS'],
    [['--keylog', '', 'a.example'], '--keylog: no file'],
    [['-o', 'smtp_tls_ciphers=best', 'a.example'], 'smtp_tls_ciphers'],
    [['--level', 'may', '--level', 'may', 'a.example'], 'option "--level" is given twice'],
  ])('%j is refused', async (args, message) => {
    await expect(read(...args)).rejects.toMatchObject({
      class: 'usage',
      message: expect.stringContaining(message.split(';')[0] ?? ''),
    });
  });

  test('a file of CAs that is not there ends it', async () => {
    await expect(read('--ca', '/nowhere/ca.pem', 'a.example')).rejects.toMatchObject({
      ...{ message: '--ca: cannot read /nowhere/ca.pem: No such file or directory', exitCode: 66 },
    });
  });

  test('a host to connect to that does not exist ends it', async () => {
    await expect(read('--connect', 'bad..name:25', 'a.example')).rejects.toMatchObject({
      ...{ message: '--connect: cannot find the address of bad..name', exitCode: 69 },
    });
  });
});

const record: ProbeRecord = {
  ...{ destination: 'example.com', mx: 'mx.example.com', mxSecurity: 'secure' },
  ...{ address: '192.0.2.1', addressSecurity: 'secure', tlsaBase: null, tlsa: [] },
  ...{ requestedLevel: 'may', effectiveLevel: 'may', status: 'Untrusted', tls: null },
  ...{ matched: null, outcome: 'ok', dsn: '2.0.0', reason: null },
};

describe('results', () => {
  test('the object of --json has these fields, in this order, and no others', () => {
    const fields = [
      ...['destination', 'mx', 'mxSecurity', 'address', 'addressSecurity', 'tlsaBase', 'tlsa'],
      ...[
        'requestedLevel',
        'effectiveLevel',
        'status',
        'tls',
        'matched',
        'outcome',
        'dsn',
        'reason',
      ],
    ];
    const more = { ...record, notes: ['x'], chain: [] };
    expect(Object.keys(probeRecord(more))).toEqual(fields);
    expect(probeRecord(more)).toEqual(record);
  });

  test.each<[Partial<ProbeRecord>, boolean]>([
    [{}, true],
    [{ requestedLevel: 'dane', effectiveLevel: 'dane' }, true],
    [{ requestedLevel: 'dane', effectiveLevel: 'halfdane' }, false],
    [{ requestedLevel: 'dane', effectiveLevel: 'encrypt' }, false],
    [{ requestedLevel: 'dane', effectiveLevel: 'secure' }, true],
    [{ outcome: 'plaintext', effectiveLevel: 'none' }, false],
    [{ outcome: 'plaintext', requestedLevel: 'none', effectiveLevel: 'none' }, true],
    [{ outcome: 'defer' }, false],
    [{ outcome: 'skip' }, false],
    [{ requestedLevel: null }, false],
    [{ effectiveLevel: null }, false],
  ])('%j is satisfied: %s', (fields, satisfied) => {
    expect(isSatisfied({ ...record, ...fields })).toBe(satisfied);
  });

  const weak = { ...record, requestedLevel: 'dane' } as const;
  const deferred = { ...record, outcome: 'defer', dsn: '4.7.5' } as const;
  const refused = { ...record, outcome: 'skip', dsn: '5.1.0' } as const;

  test.each<[readonly ProbeRecord[], number, number]>([
    [[record], 0, 0],
    [[weak], 69, 69],
    [[deferred], 75, 75],
    [[refused], 69, 69],
    [[{ ...refused, dsn: '4.7.5' }], 75, 75],
    // A host that could not be reached before the one that answered.
    [[deferred, record], 0, 75],
    [[record, weak], 69, 69],
    [[record, weak, deferred], 75, 75],
  ])('exit code %#', (results, one, all) => {
    expect(probeCode(results, false)).toBe(one);
    expect(probeCode(results, true)).toBe(all);
  });
});

test('there are colours on a terminal that wants them', () => {
  expect(wantsColors({ isTTY: true }, {})).toBe(true);
  expect(wantsColors({ isTTY: true }, { NO_COLOR: '' })).toBe(true);
  expect(wantsColors({ isTTY: true }, { NO_COLOR: '1' })).toBe(false);
  expect(wantsColors({ isTTY: true }, { TERM: 'dumb' })).toBe(false);
  expect(wantsColors({ isTTY: false }, {})).toBe(false);
  expect(wantsColors({}, {})).toBe(false);
});
