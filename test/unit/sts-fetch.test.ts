/** Fetching MTA-STS policies from a real web server with certificates of a test authority. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type FetchProps, fetchPolicyFile, type StsFailure } from '../../lib/sts/fetch.js';
import { certificate, hostCertificate } from '../helpers/certificates.js';
import { found, none, PolicyServer, textPlain, unreachable } from '../helpers/policy-server.js';

const host = 'mta-sts.example.test';
const policy = 'version: STSv1\nmode: enforce\nmx: mx.example.test\nmax_age: 86400\n';
const good = hostCertificate('sts-good', `DNS:${host}`);

type Answer = (response: ServerResponse) => void;

async function fetchWith(answer: Answer, props: Partial<FetchProps> = {}, from = good) {
  const server = await PolicyServer.start(from, answer);
  const result = await fetchPolicyFile('example.test', { ...server.props, ...props });
  return { result, server };
}

async function failureWith(answer: Answer, props?: Partial<FetchProps>): Promise<StsFailure> {
  const { result } = await fetchWith(answer, props);
  if (result.kind !== 'failure') {
    throw new Error('it was fetched');
  }
  return result;
}

function fetchError(text: string): StsFailure {
  return { kind: 'failure', type: 'sts-policy-fetch-error', text: `${host}: ${text}` };
}

test('the policy comes from the well-known place of the policy host', async () => {
  const { result, server } = await fetchWith(textPlain(policy));
  expect(result).toMatchObject({ kind: 'fetched', file: { mode: 'enforce', maxAge: 86_400 } });
  expect(server.requests).toEqual([`${host}: /.well-known/mta-sts.txt`]);
});

test('a wildcard certificate for the domain is good', async () => {
  const wildcard = hostCertificate('sts-wildcard', 'DNS:*.example.test');
  const { result } = await fetchWith(textPlain(policy), {}, wildcard);
  expect(result.kind).toBe('fetched');
});

describe('a certificate is refused', () => {
  const past = ['-not_before', '20200101000000Z', '-not_after', '20200201000000Z'];
  const cases = {
    'of an unknown authority': [certificate('ecdsa'), /self.signed certificate/],
    'for another host': [hostCertificate('sts-other', 'DNS:www.example.test'), /Host: mta-sts/],
    'for the host as a common name only': [hostCertificate(host, null), /names no DNS host/],
    'with an address besides the common name': [
      hostCertificate('sts-ip', 'IP:127.0.0.1'),
      /names no DNS host/,
    ],
    'that has expired': [hostCertificate('sts-expired', `DNS:${host}`, past), /expired/],
  } as const;

  test.each(Object.entries(cases))('%s', async (_what, [from, text]) => {
    const { result, server } = await fetchWith(textPlain(policy), {}, from);
    expect(result).toMatchObject({ kind: 'failure', type: 'sts-webpki-invalid' });
    expect((result as StsFailure).text).toMatch(text);
    expect(server.requests).toEqual([]);
  });
});

describe('an answer is refused', () => {
  test('that redirects, and nobody goes there', async () => {
    const { result, server } = await fetchWith((response) =>
      response.writeHead(301, { location: `https://${host}/elsewhere` }).end(),
    );
    expect(result).toEqual(fetchError('HTTP status 301'));
    expect(server.requests).toHaveLength(1);
  });

  test.each([204, 206, 404, 500])('with status %i', async (status) => {
    const answer = await failureWith((response) => {
      response.statusCode = status;
      textPlain(policy)(response);
    });
    expect(answer).toEqual(fetchError(`HTTP status ${status}`));
  });

  test.each(['text/html', 'text/plainer', 'application/text/plain', ''])(
    'of media type "%s"',
    async (type) => {
      const answer = await failureWith((response) =>
        response.setHeader('content-type', type).end(policy),
      );
      expect(answer).toEqual(fetchError('the media type is not text/plain'));
    },
  );

  test('that is cut short', async () => {
    const answer = await failureWith((response) => {
      response.setHeader('content-type', 'text/plain').setHeader('content-length', '1000');
      response.write(policy, () => response.destroy());
    });
    expect(answer).toEqual(fetchError('aborted'));
  });

  test('that is larger than 64 KiB, whether it says so or goes on for ever', async () => {
    const invalid = {
      kind: 'failure',
      type: 'sts-policy-invalid',
      text: `${host}: the policy is larger than 65536 bytes`,
    };
    const filler = 'x: y\n'.repeat(Math.ceil(65_536 / 5));
    expect(await failureWith(textPlain(policy + filler))).toEqual(invalid);
    const endless = await failureWith((response) => {
      response.setHeader('content-type', 'text/plain');
      const more = (): void => {
        while (response.write('x'.repeat(1000))) {}
      };
      response.on('drain', more);
      more();
    });
    expect(endless).toEqual(invalid);
  });

  test('of just 64 KiB is not', async () => {
    const most = `${policy}x: ${'y'.repeat(65_536 - policy.length - 3)}`;
    expect((await fetchWith(textPlain(most))).result.kind).toBe('fetched');
  });

  test('that is no policy', async () => {
    expect(await failureWith(textPlain('<html>'))).toEqual({
      kind: 'failure',
      type: 'sts-policy-invalid',
      text: `${host}: line 1 is not "key: value"`,
    });
  });
});

describe('time is limited', () => {
  async function silentPort(): Promise<number> {
    const server = createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    onTestFinished(() => void server.close());
    return (server.address() as AddressInfo).port;
  }

  test('for a server that takes the connection and says nothing', async () => {
    const port = await silentPort();
    const answer = await failureWith(textPlain(policy), { port, connectTimeout: 50 });
    expect(answer).toEqual(fetchError('connecting took too long'));
  });

  test.each([
    ['no answer', () => undefined],
    [
      'half an answer',
      (response: ServerResponse) => {
        response.setHeader('content-type', 'text/plain').write('version: STSv1\n');
      },
    ],
  ])('for one that gives %s', async (_what, answer) => {
    const result = await failureWith(answer, { fetchTimeout: 200 });
    expect(result).toEqual(fetchError('fetching the policy took too long'));
  });

  test('for a resolver that does not answer', async () => {
    const never = new Promise<never>(() => undefined);
    const dns = { a: () => never, aaaa: () => never };
    const result = await failureWith(textPlain(policy), { dns, fetchTimeout: 50 });
    expect(result).toEqual(fetchError('fetching the policy took too long'));
  });
});

describe('addresses', () => {
  test('that are not public are not connected to', async () => {
    const server = await PolicyServer.start(good, textPlain(policy));
    const { allowAddress: _, ...props } = server.props;
    const dns = {
      a: async (name: string) => found(name, ['127.0.0.1', '10.0.0.1']),
      aaaa: async (name: string) => found(name, ['::1']),
    };
    expect(await fetchPolicyFile('example.test', { ...props, dns })).toEqual(
      fetchError('address 127.0.0.1, 10.0.0.1, ::1 is not public'),
    );
    expect(server.requests).toEqual([]);
  });

  test('that do not answer are passed over for one that does', async () => {
    const dns = {
      a: async (name: string) => found(name, ['127.0.0.99', '127.0.0.1']),
      aaaa: async (name: string) => none(name),
    };
    expect((await fetchWith(textPlain(policy), { dns })).result.kind).toBe('fetched');
  });

  test('that refuse all are each named', async () => {
    const dns = {
      a: async (name: string) => found(name, ['127.0.0.98', '127.0.0.99']),
      aaaa: async (name: string) => none(name),
    };
    const { text } = await failureWith(textPlain(policy), { dns });
    expect(text).toMatch(/ECONNREFUSED 127\.0\.0\.98:\d+; connect ECONNREFUSED 127\.0\.0\.99:/);
  });

  test('that do not exist, or cannot be looked up, are said so', async () => {
    const missing = {
      a: async (name: string) => none(name),
      aaaa: async (name: string) => none(name),
    };
    expect(await failureWith(textPlain(policy), { dns: missing })).toEqual(
      fetchError('the name has no address'),
    );
    const broken = { ...missing, aaaa: async () => unreachable };
    expect(await failureWith(textPlain(policy), { dns: broken })).toEqual(
      fetchError('no server answered'),
    );
    const throwing = { ...missing, a: () => Promise.reject(new Error('the resolver\nis broken')) };
    expect(await failureWith(textPlain(policy), { dns: throwing })).toEqual(
      fetchError('the resolver is broken'),
    );
  });
});

test('the authorities of node are used when none are given', async () => {
  const { result } = await fetchWith(textPlain(policy), {
    ca: readFileSync(good.certFile, 'utf8'),
  });
  expect(result).toMatchObject({ type: 'sts-webpki-invalid' });
  const server = await PolicyServer.start(good, textPlain(policy));
  const { ca: _, ...props } = server.props;
  expect(await fetchPolicyFile('example.test', props)).toMatchObject({
    type: 'sts-webpki-invalid',
  });
});
