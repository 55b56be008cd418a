// Does the resolver validate? Found out at start, since otherwise DANE silently protects nothing or, with
// dane-only, defers everything.
import type { DnsLookup, DnsResult } from './answer.js';
import type { DnsServer } from './servers.js';

export interface ValidationNames {
  /** A name with an A record in a signed zone. Default `ietf.org`. */
  readonly signed?: string;
  /** A name whose signatures are wrong. Default `dnssec-failed.org`. */
  readonly bogus?: string;
}

export interface ValidationCheck {
  /**
   * `validates`: DANE works. `untrusted`: no server's AD bit is believed. `no-validation`: the server does
   * not check signatures. `unknown`: the test names could not be looked up, or do not exist there.
   */
  readonly outcome: 'validates' | 'untrusted' | 'no-validation' | 'unknown';
  /** One sentence for the log. */
  readonly text: string;
}

export async function checkValidation(
  lookup: DnsLookup,
  servers: readonly DnsServer[],
  names: ValidationNames,
): Promise<ValidationCheck> {
  const { signed = 'ietf.org', bogus = 'dnssec-failed.org' } = names;
  const asked = servers.map(({ address, port }) => `${address}:${port}`).join(', ');
  if (!servers.some((server) => server.trusted)) {
    return {
      outcome: 'untrusted',
      text: `DANE is without effect: DNS server ${asked} is neither on a loopback address nor trusted (trust-ad); run a validating resolver on this machine`,
    };
  }
  const [good, bad] = await Promise.all([lookup.a(signed), lookup.a(bogus)]);
  const problem = problemOf(good, bad, signed, bogus);
  if (problem === null) {
    return { outcome: 'validates', text: `DNS server ${asked} validates DNSSEC` };
  }
  const { outcome, why } = problem;
  const effect =
    outcome === 'unknown'
      ? `cannot tell whether DNS server ${asked} validates DNSSEC`
      : `DANE is without effect: DNS server ${asked} does not validate DNSSEC`;
  return { outcome, text: `${effect}: ${why}` };
}

interface Problem {
  readonly outcome: 'no-validation' | 'unknown';
  readonly why: string;
}

function problemOf(
  good: DnsResult<string>,
  bad: DnsResult<string>,
  signed: string,
  bogus: string,
): Problem | null {
  if (good.kind === 'failure') {
    return { outcome: 'unknown', why: good.text };
  }
  if (good.kind === 'none' && !good.secure) {
    return { outcome: 'unknown', why: missing('signed', signed) };
  }
  if (!good.secure) {
    return { outcome: 'no-validation', why: `the signed name ${signed} comes without the AD bit` };
  }
  if (bad.kind === 'none') {
    return { outcome: 'unknown', why: missing('bogus', bogus) };
  }
  if (bad.kind === 'found') {
    return { outcome: 'no-validation', why: `the bogus name ${bogus} is not refused` };
  }
  return bad.reason === 'bogus' ? null : { outcome: 'unknown', why: bad.text };
}

/** In a network that does not know the public names; that they are not there says nothing of signatures. */
function missing(which: keyof ValidationNames, name: string): string {
  return `it does not have the ${which} name ${name}; name one of your own (validationNames)`;
}
