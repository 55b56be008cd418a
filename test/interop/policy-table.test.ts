/**
 * That fixtures/policy-table.json is what smtp(8) of Debian 13 does: each policy, for a server of its own address, by a
 * real delivery. The unit test of the same data compares ours with it.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Smtpd } from '../../lib/server.js';
import { certificate } from '../helpers/certificates.js';
import { prepareDebian13, whyNoDebian13 } from '../helpers/debian13.js';
import { Lines } from '../helpers/lines.js';
import { Postfix } from '../helpers/postfix.js';
import { collect } from '../helpers/servers.js';

interface Recorded {
  readonly policy: string;
  readonly warnings: readonly string[];
  readonly dsn: string;
  readonly status: string;
  readonly text: string;
}

const recorded = JSON.parse(
  readFileSync(new URL('../fixtures/policy-table.json', import.meta.url), 'utf8'),
) as readonly Recorded[];

const minutes = 60_000;
const reason = whyNoDebian13();

test.runIf(process.env['CI'] !== undefined)('Postfix can be run', () => {
  expect(reason).toBeNull();
});

describe.skipIf(reason !== null)('policies as Postfix takes them', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-policies-'));
  const host = (i: number): string => `127.200.0.${i + 1}`;
  let smtpd: Smtpd;
  let postfix: Postfix;
  let port = 0;

  const nexthop = (i: number): string => `[${host(i)}]:${port}`;

  beforeAll(async () => {
    prepareDebian13();
    smtpd = new Smtpd({
      myhostname: 'mx.example',
      logger: new Lines(),
      tls: { securityLevel: 'may', chainFiles: [certificate('ecdsa').chainFile] },
      onData: async (_session, message) => {
        await collect(message);
      },
    });
    port = (await smtpd.listen({ host: '0.0.0.0', port: 0 })).port;
    const rows = recorded.map(
      ({ policy }, i) => `${nexthop(i)} ${policy.replaceAll('HOST', host(i))}\n`,
    );
    writeFileSync(join(folder, 'policies'), rows.join(''));
    postfix = await Postfix.start({
      keys: ['ecdsa'],
      mailboxes: [],
      transport: Object.fromEntries(recorded.map((_, i) => [`case${i}.example`, nexthop(i)])),
      main: {
        smtp_tls_policy_maps: 'texthash:$config_directory/policies',
        smtp_tls_loglevel: '0',
      },
      files: { policies: join(folder, 'policies') },
    });
  }, 10 * minutes);

  afterAll(async () => {
    await postfix?.stop();
    await smtpd?.close(true);
    rmSync(folder, { recursive: true });
  });

  test.each(recorded.map((row, i) => ({ ...row, i })))('$policy', async (row) => {
    const from = postfix.lines.all.length;
    postfix.submit('a@example.org', [`b@case${row.i}.example`], 'Subject: x\n\nx\n');
    const record = await postfix.lines.line(new RegExp(`to=<b@case${row.i}\\.example>`), from);
    const warnings = postfix.lines.all
      .slice(from)
      .map((line) => /^postfix\/smtp\[\d+\]: warning: (.*)$/.exec(line)?.[1])
      .filter((text) => text !== undefined)
      .map((text) => anonymous(text, host(row.i), nexthop(row.i)));
    const [, dsn, status, text] = /dsn=(\S+), status=(\w+) \((.*)\)$/.exec(record) ?? [];
    expect({ dsn, status, text: text?.replace(/queued as .*/, 'queued'), warnings }).toEqual({
      dsn: row.dsn,
      status: row.status,
      text: row.text,
      warnings: row.warnings,
    });
  });
});

function anonymous(text: string, host: string, nexthop: string): string {
  return text
    .replaceAll(`${host}${nexthop}`, 'NAMADDR')
    .replaceAll(nexthop, 'HOP')
    .replaceAll(host, 'HOST');
}
