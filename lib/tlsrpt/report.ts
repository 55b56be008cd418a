/**
 * The daily report for a domain in JSON (RFC 8460 section 4), and the message it is mailed in (section 5.3).
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { TlsrptPolicy } from './event.js';
import type { TlsrptCount } from './journal.js';

/** Who reports. */
export interface TlsrptSubmitter {
  readonly organizationName: string;
  /** How a person can be reached: an address. */
  readonly contactInfo: string;
  /** Domain of the reporting organisation: `TLS-Report-Submitter`, and the right half of report-ids. */
  readonly domain: string;
  /** Address that reports are mailed from; it needs a DKIM signature of its domain. */
  readonly from: string;
}

export interface TlsrptFailureDetails {
  readonly 'result-type': string;
  readonly 'sending-mta-ip'?: string;
  readonly 'receiving-mx-hostname'?: string;
  readonly 'receiving-mx-helo'?: string;
  readonly 'receiving-ip'?: string;
  readonly 'failed-session-count': number;
  readonly 'additional-information'?: string;
  readonly 'failure-reason-code'?: string;
}

export interface TlsrptPolicyReport {
  readonly policy: {
    readonly 'policy-type': string;
    readonly 'policy-string'?: readonly string[];
    readonly 'policy-domain': string;
    readonly 'mx-host'?: readonly string[];
  };
  readonly summary: {
    readonly 'total-successful-session-count': number;
    readonly 'total-failure-session-count': number;
  };
  readonly 'failure-details'?: readonly TlsrptFailureDetails[];
}

export interface TlsrptReport {
  readonly 'organization-name': string;
  readonly 'date-range': { readonly 'start-datetime': string; readonly 'end-datetime': string };
  readonly 'contact-info': string;
  readonly 'report-id': string;
  readonly policies: readonly TlsrptPolicyReport[];
}

/** A domain decides how many hosts it has; totals count all of them, details this many kinds for a policy. */
const detailsLimit = 1000;

/**
 * The report of one day for one domain.
 *
 * A session counts once for each policy it was held against; its failures are counted kind by kind, so their sum may be
 * more than the failed sessions (RFC 8460 section 4.3). The id is the same whenever the report is made again.
 */
export function makeReport(
  day: string,
  domain: string,
  counts: readonly TlsrptCount[],
  submitter: TlsrptSubmitter,
): TlsrptReport {
  const policies = new Map<string, PolicyCounts>();
  for (const count of counts) {
    const key = JSON.stringify(count.policy);
    const of = policies.get(key) ?? new PolicyCounts(count.policy);
    policies.set(key, of);
    of.add(count);
  }
  const unique = createHash('sha256').update(`${day} ${domain}`).digest('hex').slice(0, 16);
  return {
    'organization-name': submitter.organizationName,
    'date-range': { 'start-datetime': `${day}T00:00:00Z`, 'end-datetime': `${day}T23:59:59Z` },
    'contact-info': submitter.contactInfo,
    'report-id': `${day}.${unique}@${submitter.domain}`,
    policies: [...policies.values()].map((of) => of.report()),
  };
}

class PolicyCounts {
  readonly #policy: TlsrptPolicy;
  readonly #details = new Map<string, { details: TlsrptFailureDetails; count: number }>();
  #success = 0;
  #failure = 0;

  constructor(policy: TlsrptPolicy) {
    this.#policy = policy;
  }

  add({ final, failures, count }: TlsrptCount): void {
    if (final === 'success') {
      this.#success += count;
    } else {
      this.#failure += count;
    }
    for (const failure of failures) {
      const details = {
        'result-type': failure.type,
        ...optional('sending-mta-ip', failure.sendingMtaIp),
        ...optional('receiving-mx-hostname', failure.receivingMxHostname),
        ...optional('receiving-mx-helo', failure.receivingMxHelo),
        ...optional('receiving-ip', failure.receivingIp),
        'failed-session-count': 0,
        ...optional('additional-information', failure.additionalInformation),
        ...optional('failure-reason-code', failure.reasonCode),
      };
      const key = JSON.stringify(details);
      const entry = this.#details.get(key) ?? { details, count: 0 };
      entry.count += count;
      if (this.#details.size < detailsLimit) {
        this.#details.set(key, entry);
      }
    }
  }

  report(): TlsrptPolicyReport {
    const { type, strings, domain, mxHostPatterns } = this.#policy;
    const details = [...this.#details.values()].map((entry) => ({
      ...entry.details,
      'failed-session-count': entry.count,
    }));
    return {
      policy: {
        'policy-type': type,
        ...(strings.length === 0 ? {} : { 'policy-string': strings }),
        'policy-domain': domain,
        ...(mxHostPatterns.length === 0 ? {} : { 'mx-host': mxHostPatterns }),
      },
      summary: {
        'total-successful-session-count': this.#success,
        'total-failure-session-count': this.#failure,
      },
      ...(details.length === 0 ? {} : { 'failure-details': details }),
    };
  }
}

function optional<Key extends string>(key: Key, value: string | null): { [K in Key]?: string } {
  return (value === null ? {} : { [key]: value }) as { [K in Key]?: string };
}

/** As it is sent: `application/tlsrpt+gzip`. */
export function gzipReport(report: TlsrptReport): Buffer {
  return gzipSync(JSON.stringify(report));
}

/** `SUBMITTER!DOMAIN!BEGIN!END.json.gz` (RFC 8460 section 5.1). */
export function reportFileName(report: TlsrptReport, domain: string, submitter: string): string {
  const { 'start-datetime': start, 'end-datetime': end } = report['date-range'];
  const seconds = [start, end].map((text) => Date.parse(text) / 1000);
  return `${[submitter, domain, ...seconds].join('!')}.json.gz`;
}

/** The whole message, lines ending in CRLF; to be signed with DKIM (RFC 8460 section 3) and sent. */
export function reportMessage(
  report: TlsrptReport,
  domain: string,
  to: string,
  submitter: TlsrptSubmitter,
  date: Date,
): Buffer {
  const id = report['report-id'];
  const boundary = `=_${id.replaceAll(/[^0-9A-Za-z.]/g, '_').slice(0, 60)}`;
  const name = reportFileName(report, domain, submitter.domain);
  const content = gzipReport(report).toString('base64').replaceAll(/.{76}/g, '$&\r\n');
  const lines = [
    `From: ${submitter.from}`,
    `To: ${to}`,
    `Date: ${date.toUTCString().replace('GMT', '+0000')}`,
    `Subject: Report Domain: ${domain} Submitter: ${submitter.domain} Report-ID: <${id}>`,
    `Message-ID: <${id}>`,
    `TLS-Report-Domain: ${domain}`,
    `TLS-Report-Submitter: ${submitter.domain}`,
    // RFC 8460 section 3: a report is delivered even if TLS, of which it tells, does not work (RFC 8689).
    ...['TLS-Required: No', 'Auto-Submitted: auto-generated', 'MIME-Version: 1.0'],
    `Content-Type: multipart/report; report-type="tlsrpt"; boundary="${boundary}"`,
    ...['', `--${boundary}`, 'Content-Type: text/plain; charset="us-ascii"', ''],
    `This is an aggregate TLS report of ${submitter.domain} for ${domain}.`,
    ...['', `--${boundary}`, 'Content-Type: application/tlsrpt+gzip'],
    ...['Content-Transfer-Encoding: base64', `Content-Disposition: attachment; filename="${name}"`],
    ...['', content, `--${boundary}--`, ''],
  ];
  return Buffer.from(lines.join('\r\n'), 'utf8');
}
