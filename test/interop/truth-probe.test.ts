/**
 * The recorded truth of posttls-finger 3.11: each case at each level, and what our probe sees of the server's credential:
 * which record matched, at what depth, under which name, or why nothing did.
 *
 * posttls-finger is no judge of decisions: where DNS has no DANE for a host it goes on as if level secure had been asked
 * for, and at level dane-only it does not mind unsigned MX records. {@link standIn} has all of that; such rows are compared
 * with a probe at the level that posttls-finger has really used.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Resolver } from '../../lib/dns/resolver.js';
import { probe } from '../../lib/probe/probe.js';
import { isSatisfied, type ProbeResult, probeRecord } from '../../lib/probe/result.js';
import { isDaneBased, mustMatch } from '../../lib/tls/levels.js';
import { mxtls } from '../helpers/command.js';
import { prepareDebian13, whyNoDebian13 } from '../helpers/debian13.js';
import { type ProbeDigests, probeArguments, probeLevels } from '../helpers/probe-levels.js';
import { type FingerRow, fingerRows } from '../helpers/truth-world/cases.js';
import { TruthWorld } from '../helpers/truth-world/truth-world.js';

const reason = whyNoDebian13();
const rows = fingerRows();
const cases = [...new Set(rows.map((row) => row.case))];

type Seen = Omit<FingerRow, 'case' | 'level' | 'messages'>;

test.runIf(process.env['CI'] !== undefined)('NSD and Unbound can be run', () => {
  expect(reason).toBeNull();
});

test('the recording has 734 probes of 57 cases', () => {
  expect(cases).toHaveLength(57);
  expect(rows).toHaveLength(734);
});

describe.skipIf(reason !== null)('probes', () => {
  let world: TruthWorld;
  let dns: Resolver;

  beforeAll(async () => {
    prepareDebian13();
    world = await TruthWorld.start();
    dns = new Resolver({ servers: [world.nameserver] });
  }, 600_000);

  afterAll(() => world?.close());

  async function probeAt(name: string, level: string): Promise<ProbeResult> {
    const options = probeLevels[level]?.(digestsOf(name));
    if (options === undefined) {
      throw new Error(`${level} is no level of the recording`);
    }
    const results = await probe({
      ...options,
      destination: world.destinationOf(world.caseOf(name)),
      dns,
      smtp: {
        ...options.smtp,
        myhostname: 'client.example',
        tls: {
          ...options.smtp?.tls,
          // posttls-finger looks at no roots where nothing has to match.
          ...(/^(?:may|encrypt)/.test(level)
            ? {}
            : { CAfile: world.certificates.of('lab-root').certFile }),
        },
      },
    });
    const last = results.at(-1);
    if (last === undefined) {
      throw new Error(`${name} at ${level}: nothing was probed`);
    }
    const other = standIn(level, last);
    return other === null ? last : probeAt(name, other);
  }

  /** Of the certificate that the server shows to who asks for none in particular: ML-DSA where TLS 1.3 is spoken. */
  function digestsOf(name: string): ProbeDigests {
    const { listener } = world.caseOf(name);
    const certs = world.truth.listeners[listener]?.certs ?? [];
    const cert = (listener === 'full' ? certs.at(-1) : certs[0]) ?? 'unrelated';
    return {
      cert: world.certificates.tlsaData(0, 1, cert),
      key: world.certificates.tlsaData(1, 1, cert),
    };
  }

  test.each(cases)('%s', async (name) => {
    for (const row of rows.filter((one) => one.case === name)) {
      const { case: _, level, messages: __, ...recorded } = { ...row, ...misread(row) };
      const ours = seen(await probeAt(name, level));
      expect({ level, ...ours }).toEqual({ level, ...recorded });
    }
  });

  test.each(
    ['good-311', 'bad-311'].flatMap((name) =>
      rows.filter((row) => row.case === name).map(({ level }) => [name, level] as const),
    ),
  )('mxtls probe says it, too, and ends accordingly: %s at %s', async (name, level) => {
    const { options = [], match = [] } = probeArguments[level]?.(digestsOf(name)) ?? {};
    const { code, stdout } = await mxtls([
      ...['probe', '--json', '--no-sts', '--nameserver', world.nameserver],
      ...['--ca', world.certificates.of('lab-root').certFile, ...options],
      ...[world.destinationOf(world.caseOf(name)), ...match],
    ]);
    const result = await probeAt(name, level);
    expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify([probeRecord(result)])));
    expect(code).toBe(isSatisfied(result) ? 0 : 75);
  });
});

/** The recorder took `[::1]` for no address, and left out why `good-v6` did not match. */
function misread({ case: name, level }: FingerRow): Partial<FingerRow> {
  return name === 'good-v6' && level === 'fingerprint-bad'
    ? { verify_error: 'num=65:no matching DANE TLSA records' }
    : {};
}

/** A result in the columns of the recording. */
function seen(result: ProbeResult): Seen {
  const { tls, mx, notes, matched, verification, policyLevel } = result;
  const unusable = notes.filter((line) => line.includes('unusable TLSA RR')).length;
  return {
    outcome: outcomeOf(result),
    security: tls?.status ?? '',
    protocol: tls?.protocol ?? '',
    kex: (tls?.protocol === 'TLSv1.3' && tls.group) || '',
    signature: tls?.server?.algorithm ?? '',
    rpk: tls === null ? '' : `${tls.server?.rawPublicKey === true}`,
    host: tls === null ? '' : (mx ?? ''),
    ...matchOf(matched),
    // Where nothing has to match, Postfix is silent about why something does not; our probe is not.
    verify_error: policyLevel !== null && mustMatch(policyLevel) ? verifyError(verification) : '',
    unusable: unusable === 0 ? '' : `${unusable}`,
  };
}

/** The level that posttls-finger goes on at where a delivery would not, or would in another way; null: the same. */
function standIn(level: string, result: ProbeResult): 'secure' | 'dane' | null {
  const { policyLevel, reason, mxSecurity, preference, address } = result;
  const decided = policyLevel !== null && isDaneBased(policyLevel);
  if (!level.startsWith('dane') || decided || (policyLevel === null && address === null)) {
    return null;
  }
  if (reason?.startsWith('TLSA lookup error')) {
    return null; // the next host is tried by both
  }
  if (reason === 'non DNSSEC destination') {
    return 'dane';
  }
  const insecureMx = preference !== null && mxSecurity === 'insecure';
  return level === 'dane-insecure-mx-may' && insecureMx ? null : 'secure';
}

function outcomeOf({ tls, outcome, reason, dsn }: ProbeResult): string {
  if (tls !== null) {
    return 'tls';
  }
  const failures: Readonly<Record<string, string>> = {
    '4.4.1': 'connect-failed',
    '4.4.3': 'dns-error',
    '4.7.4': 'starttls-not-offered',
    '4.7.5': reason?.startsWith('TLSA lookup error') ? 'tlsa-lookup-error' : 'handshake-failed',
  };
  return outcome === 'plaintext' ? 'starttls-not-offered' : (failures[dsn] ?? `${dsn} ${reason}`);
}

function matchOf(
  matched: ProbeResult['matched'],
): Pick<Seen, 'matched' | 'depth' | 'tlsa' | 'peername'> {
  if (matched === null) {
    return { matched: '', depth: '', tlsa: '', peername: '' };
  }
  const { kind, value, depth, peername, publicKey, rawPublicKey } = matched;
  if (kind !== 'tlsa') {
    return { matched: kind === 'name' ? '' : kind, depth: '', tlsa: '', peername: peername ?? '' };
  }
  const [usage] = value.split(' ');
  const what = publicKey
    ? 'TA public key verified certificate'
    : usage === '2'
      ? 'TA certificate'
      : 'EE certificate';
  return {
    matched: rawPublicKey ? 'DANE raw public key' : `DANE ${what}`,
    depth: rawPublicKey ? '' : `${depth}`,
    tlsa: value.split(' ').slice(0, 3).join(' '),
    peername: peername ?? '',
  };
}

function verifyError(lines: readonly string[]): string {
  const texts = lines.flatMap(
    (line) => /certificate verification failed for \S+: (.*)$/.exec(line)?.[1] ?? [],
  );
  return texts.join('; ');
}
