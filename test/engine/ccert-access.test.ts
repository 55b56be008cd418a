/** Access by client certificate and raw public key: what the ready-made restrictions decide and log. */
import { describe, expect, test } from 'vitest';
import type { LookupTable } from '../../lib/maps/table.js';
import type { Recipient } from '../../lib/smtp/envelope.js';
import {
  checkCcertAccess,
  permitTlsAllClientcerts,
  permitTlsClientcerts,
} from '../../lib/smtpd/ccert-access.js';
import { type Restriction, restrictions, type Verdict } from '../../lib/smtpd/restrictions.js';
import type { SmtpdTlsOptions } from '../../lib/tls/options.js';
import { authority, certificate, issuedCertificate } from '../helpers/certificates.js';
import { enter, pem, sendRaw } from '../helpers/ccert-clients.js';
import { certFingerprint, pkeyFingerprint } from '../helpers/fingerprints.js';
import { startSmtpd } from '../helpers/servers.js';

const self = certificate('ecdsa');
const issued = issuedCertificate();
const cert = certFingerprint(issued.certFile);
const pkey = pkeyFingerprint(issued.certFile);
const asking: SmtpdTlsOptions = {
  securityLevel: 'may',
  chainFiles: [self.chainFile],
  askCcert: true,
};
const trusting: SmtpdTlsOptions = { ...asking, CAfile: authority().certFile };

const denied = { code: 554, enhanced: '5.7.1', text: '<b@example.com>: Relay access denied' };
const rejectUnauthDestination: Restriction = () => denied;
const relayDenied = '554 5.7.1 <b@example.com>: Relay access denied';
const ok = '250 2.1.5 Ok';
const what = '<client.example.com>: Client certificate';

interface Outcome {
  readonly reply: string;
  /** Warnings of the log, and what it says about refusals. */
  readonly lines: readonly string[];
}

/** What a client's RCPT comes to, with a final refusal behind the restrictions. */
async function rcpt(
  list: readonly Restriction[],
  tls: SmtpdTlsOptions = asking,
  credential: object = pem(issued),
): Promise<Outcome> {
  const onRcpt = restrictions<Recipient>(...list, rejectUnauthDestination);
  const { port, lines } = await startSmtpd({ tls, onRcpt });
  const client = await enter(port, credential);
  await client.commands('EHLO x', 'MAIL FROM:<a@example.org>');
  const reply = await client.command('RCPT TO:<b@example.com>');
  return { reply, lines: lines.matching(/^warning: |NOQUEUE|[0-9A-F]+: (reject|warn|info): /) };
}

const broken: LookupTable = {
  lookup: () => Promise.reject(new Error('connection refused')),
};

function fragile(feature: string, text: string): string {
  return `warning: ${feature}: unknown[127.0.0.1]: ${text}`;
}

describe('permit_tls_clientcerts', () => {
  const permits = async (table: Parameters<typeof permitTlsClientcerts>[0], tls = asking) =>
    (await rcpt([permitTlsClientcerts(table)], tls)).reply === ok;

  test('permits a public key or certificate of the table, whatever the value', async () => {
    expect(await permits({ [pkey]: 'relay' })).toBe(true);
    expect(await permits({ [cert]: '' })).toBe(true);
    expect(await permits(new Map([[cert, 'REJECT']]))).toBe(true);
    expect(await permits({ [certFingerprint(self.certFile)]: 'other' })).toBe(false);
    expect(await permits({})).toBe(false);
  });

  test('asks any table, public key first', async () => {
    const keys: string[] = [];
    const table = {
      lookup: async (key: string) => {
        keys.push(key);
        return undefined;
      },
    };
    expect(await permits(table)).toBe(false);
    expect(keys).toEqual([pkey, cert]);
  });

  test('finds keys in lower case', async () => {
    expect(await permits({ [pkey.toLowerCase()]: 'x' })).toBe(true);
    expect(await permits(new Map([[cert.toLowerCase(), 'x']]))).toBe(true);
  });

  test('a trusted certificate alone is nothing to it', async () => {
    expect(await permits({}, trusting)).toBe(false);
  });

  test('a lookup that fails makes mail wait', async () => {
    expect(await rcpt([permitTlsClientcerts(broken)])).toEqual({
      reply: '451 4.3.0 <b@example.com>: Temporary lookup failure',
      lines: [
        `warning: relay_clientcerts: lookup error for fingerprint '${cert}', pkey fingerprint ${pkey}: connection refused`,
        expect.stringMatching(
          /^NOQUEUE: reject: RCPT from unknown\[127\.0\.0\.1\]: 451 4\.3\.0 <b@example\.com>: Temporary lookup failure; from=<a@example\.org> to=<b@example\.com> proto=ESMTP helo=<x>$/,
        ),
      ],
    });
  });

  test('only the certificate has an entry, and raw public keys are enabled: fragile', async () => {
    const rpk = { ...asking, enableRpk: true };
    const { reply, lines } = await rcpt([permitTlsClientcerts({ [cert]: 'x' })], rpk);
    expect(reply).toBe(ok);
    expect(lines).toEqual([
      fragile(
        'permit_tls_clientcerts',
        `relay_clientcerts: Fragile access policy: smtpd_tls_enable_rpk=yes, but public key fingerprint "${pkey}" not matched, while certificate fingerprint "${cert}" matched`,
      ),
    ]);
    expect((await rcpt([permitTlsClientcerts({ [pkey]: 'x' })], rpk)).lines).toEqual([]);
    expect((await rcpt([permitTlsClientcerts({ [cert]: 'x' })])).lines).toEqual([]);
  });

  test('a raw public key counts by its fingerprint', async () => {
    const onRcpt = (table: Record<string, string>) =>
      restrictions<Recipient>(permitTlsClientcerts(table), rejectUnauthDestination);
    const tls = { ...asking, enableRpk: true };
    const good = await startSmtpd({ tls, onRcpt: onRcpt({ [pkey]: 'x' }) });
    expect((await sendRaw(good.nexthop, issued)).recipients[0]?.status).toBe('sent');
    const bad = await startSmtpd({ tls, onRcpt: onRcpt({ [cert]: 'x' }) });
    expect((await sendRaw(bad.nexthop, issued)).recipients[0]?.status).toBe('bounced');
  });
});

describe('permit_tls_all_clientcerts', () => {
  test('permits what is trusted, and the table', async () => {
    expect((await rcpt([permitTlsAllClientcerts()], trusting)).reply).toBe(ok);
    expect((await rcpt([permitTlsAllClientcerts()], trusting, pem(self))).reply).toBe(relayDenied);
    expect((await rcpt([permitTlsAllClientcerts({ [cert]: 'x' })], asking)).reply).toBe(ok);
    expect((await rcpt([permitTlsAllClientcerts()], asking)).reply).toBe(relayDenied);
  });
});

describe('check_ccert_access', () => {
  const check = (table: Record<string, string>, tls = asking, order?: 'cert' | 'pubkey') =>
    rcpt(
      [
        checkCcertAccess(
          table,
          order === undefined ? {} : { searchOrder: [`${order}_fingerprint`] },
        ),
      ],
      tls,
    );

  test.each([
    ['OK', ok],
    ['permit', ok],
    ['DUNNO', relayDenied],
    ['REJECT go away', `554 5.7.1 ${what} rejected: go away`],
    ['450 4.4.4 later', `450 4.4.4 ${what} rejected: later`],
    ['DEFER', `450 4.7.1 ${what} rejected: Access denied`],
    ['DEFER_IF_REJECT wait', `450 4.7.1 ${what} rejected: wait`],
    ['DEFER_IF_PERMIT wait', relayDenied],
    ['nonsense', '451 4.3.5 Server configuration error'],
  ])('%s: %s', async (value, reply) => {
    expect((await check({ [cert]: value })).reply).toBe(reply);
  });

  test('at MAIL it replies the same', async () => {
    const onMail = restrictions(checkCcertAccess({ [cert]: 'REJECT no' }));
    const { port, lines } = await startSmtpd({ tls: asking, onMail });
    const client = await enter(port, pem(issued));
    await client.command('EHLO x');
    expect(await client.command('MAIL FROM:<a@example.org>')).toBe(
      `554 5.7.1 ${what} rejected: no`,
    );
    expect(await lines.line(/reject:/)).toBe(
      `NOQUEUE: reject: MAIL from unknown[127.0.0.1]: 554 5.7.1 ${what} rejected: no; from=<a@example.org> proto=ESMTP helo=<x>`,
    );
  });

  test('WARN and INFO say something and decide nothing', async () => {
    const { reply, lines } = await check({ [cert]: 'WARN suspicious', [pkey]: 'INFO seen' });
    expect(reply).toBe(relayDenied);
    expect(lines).toEqual([
      expect.stringMatching(
        /: warn: RCPT from unknown\[127\.0\.0\.1\]: suspicious; from=<a@example\.org> to=<b@example\.com> proto=ESMTP helo=<x>$/,
      ),
      expect.stringMatching(/: info: RCPT from unknown\[127\.0\.0\.1\]: seen; from=/),
      expect.stringMatching(/: reject: /),
    ]);
  });

  test('an unknown action is logged', async () => {
    const { lines } = await check({ [cert]: 'nonsense' });
    expect(lines).toEqual([
      'warning: unknown smtpd restriction: "nonsense"',
      expect.stringMatching(/: reject: RCPT .*: 451 4\.3\.5 Server configuration error; /),
    ]);
  });

  test('a lookup that fails is a configuration error', async () => {
    const table = Object.assign({ spec: 'socketmap:unix:/x:y' }, broken);
    const { reply, lines } = await rcpt([checkCcertAccess(table)]);
    expect(reply).toBe(`451 4.3.5 ${what} rejected: Server configuration error`);
    expect(lines[0]).toBe('warning: socketmap:unix:/x:y: table lookup problem: connection refused');
  });

  test('the certificate comes first, unless the order says otherwise', async () => {
    const table = { [cert]: 'OK', [pkey]: 'REJECT' };
    expect((await check(table)).reply).toBe(ok);
    expect((await check({ ...table, [cert]: 'DUNNO' })).reply).toMatch(/^554 5\.7\.1 <client/);
    expect((await check(table, asking, 'pubkey')).reply).toMatch(/^554 5\.7\.1 <client/);
    expect((await check({ [pkey]: 'OK' }, asking, 'cert')).reply).toBe(relayDenied);
    const reversed = checkCcertAccess(table, {
      searchOrder: ['pubkey_fingerprint', 'cert_fingerprint'],
    });
    expect((await rcpt([reversed])).reply).toMatch(/^554 5\.7\.1 <client/);
  });

  // As recorded with Postfix 3.10.
  test.each<[Record<string, string>, readonly ('cert' | 'pubkey')[], boolean]>([
    [{ [cert]: 'OK' }, ['cert', 'pubkey'], true],
    [{ [cert]: 'OK', [pkey]: 'permit' }, ['cert', 'pubkey'], false],
    [{ [pkey]: 'OK' }, ['cert', 'pubkey'], false],
    [{ [cert]: 'OK', [pkey]: 'REJECT' }, ['cert', 'pubkey'], true],
    [{ [cert]: 'REJECT' }, ['cert', 'pubkey'], true],
    [{ [cert]: 'REJECT a', [pkey]: '450 b' }, ['cert', 'pubkey'], false],
    [{ [cert]: 'OK', [pkey]: 'REJECT' }, ['pubkey', 'cert'], false],
    [{ [cert]: 'OK' }, ['pubkey', 'cert'], true],
    [{ [cert]: 'OK', [pkey]: 'OK' }, ['cert'], true],
    [{ [cert]: 'DUNNO' }, ['cert', 'pubkey'], false],
  ])(
    'with raw public keys enabled, %j searched for in %j is fragile: %s',
    async (table, order, warned) => {
      const searchOrder = order.map((search) => `${search}_fingerprint` as const);
      const restriction = checkCcertAccess(table, { searchOrder });
      const { lines } = await rcpt([restriction], { ...asking, enableRpk: true });
      const text = `table: Fragile access policy: smtpd_tls_enable_rpk=yes, but the action for certificate fingerprint "${cert}" != the action for public key fingerprint "${pkey}"`;
      expect(lines.filter((line) => line.startsWith('warning'))).toEqual(
        warned ? [fragile('check_ccert_access', text)] : [],
      );
    },
  );

  test('an unknown search is refused', () => {
    expect(() => checkCcertAccess({}, { searchOrder: ['serial' as never] })).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining('unknown "serial"'),
      }),
    );
    expect(() => checkCcertAccess({}, { searchOrder: [] })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
    expect(() => checkCcertAccess('texthash:/x' as never)).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining('no lookup table'),
      }),
    );
  });
});

test('where no certificate is asked for, all say that they are in vain', async () => {
  const tls = { ...asking, askCcert: false };
  const list = [permitTlsClientcerts({}), permitTlsAllClientcerts(), checkCcertAccess({})];
  const { reply, lines } = await rcpt(list, tls);
  expect(reply).toBe(relayDenied);
  expect(lines.filter((line) => line.startsWith('warning'))).toEqual(
    ['permit_tls_clientcerts', 'permit_tls_all_clientcerts', 'check_ccert_access'].map(
      (name) => `warning: ${name} is requested, but "smtpd_tls_ask_ccert = no"`,
    ),
  );
  expect((await rcpt(list, asking, {})).lines.filter((line) => /^warning/.test(line))).toEqual([]);
});

describe('a list of restrictions', () => {
  const says =
    (verdict: Verdict): Restriction =>
    () =>
      verdict;
  const later = { code: 450, enhanced: '4.7.1', text: 'later' };
  const moment = { code: 451, enhanced: '4.3.0', text: 'one moment' };
  const decide = (...verdicts: readonly Verdict[]) =>
    restrictions(...verdicts.map(says))({} as never, { address: 'a@example.org' } as never);

  test.each<[string, readonly Verdict[], unknown]>([
    ['permits at its end', ['dunno', undefined], undefined],
    ['stops at a permit', ['permit', denied], undefined],
    ['stops at a refusal', [denied, 'permit'], denied],
    ['defers what would be permitted', [{ deferIf: 'permit', reply: later }, 'permit'], later],
    ['defers what comes to its end', [{ deferIf: 'permit', reply: later }], later],
    ['does not defer what is refused', [{ deferIf: 'permit', reply: later }, denied], denied],
    ['defers what would be refused', [{ deferIf: 'reject', reply: later }, denied], later],
    [
      'does not defer what is permitted',
      [{ deferIf: 'reject', reply: later }, 'permit'],
      undefined,
    ],
    ['keeps a temporary refusal', [{ deferIf: 'reject', reply: later }, moment], moment],
    [
      'keeps the first deferral',
      [
        { deferIf: 'permit', reply: later },
        { deferIf: 'permit', reply: moment },
      ],
      later,
    ],
  ])('%s', async (_, verdicts, reply) => {
    expect(await decide(...verdicts)).toEqual(reply);
  });

  test('one that throws makes the client come again', async () => {
    const fails: Restriction = () => Promise.reject(new Error('no database'));
    const { reply } = await rcpt([fails]);
    expect(reply).toBe('451 4.3.0 Error: local problem, try again later');
  });
});
