/** TLSRPT: counts on disk, daily reports, and how they are sent. */
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  noFailureDetail,
  type TlsrptEvent,
  type TlsrptFailure,
  type TlsrptPolicy,
} from '../../lib/tlsrpt/event.js';
import { type TlsrptCount, TlsrptJournal } from '../../lib/tlsrpt/journal.js';
import { postReport } from '../../lib/tlsrpt/post.js';
import { makeReport, reportFileName, reportMessage } from '../../lib/tlsrpt/report.js';
import { type TlsrptMail, TlsrptReporter } from '../../lib/tlsrpt/reporter.js';
import { hostCertificate } from '../helpers/certificates.js';
import { found, none, PolicyServer } from '../helpers/policy-server.js';

const start = Date.UTC(2030, 0, 31);
const hour = 3_600_000;
const day = 24 * hour;

const submitter = {
  ...{ organizationName: 'Example \u00d6rg', contactInfo: 'postmaster@sender.example' },
  ...{ domain: 'sender.example', from: 'tlsrpt@sender.example' },
};

const sts: TlsrptPolicy = {
  ...{ type: 'sts', domain: 'example.com', strings: ['version: STSv1', 'mode: testing'] },
  mxHostPatterns: ['*.example.com'],
};
const noPolicy: TlsrptPolicy = {
  ...{ type: 'no-policy-found', domain: 'example.com', strings: [], mxHostPatterns: [] },
};
const expired: TlsrptFailure = {
  ...noFailureDetail,
  ...{ type: 'certificate-expired', receivingMxHostname: 'mx.example.com' },
  ...{ receivingMxHelo: '250-mx.example.com\r\n250 SIZE', receivingIp: '192.0.2.2' },
};
const record = 'v=TLSRPTv1; rua=mailto:reports@example.com,https://r.example/tls';

function event(domain: string, ...results: TlsrptEvent['results']): TlsrptEvent {
  return { domain, record: record.replaceAll('example.com', domain), results };
}

const success = event('example.com', { policy: sts, failures: [], final: 'success' });
const failure = event('example.com', { policy: sts, failures: [expired], final: 'failure' });

function directory(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-tlsrpt-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

function report(counts: readonly TlsrptCount[]) {
  return makeReport('2030-01-31', 'example.com', counts, submitter);
}

/** What a journal has of events, read by another one, as after a restart. */
async function counted(events: readonly TlsrptEvent[]): Promise<readonly TlsrptCount[]> {
  const folder = directory();
  const journal = new TlsrptJournal({ directory: folder, now: () => start });
  for (const one of events) {
    journal.submit(one);
  }
  await journal.flush();
  return new TlsrptJournal({ directory: folder }).read('2030-01-31');
}

describe('the journal', () => {
  test('has one line for a kind of result, however often it came', async () => {
    const counts = await counted([success, failure, success, success]);
    expect(counts.map(({ final, count }) => [final, count])).toEqual([
      ['success', 3],
      ['failure', 1],
    ]);
    expect(counts[0]).toEqual({ domain: 'example.com', record, ...success.results[0], count: 3 });
  });

  test('is written by itself', async () => {
    const folder = directory();
    const journal = new TlsrptJournal({ directory: folder, now: () => start, flushInterval: 1 });
    journal.submit(success);
    await expect.poll(() => readdirSync(folder)).toEqual(['2030-01-31.jsonl']);
    await journal.flush();
    expect(await journal.read('2030-01-31')).toHaveLength(1);
  });

  test('keeps days in UTC apart', async () => {
    let now = start + day - 1;
    const journal = new TlsrptJournal({ directory: directory(), now: () => now });
    journal.submit(success);
    now++;
    journal.submit(success);
    await journal.flush();
    expect(await journal.days()).toEqual(['2030-01-31', '2030-02-01']);
  });

  test('loses to a crash no more than the line that was cut off', async () => {
    const folder = directory();
    const journal = new TlsrptJournal({ directory: folder, now: () => start });
    journal.submit(success);
    await journal.flush();
    const file = join(folder, '2030-01-31.jsonl');
    appendFileSync(file, readFileSync(file, 'utf8').slice(1, 40));
    const next = new TlsrptJournal({ directory: folder, now: () => start });
    next.submit(failure);
    await next.flush();
    expect((await next.read('2030-01-31')).map(({ final }) => final)).toEqual([
      'success',
      'failure',
    ]);
  });

  test('keeps what it cannot write, and says so', async () => {
    const folder = directory();
    const warnings: string[] = [];
    const inTheWay = join(folder, 'file');
    appendFileSync(inTheWay, '');
    const journal = new TlsrptJournal({
      ...{ directory: inTheWay, now: () => start },
      logger: { warn: (text) => void warnings.push(text) },
    });
    journal.submit(success);
    await journal.flush();
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^TLSRPT: cannot write counts: E(EXIST|NOTDIR):/);
    rmSync(inTheWay);
    journal.submit(success);
    await journal.flush();
    expect((await journal.read('2030-01-31')).map(({ count }) => count)).toEqual([2]);
  });

  test('writes no more than 4 KiB of a policy', async () => {
    const long = Array.from({ length: 1000 }, (_, n) => `mx: mx${n}.example.com`);
    const policy = { ...sts, strings: long, mxHostPatterns: long };
    const [count] = await counted([
      event('example.com', { policy, failures: [], final: 'success' }),
    ]);
    const written = count?.policy.strings ?? [];
    expect(written).toEqual(long.slice(0, written.length));
    expect(count?.policy.mxHostPatterns).toEqual(written);
    expect(written.join('').length).toBeLessThanOrEqual(4096);
    expect(written.length).toBeGreaterThan(150);
  });

  test('has no days where there is no directory', async () => {
    const journal = new TlsrptJournal({ directory: join(directory(), 'nowhere') });
    expect(await journal.days()).toEqual([]);
  });
});

describe('a report', () => {
  test('is as RFC 8460 section 4.4 has it', async () => {
    const counts = await counted([success, failure, success, failure, failure]);
    expect(report(counts)).toEqual({
      'organization-name': 'Example \u00d6rg',
      'date-range': {
        'start-datetime': '2030-01-31T00:00:00Z',
        'end-datetime': '2030-01-31T23:59:59Z',
      },
      'contact-info': 'postmaster@sender.example',
      'report-id': expect.stringMatching(/^2030-01-31\.[0-9a-f]{16}@sender\.example$/),
      policies: [
        {
          policy: {
            'policy-type': 'sts',
            'policy-string': ['version: STSv1', 'mode: testing'],
            'policy-domain': 'example.com',
            'mx-host': ['*.example.com'],
          },
          summary: { 'total-successful-session-count': 2, 'total-failure-session-count': 3 },
          'failure-details': [
            {
              'result-type': 'certificate-expired',
              'receiving-mx-hostname': 'mx.example.com',
              'receiving-mx-helo': 'mx.example.com',
              'receiving-ip': '192.0.2.2',
              'failed-session-count': 3,
            },
          ],
        },
      ],
    });
  });

  test('tells every failure of a session, and counts the session once for each policy', async () => {
    const mismatch = { ...expired, type: 'certificate-host-mismatch', reasonCode: 'x' } as const;
    const fetchError = { ...noFailureDetail, type: 'sts-policy-fetch-error' } as const;
    const both = event(
      'example.com',
      { policy: noPolicy, failures: [fetchError], final: 'failure' },
      { policy: sts, failures: [expired, mismatch], final: 'success' },
    );
    const { policies } = report(await counted([both, both]));
    expect(policies.map(({ summary }) => Object.values(summary))).toEqual([
      [0, 2],
      [2, 0],
    ]);
    expect(policies[0]?.policy).toEqual({
      ...{ 'policy-type': 'no-policy-found', 'policy-domain': 'example.com' },
    });
    const details = policies.map((policy) =>
      policy['failure-details']?.map((one) => [one['result-type'], one['failed-session-count']]),
    );
    expect(details).toEqual([
      [['sts-policy-fetch-error', 2]],
      [
        ['certificate-expired', 2],
        ['certificate-host-mismatch', 2],
      ],
    ]);
  });

  test('has a thousand kinds of failure at most, and the whole sum', async () => {
    const events = Array.from({ length: 1200 }, (_, n) =>
      event('example.com', {
        ...{ policy: sts, final: 'failure' as const },
        failures: [{ ...expired, receivingMxHostname: `mx${n}.example.com` }],
      }),
    );
    const [policy] = report(await counted(events)).policies;
    expect(policy?.['failure-details']).toHaveLength(1000);
    expect(policy?.summary['total-failure-session-count']).toBe(1200);
  });

  test('has the same id when it is made again, and another for another day or domain', () => {
    const id = (name: string, domain: string) =>
      makeReport(name, domain, [], submitter)['report-id'];
    expect(id('2030-01-31', 'a.example')).toBe(id('2030-01-31', 'a.example'));
    const ids = [id('2030-01-31', 'a.example'), id('2030-01-31', 'b.example')];
    expect(new Set([...ids, id('2030-02-01', 'a.example')]).size).toBe(3);
  });

  test('has the name of RFC 8460 section 5.1', () => {
    expect(reportFileName(report([]), 'example.com', 'sender.example')).toBe(
      'sender.example!example.com!1896048000!1896134399.json.gz',
    );
  });

  test('is mailed as RFC 8460 section 5.3 says', async () => {
    const made = report(await counted([success, failure]));
    const date = new Date(start + day);
    const message = reportMessage(made, 'example.com', 'r@example.com', submitter, date).toString();
    const [header = '', ...rest] = message.split('\r\n\r\n');
    expect(header.split('\r\n')).toEqual([
      'From: tlsrpt@sender.example',
      'To: r@example.com',
      'Date: Fri, 01 Feb 2030 00:00:00 +0000',
      `Subject: Report Domain: example.com Submitter: sender.example Report-ID: <${made['report-id']}>`,
      `Message-ID: <${made['report-id']}>`,
      'TLS-Report-Domain: example.com',
      'TLS-Report-Submitter: sender.example',
      'TLS-Required: No',
      'Auto-Submitted: auto-generated',
      'MIME-Version: 1.0',
      expect.stringMatching(/^Content-Type: multipart\/report; report-type="tlsrpt"; boundary="=_/),
    ]);
    const [base64 = ''] = rest.at(-1)?.split('\r\n--') ?? [];
    expect(Math.max(...message.split('\r\n').map((line) => line.length))).toBeLessThan(998);
    expect(JSON.parse(gunzipSync(Buffer.from(base64, 'base64')).toString())).toEqual(made);
    expect(message).not.toMatch(/[^\r]\n/);
  });
});

const web = hostCertificate('tlsrpt-web', 'DNS:r.example');

/** A server that takes reports, unless it is told otherwise. */
async function collector() {
  const taken: { readonly type: string | undefined; readonly body: unknown }[] = [];
  const state = { status: 200 };
  const server = await PolicyServer.start(web, (response) => {
    const request: IncomingMessage = response.req;
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const body: unknown = JSON.parse(gunzipSync(Buffer.concat(pieces)).toString());
      taken.push({ type: request.headers['content-type'], body });
      response.writeHead(state.status, { location: 'https://r.example/elsewhere' }).end('thanks');
    });
  });
  return { taken, state, server, uri: `https://r.example:${server.port}/tls` };
}

describe('the reporter', () => {
  async function world() {
    const { server, taken, state, uri } = await collector();
    const folder = directory();
    const clock = { now: start + hour };
    const mails: TlsrptMail[] = [];
    const lines: string[] = [];
    const mail = { works: true };
    const journal = new TlsrptJournal({ directory: folder, now: () => clock.now });
    const make = (): TlsrptReporter =>
      new TlsrptReporter({
        ...{ ...server.props, journal, outbox: join(folder, 'outbox'), submitter },
        now: () => clock.now,
        sendMail: async (one) => {
          if (!mail.works) {
            throw new Error('the queue is full');
          }
          mails.push(one);
        },
        logger: {
          info: (text) => void lines.push(text),
          warn: (text) => void lines.push(`warning: ${text}`),
        },
      });
    const submit = async (domain: string, rua: string): Promise<void> => {
      const { results } = failure;
      journal.submit({ domain, record: `v=TLSRPTv1; rua=${rua}`, results });
      await journal.flush();
    };
    const files = (): readonly string[] => readdirSync(join(folder, 'outbox'));
    return { folder, clock, mails, lines, mail, journal, make, submit, files, taken, state, uri };
  }

  test('waits for the day to end and for its time, then sends once to each place', async () => {
    const { clock, mails, taken, make, submit, files, uri, lines, journal } = await world();
    await submit('example.com', `mailto:reports@example.com,${uri}`);
    const reporter = make();
    clock.now = start + day + 59_999;
    await reporter.run();
    expect([await journal.days(), files()]).toEqual([['2030-01-31'], []]);
    clock.now = start + day + 60_000;
    await reporter.run();
    expect([await journal.days(), files().length, mails]).toEqual([[], 1, []]);
    clock.now = start + day + 4 * hour;
    await reporter.run();
    await reporter.run();
    expect(files()).toEqual([]);
    expect(mails.map(({ from, to }) => [from, to])).toEqual([
      ['tlsrpt@sender.example', 'reports@example.com'],
    ]);
    expect(taken).toEqual([
      {
        type: 'application/tlsrpt+gzip',
        body: expect.objectContaining({ 'contact-info': 'postmaster@sender.example' }),
      },
    ]);
    expect(lines).toEqual([
      'TLSRPT: report of 2030-01-31 for example.com: sent to mailto:reports@example.com',
      `TLSRPT: report of 2030-01-31 for example.com: sent to ${uri}`,
    ]);
  });

  test('spreads reports over four hours', async () => {
    const { clock, mails, make, submit } = await world();
    for (let n = 0; n < 40; n++) {
      await submit(`d${n}.example`, `mailto:r@d${n}.example`);
    }
    const reporter = make();
    const sent: number[] = [];
    for (let quarter = 1; quarter <= 16; quarter++) {
      clock.now = start + day + (quarter * hour) / 4;
      await reporter.run();
      sent.push(mails.length);
    }
    expect(sent.at(-1)).toBe(40);
    expect(sent[3]).toBeGreaterThan(0);
    expect(sent[7]).toBeLessThan(35);
  });

  test('tries again where it failed, and not where it did not, also after a restart', async () => {
    const { clock, mails, taken, state, mail, make, submit, files, uri, lines } = await world();
    await submit('example.com', `mailto:reports@example.com,${uri}`);
    clock.now = start + day + 4 * hour;
    state.status = 503;
    await make().run();
    expect([mails.length, taken.length, files().length]).toEqual([1, 1, 1]);
    expect(lines.at(-1)).toBe(
      `warning: TLSRPT: report of 2030-01-31 for example.com: ${uri}: HTTP status 503`,
    );
    state.status = 201;
    mail.works = false;
    await make().run();
    expect([mails.length, taken.length, files().length]).toEqual([1, 2, 0]);
    expect(taken[0]).toEqual(taken[1]);
  });

  test('gives up after a day', async () => {
    const { clock, mail, make, submit, files, lines } = await world();
    await submit('example.com', 'mailto:reports@example.com');
    mail.works = false;
    clock.now = start + day + 4 * hour;
    await make().run();
    expect(files()).toHaveLength(1);
    clock.now += day;
    await make().run();
    expect(files()).toEqual([]);
    expect(lines).toEqual([
      ...Array.from(
        { length: 2 },
        () =>
          'warning: TLSRPT: report of 2030-01-31 for example.com: mailto:reports@example.com: the queue is full',
      ),
      'warning: TLSRPT: report of 2030-01-31 for example.com: given up for mailto:reports@example.com',
    ]);
  });

  test('makes one report of all that several processes have counted', async () => {
    const { clock, folder, mails, make, submit } = await world();
    await submit('example.com', 'mailto:old@example.com');
    const other = new TlsrptJournal({ directory: folder, now: () => clock.now });
    other.submit(success);
    other.submit({ ...failure, record: 'v=TLSRPTv1; rua=mailto:new@example.com' });
    await other.flush();
    clock.now = start + day + 4 * hour;
    await make().run();
    expect(mails.map(({ to }) => to)).toEqual(['new@example.com']);
    const base64 = /filename="[^"]+"\r\n\r\n([\s\S]+?)\r\n--/.exec(String(mails[0]?.message))?.[1];
    const made = JSON.parse(gunzipSync(Buffer.from(base64 ?? '', 'base64')).toString());
    expect(made.policies[0].summary).toEqual({
      ...{ 'total-successful-session-count': 1, 'total-failure-session-count': 2 },
    });
  });
});

describe('a report by HTTPS', () => {
  const body = Buffer.alloc(0);
  const dns = { a: async (name: string) => none(name), aaaa: async (name: string) => none(name) };

  test.each([301, 400, 500])('is not taken by status %i', async (status) => {
    const { server, state, uri, taken } = await collector();
    state.status = status;
    const report = gzipSync('{}');
    await expect(postReport(uri, report, server.props)).rejects.toThrow(`HTTP status ${status}`);
    expect(taken).toHaveLength(1);
  });

  test('goes to a server with a bad certificate only when that is wanted', async () => {
    const { server, taken } = await collector();
    const uri = `https://other.example:${server.port}/`;
    const report = gzipSync('{}');
    await expect(postReport(uri, report, server.props)).rejects.toThrow(/altnames/);
    await postReport(uri, report, { ...server.props, ignoreCertificates: true });
    expect(taken).toHaveLength(1);
  });

  test.each(['127.0.0.1', '[::1]', '[::ffff:127.0.0.1]', '2130706433', '10.0.0.1'])(
    'does not go to %s',
    async (host) => {
      await expect(postReport(`https://${host}/`, body, { dns })).rejects.toThrow(/is not public$/);
    },
  );

  test('does not go to a name with such an address, or with none', async () => {
    const inside = { ...dns, a: async (name: string) => found(name, ['192.168.0.1']) };
    const uri = 'https://r.example/';
    await expect(postReport(uri, body, { dns: inside })).rejects.toThrow(
      'address 192.168.0.1 is not public',
    );
    await expect(postReport(uri, body, { dns })).rejects.toThrow('the name has no address');
  });
});
