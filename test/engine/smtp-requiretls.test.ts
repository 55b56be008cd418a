/**
 * REQUIRETLS (RFC 8689) as sender: every row of the table in spec/client.md section 13 under each policy, and what else depends on the request.
 * The recorded cases of Postfix are in `test/interop/truth-requiretls.test.ts`.
 */
import { describe, expect, test } from 'vitest';
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import type { DeliveryReport, DeliveryRequest } from '../../lib/delivery/report.js';
import type { SmtpTlsOptions } from '../../lib/config/options.js';
import { authority, certificate, issuedCertificate } from '../helpers/certificates.js';
import { certFingerprint } from '../helpers/fingerprints.js';
import { Lines } from '../helpers/lines.js';
import {
  acceptMail,
  ehlo,
  hello,
  type ScriptedPeer,
  scriptedServer,
} from '../helpers/scripted-server.js';
import { startSmtpd } from '../helpers/servers.js';

const host = '127.0.0.1[127.0.0.1]';
const asked = 'Sender requested REQUIRETLS, but ';
const ours = certFingerprint(certificate('ecdsa').certFile);
const others = certFingerprint(certificate('rsa').certFile);

/** A level that has to match, and does or does not. */
const matching: SmtpTlsOptions = { securityLevel: 'fingerprint', fingerprintCertMatch: [ours] };
const failing: SmtpTlsOptions = { securityLevel: 'fingerprint', fingerprintCertMatch: [others] };

interface ServerProps {
  readonly starttls?: 'offered' | 'missing' | 'rejected';
  /** Keywords in TLS. */
  readonly keywords?: readonly string[];
}

interface Outcome {
  /** `sent 2.0.0 text tls=…` */
  readonly line: string;
  /** The command, null if there was none. */
  readonly mail: string | null;
  readonly relay: string | null;
  readonly connections: number;
  readonly report: DeliveryReport;
  readonly lines: Lines;
}

function play({ starttls = 'offered', keywords = ['REQUIRETLS'] }: ServerProps) {
  return async (peer: ScriptedPeer): Promise<void> => {
    // In plaintext REQUIRETLS is offered to no avail (RFC 8689 section 2).
    await hello(peer, 'REQUIRETLS', ...(starttls === 'missing' ? [] : ['STARTTLS']));
    if (starttls === 'rejected') {
      await peer.answer('454 4.7.0 not now\r\n');
    } else if (starttls === 'offered') {
      const line = await peer.answer('220 go\r\n');
      if (line !== 'STARTTLS') {
        return;
      }
      await peer.secure().catch(() => undefined);
      await ehlo(peer, ...keywords);
    }
    await acceptMail(peer);
  };
}

async function deliver(
  tls: SmtpTlsOptions,
  requiretlsPolicy: string,
  server: ServerProps = {},
  {
    request = {},
    options = {},
  }: { request?: Partial<DeliveryRequest>; options?: SmtpOptions } = {},
): Promise<Outcome> {
  const peers: ScriptedPeer[] = [];
  const scripted = await scriptedServer(async (peer) => {
    peers.push(peer);
    await play(server)(peer);
  });
  const lines = new Lines();
  const smtp = new Smtp({
    ...{ myhostname: 'client.example', logger: lines, requiretlsPolicy, quitTimeout: 2000 },
    tls: { loglevel: 0, ...tls },
    ...options,
  });
  const report = await smtp.deliver({
    ...{ sender: 'a@example.org', recipients: ['b@example.com'], message: 'hello\n' },
    ...{ nexthop: scripted.nexthop, requiretls: true, queueId: 'Q1' },
    ...request,
  });
  await scripted.done;
  smtp.close();
  const [result] = report.recipients;
  const mail = /^MAIL FROM:.*$/m.exec(peers.map(({ heard }) => heard).join('\n'))?.[0] ?? null;
  return {
    line: `${result?.status} ${result?.dsn} ${result?.reply} tls=${result?.tlsFeature}`,
    mail: mail?.trimEnd() ?? null,
    relay: result?.relay ?? null,
    ...{ connections: scripted.connections, report, lines },
  };
}

const plainMail = 'MAIL FROM:<a@example.org>';
const askedMail = `${plainMail} REQUIRETLS`;
const ok = 'sent 2.0.0 250 2.0.0 Ok: queued as PEER';

interface Row {
  readonly tls: SmtpTlsOptions;
  readonly server?: ServerProps;
  readonly line: string;
  readonly mail?: string;
  /** The line in the log, where there is one. */
  readonly log?: string;
}

type Rows = Readonly<Record<string, Row>>;

const disabled = (level: string, what: string): string =>
  `bounced 5.7.10 ${asked}my configured TLS security level '${level}' disables ${what}. The last attempted server was 127.0.0.1`;
const notOffered = (tls: string): string =>
  `bounced 5.7.30 ${asked}TLS service was not offered by host ${host} tls=${tls}`;
const rejected = (tls: string): string =>
  `bounced 5.7.10 ${asked}host ${host} refused to start TLS: 454 4.7.0 not now tls=${tls}`;
const may: SmtpTlsOptions = { securityLevel: 'may' };
const none: SmtpTlsOptions = { securityLevel: 'none' };
const encrypt: SmtpTlsOptions = { securityLevel: 'encrypt' };

const enforce: Rows = {
  'level may': {
    tls: may,
    line: `${disabled('may', 'certificate matching')} tls=may?/!requiretls:nocertmatch`,
  },
  'level encrypt': {
    tls: encrypt,
    line: `${disabled('encrypt', 'certificate matching')} tls=encrypt?/!requiretls:nocertmatch`,
  },
  'level none': {
    tls: none,
    line: `${disabled('none', 'certificate matching')} tls=none?/!requiretls:nocertmatch`,
  },
  'STARTTLS not offered': {
    tls: matching,
    server: { starttls: 'missing' },
    line: notOffered('!fingerprint/!requiretls:nostarttls'),
  },
  'STARTTLS rejected': {
    tls: matching,
    server: { starttls: 'rejected' },
    line: rejected('!fingerprint/!requiretls:nostarttls'),
  },
  'certificate not matched': {
    tls: failing,
    line: `bounced 5.7.10 ${asked}no trusted server certificate was found. The last attempted server was ${host} tls=!fingerprint/!requiretls:nocertmatch`,
  },
  'REQUIRETLS not offered after TLS': {
    tls: matching,
    server: { keywords: [] },
    line: `bounced 5.7.30 ${asked}no server was found that supports REQUIRETLS. The last attempted server was ${host} tls=fingerprint/!requiretls:none`,
  },
  offered: { tls: matching, mail: askedMail, line: `${ok} tls=fingerprint/requiretls` },
};

const encrypted: Rows = {
  'level may': {
    tls: may,
    mail: askedMail,
    line: `${ok} tls=may/requiretls`,
    log: `${asked}the TLS security level 'may' disables certificate matching`,
  },
  'level encrypt': {
    tls: encrypt,
    mail: askedMail,
    line: `${ok} tls=encrypt/requiretls`,
    log: `${asked}the TLS security level 'encrypt' disables certificate matching`,
  },
  'level none': {
    tls: none,
    line: `${disabled('none', 'encryption')} tls=none?/!requiretls:noencryption`,
  },
  'STARTTLS not offered': {
    tls: matching,
    server: { starttls: 'missing' },
    line: notOffered('!fingerprint/!requiretls:nostarttls'),
  },
  'STARTTLS not offered, at may': {
    tls: may,
    server: { starttls: 'missing' },
    line: notOffered('may?/!requiretls:nostarttls'),
    log: `${asked}the TLS security level 'may' disables certificate matching`,
  },
  'STARTTLS rejected': {
    tls: matching,
    server: { starttls: 'rejected' },
    line: rejected('!fingerprint/!requiretls:nostarttls'),
  },
  'STARTTLS rejected, at may': {
    tls: may,
    server: { starttls: 'rejected' },
    line: rejected('may?/!requiretls:nostarttls'),
    log: `${asked}the TLS security level 'may' disables certificate matching`,
  },
  'certificate not matched': {
    tls: failing,
    line: 'deferred 4.7.5 Server certificate not verified tls=!fingerprint/requiretls?',
  },
  'REQUIRETLS not offered after TLS': {
    tls: matching,
    server: { keywords: [] },
    mail: plainMail,
    line: `${ok} tls=fingerprint/requiretls:none`,
    log: `${asked}${host} does not support it`,
  },
  offered: { tls: matching, mail: askedMail, line: `${ok} tls=fingerprint/requiretls` },
};

const opportunistic: Rows = {
  'level may': { tls: may, mail: askedMail, line: `${ok} tls=may/requiretls` },
  'level none': {
    tls: none,
    server: { starttls: 'missing' },
    mail: plainMail,
    line: `${ok} tls=none/requiretls:none`,
  },
  'STARTTLS not offered, at may': {
    tls: may,
    server: { starttls: 'missing' },
    mail: plainMail,
    line: `${ok} tls=may:none/requiretls:none`,
  },
  'STARTTLS not offered': {
    tls: matching,
    server: { starttls: 'missing' },
    line: `deferred 4.7.4 TLS is required, but was not offered by host ${host} tls=!fingerprint/requiretls?`,
  },
  'STARTTLS rejected, at may': {
    tls: may,
    server: { starttls: 'rejected' },
    mail: plainMail,
    line: `${ok} tls=may:none/requiretls:none`,
  },
  'STARTTLS rejected': {
    tls: matching,
    server: { starttls: 'rejected' },
    line: `deferred 4.7.0 TLS is required, but host ${host} refused to start TLS: 454 4.7.0 not now tls=!fingerprint/requiretls?`,
  },
  'certificate not matched': {
    tls: failing,
    line: 'deferred 4.7.5 Server certificate not verified tls=!fingerprint/requiretls?',
  },
  'REQUIRETLS not offered after TLS': {
    tls: matching,
    server: { keywords: [] },
    mail: plainMail,
    line: `${ok} tls=fingerprint/requiretls:none`,
  },
  offered: { tls: matching, mail: askedMail, line: `${ok} tls=fingerprint/requiretls` },
};

/** As if nobody had asked. */
const disable: Rows = {
  'level may, offered': { tls: may, mail: plainMail, line: `${ok} tls=may` },
  'STARTTLS not offered': {
    tls: may,
    server: { starttls: 'missing' },
    mail: plainMail,
    line: `${ok} tls=may:none`,
  },
  'certificate not matched': {
    tls: failing,
    line: 'deferred 4.7.5 Server certificate not verified tls=!fingerprint',
  },
};

const error: Rows = {
  'any level': {
    tls: matching,
    line: 'deferred 4.7.10 REQUIRETLS policy configuration error tls=fingerprint?/requiretls?',
  },
};

describe.each([
  ['enforce', enforce],
  ['opportunistic+starttls', encrypted],
  ['opportunistic', opportunistic],
  ['disable', disable],
  ['error', error],
] as const)('%s', (policy, rows) => {
  test.each(Object.entries(rows))('%s', async (_, { tls, server = {}, line, mail = null, log }) => {
    const outcome = await deliver(tls, policy, server);
    expect([outcome.line, outcome.mail]).toEqual([line, mail]);
    const said = outcome.lines.all.filter((text) => /REQUIRETLS/.test(text) && !/ to=</.test(text));
    expect(said).toEqual(log === undefined ? [] : [`Q1: ${log}`]);
  });
});

test('a certificate of another name is not a matching one', async () => {
  const server = await startSmtpd({
    tls: { securityLevel: 'may', chainFiles: [issuedCertificate().chainFile] },
  });
  const smtp = new Smtp({
    logger: new Lines(),
    requiretlsPolicy: 'enforce',
    tls: { securityLevel: 'verify', CAfile: authority().certFile },
    lookup: async () => ['127.0.0.1'],
  });
  const { recipients } = await smtp.deliver({
    ...{ sender: 'a@example.org', recipients: ['b@example.com'], message: 'x\n' },
    ...{ nexthop: `[mx.example.com]:${server.port}`, requiretls: true },
  });
  expect(recipients).toMatchObject([
    {
      ...{ status: 'bounced', dsn: '5.7.10', tlsFeature: '!verify/!requiretls:nocertmatch' },
      reply: `${asked}no matching server certificate was found. The last attempted server was mx.example.com[127.0.0.1]`,
    },
  ]);
});

test('from our smtp to our smtpd the request arrives', async () => {
  const required: boolean[] = [];
  const server = await startSmtpd({
    tls: { securityLevel: 'may', chainFiles: [certificate('ecdsa').chainFile] },
    onMail: (_, { requiretls }) => void required.push(requiretls),
  });
  const smtp = new Smtp({ logger: new Lines(), requiretlsPolicy: 'enforce', tls: matching });
  const message = { sender: 'a@example.org', recipients: ['b@example.com'], message: 'x\n' };
  const { nexthop } = server;
  await smtp.deliver({ ...message, nexthop, requiretls: true });
  await smtp.deliver({ ...message, nexthop });
  expect(required).toEqual([true, false]);
  expect(server.received[0]?.content.toString()).toContain('Require-TLS-ESMTP: yes');
});

describe('several servers', () => {
  const missing = `${asked}no server was found that supports REQUIRETLS. The last attempted server was mx.example.net[127.0.0.1]`;

  async function deliverTo(
    addresses: readonly string[],
    tls: SmtpTlsOptions,
    ...servers: readonly ServerProps[]
  ): Promise<{ line: string; connections: number; lines: Lines }> {
    const scripted = await scriptedServer(...servers.map(play));
    const lines = new Lines();
    const smtp = new Smtp({
      ...{ logger: lines, requiretlsPolicy: 'enforce', quitTimeout: 2000 },
      tls,
      lookup: async () => addresses,
    });
    const { recipients } = await smtp.deliver({
      ...{ sender: 'a@example.org', recipients: ['b@example.com'], message: 'hello\n' },
      ...{ nexthop: `[mx.example.net]:${scripted.port}`, requiretls: true, queueId: 'Q1' },
    });
    await scripted.done;
    const [result] = recipients;
    const line = `${result?.status} ${result?.dsn} ${result?.reply} tls=${result?.tlsFeature}`;
    return { line, connections: scripted.connections, lines };
  }

  test('one that has it is found behind one that has not', async () => {
    const without = { keywords: [] };
    const found = await deliverTo(['127.0.0.1', '127.0.0.1'], matching, without, {});
    expect(found.line).toBe(`${ok} tls=fingerprint/requiretls`);
    expect(found.connections).toBe(2);
    expect(found.lines.all).toContain(`Q1: ${missing}`);
  });

  test('the message bounces when the last one has it neither', async () => {
    const found = await deliverTo(['127.0.0.1', '127.0.0.1'], matching, { keywords: [] });
    expect(found.line).toBe(`bounced 5.7.30 ${missing} tls=fingerprint/!requiretls:none`);
    expect(found.connections).toBe(2);
  });

  test('it waits when the last one cannot be asked', async () => {
    const found = await deliverTo(['127.0.0.1', '127.0.0.2'], matching, { keywords: [] });
    expect(found.line).toMatch(
      /^deferred 4\.4\.1 connect to mx\.example\.net\[127\.0\.0\.2\]:\d+: Connection refused tls=fingerprint\?\/requiretls\?$/,
    );
  });

  test('at a level that matches nothing no server is connected to', async () => {
    const found = await deliverTo(['127.0.0.1', '127.0.0.1'], may, {});
    expect(found.line).toContain("TLS security level 'may' disables certificate matching");
    expect(found.line).toMatch(/^bounced 5\.7\.10/);
    expect(found.connections).toBe(0);
  });
});

describe('a failed handshake', () => {
  async function deliverOld(requiretlsPolicy: string): Promise<Outcome['line']> {
    const scripted = await scriptedServer(
      async (peer) => {
        await hello(peer, 'STARTTLS');
        await peer.answer('220 go\r\n');
        peer.end();
      },
      async (peer) => {
        await hello(peer, 'STARTTLS');
        await acceptMail(peer);
      },
    );
    const smtp = new Smtp({ logger: new Lines(), requiretlsPolicy, tls: may });
    const { recipients } = await smtp.deliver({
      ...{ sender: 'a@example.org', recipients: ['b@example.com'], message: 'hello\n' },
      ...{ nexthop: scripted.nexthop, requiretls: true, arrivalTime: Date.now() - 86_400_000 },
    });
    const [result] = recipients;
    return `${result?.status} ${result?.dsn} ${result?.reply} tls=${result?.tlsFeature}`;
  }

  test('opportunistic+starttls: never plaintext, however old the message is', async () => {
    expect(await deliverOld('opportunistic+starttls')).toBe(
      'deferred 4.7.5 Cannot start TLS: handshake failure tls=may?/requiretls?',
    );
  });

  test('opportunistic: plaintext as without a request', async () => {
    expect(await deliverOld('opportunistic')).toBe(`${ok} tls=may:none/requiretls:none`);
  });
});

describe('RET of DSN', () => {
  test.each([
    ['a server without REQUIRETLS gets headers to return', 'opportunistic', ['DSN'], ' RET=HDRS'],
    [
      'one that has it what was asked',
      'opportunistic',
      ['DSN', 'REQUIRETLS'],
      ' REQUIRETLS RET=FULL',
    ],
    ['without DSN nothing is said', 'opportunistic', [], ''],
    ['a request that does not count changes nothing', 'disable', ['DSN'], ' RET=FULL'],
  ])('%s', async (_, policy, keywords, parameters) => {
    const request = { ret: 'FULL' } as const;
    const { mail } = await deliver(matching, policy, { keywords }, { request });
    expect(mail).toBe(`${plainMail}${parameters}`);
  });

  test('headers are forced where nothing was asked, too', async () => {
    const { mail } = await deliver(matching, 'opportunistic', { keywords: ['DSN'] });
    expect(mail).toBe(`${plainMail} RET=HDRS`);
  });

  test('in plaintext as well', async () => {
    const scripted = await scriptedServer(async (peer) => {
      await hello(peer, 'DSN', 'REQUIRETLS');
      await acceptMail(peer);
      expect(peer.heard).toContain(`${plainMail} RET=HDRS\r\n`);
    });
    const smtp = new Smtp({ logger: new Lines(), requiretlsPolicy: 'opportunistic' });
    const { recipients } = await smtp.deliver({
      ...{ sender: 'a@example.org', recipients: ['b@example.com'], message: 'hello\n' },
      ...{ nexthop: scripted.nexthop, requiretls: true },
    });
    await scripted.done;
    expect(recipients[0]?.status).toBe('sent');
  });
});

describe('the policy of a next hop', () => {
  const policyOf = async (requiretlsPolicy: string): Promise<string> => {
    const { line, lines } = await deliver(matching, requiretlsPolicy, { keywords: [] });
    return [line, ...lines.matching(/^warning/)].join('\n');
  };
  const sent = `${ok} tls=fingerprint/requiretls:none`;

  test('by its name, without brackets and port; the first that says something', async () => {
    expect(await policyOf('inline:{ {127.0.0.1 = opportunistic} }, enforce')).toBe(sent);
    expect(await policyOf('cidr:{ {127.0.0.0/8 opportunistic} }, error')).toBe(sent);
    expect(await policyOf('inline:{ {127.0.0.2 = opportunistic} }')).toMatch(/^bounced 5\.7\.30/);
  });

  test('the default is opportunistic for addresses', async () => {
    const { line } = await deliver(matching, 'x', { keywords: [] }, { options: {} });
    expect(line).toMatch(/^deferred 4\.7\.10/);
    const scripted = await scriptedServer(play({ keywords: [] }));
    const { recipients } = await new Smtp({ logger: new Lines(), tls: may }).deliver({
      ...{ sender: 'a@example.org', recipients: ['b@example.com'], message: 'hello\n' },
      ...{ nexthop: scripted.nexthop, requiretls: true },
    });
    expect(recipients).toMatchObject([{ status: 'sent', tlsFeature: 'may/requiretls:none' }]);
  });

  test('what cannot be read or looked up defers, with a warning', async () => {
    const error =
      'deferred 4.7.10 REQUIRETLS policy configuration error tls=fingerprint?/requiretls?\n';
    expect(await policyOf('bogus')).toBe(
      `${error}warning: Q1: smtp_requiretls_policy: invalid policy "bogus"`,
    );
    expect(await policyOf('inline:{ {127.0.0.1 = bogus} }')).toContain(
      'invalid policy "bogus" for 127.0.0.1',
    );
    expect(await policyOf('texthash:/nonexistent')).toMatch(
      /warning: Q1: smtp_requiretls_policy: .*No such file/,
    );
    expect(await policyOf('enforce, texthash:/nonexistent')).toMatch(/^bounced 5\.7\.30[^\n]*$/);
  });

  test('requiretls_enable = no: as if nobody had asked', async () => {
    const options = { requiretlsEnable: false };
    const { line, mail } = await deliver(may, 'enforce', {}, { options });
    expect([line, mail]).toEqual([`${ok} tls=may`, plainMail]);
  });

  test('a message that does not ask is not held to it', async () => {
    const request = { requiretls: false };
    const { line, mail } = await deliver(may, 'enforce', {}, { request });
    expect([line, mail]).toEqual([`${ok} tls=may`, plainMail]);
  });
});

describe('one connection for several messages', () => {
  const message = { sender: 'a@example.org', recipients: ['b@example.com'], message: 'x\n' };

  test.each([
    ['messages that ask share one', [true, true], 1],
    ['one that asks and one that does not have two', [false, true], 2],
  ])('%s', async (_, requests, connections) => {
    const { nexthop, lines, received } = await startSmtpd({
      tls: { securityLevel: 'may', chainFiles: [certificate('ecdsa').chainFile] },
    });
    const smtp = new Smtp({ logger: new Lines(), requiretlsPolicy: 'enforce', tls: matching });
    const reports = await smtp.deliverAll(
      requests.map((requiretls) => ({ ...message, nexthop, requiretls })),
    );
    expect(reports.map(({ recipients }) => recipients[0]?.tlsFeature)).toEqual(
      requests.map((asks) => (asks ? 'fingerprint/requiretls' : 'fingerprint')),
    );
    expect(received).toHaveLength(2);
    expect(lines.matching(/^connect from/)).toHaveLength(connections);
  });
});

test('REQUIRETLS is stronger than TLS-Required: no', async () => {
  const request = { message: 'TLS-Required: no\nSubject: x\n\nx\n' };
  const required = await deliver(failing, 'enforce', {}, { request });
  expect(required.line).toMatch(/^bounced 5\.7\.10 .*no trusted server certificate was found/);
  const options = { requiretlsEnable: false };
  const relaxed = await deliver(failing, 'enforce', {}, { request, options });
  expect(relaxed.line).toBe(`${ok} tls=may`);
});

describe('what a bounce is to be like', () => {
  const advice = async (
    options: SmtpOptions,
    request: Partial<DeliveryRequest> = {},
  ): Promise<DeliveryReport['bounce']> =>
    (await deliver(matching, 'enforce', { keywords: [] }, { options, request })).report.bounce;

  test('headers alone, without REQUIRETLS', async () => {
    expect(await advice({})).toEqual({ ret: 'HDRS', requiretls: false });
    expect(await advice({}, { ret: 'FULL' })).toEqual({ ret: 'HDRS', requiretls: false });
  });

  test('requiretls_redact_dsn = no: as the message', async () => {
    const options = { requiretlsRedactDsn: false };
    expect(await advice(options, { ret: 'FULL' })).toEqual({ ret: 'FULL', requiretls: true });
  });

  test('without a request, or where it does not count, as was asked', async () => {
    const usual = { ret: null, requiretls: false };
    expect(await advice({}, { requiretls: false })).toEqual(usual);
    expect(await advice({ requiretlsEnable: false })).toEqual(usual);
  });
});

test('what is neither true nor false is refused', async () => {
  const request = { requiretls: 'yes' } as unknown as Partial<DeliveryRequest>;
  await expect(deliver(may, 'enforce', {}, { request })).rejects.toMatchObject({
    class: 'usage',
    code: 'INVALID_ARGUMENT',
    message: expect.stringMatching(/^requiretls is neither true nor false/),
  });
});
