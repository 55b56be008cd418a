/**
 * What `mxtls probe` tells about mail hosts, as text: the same input gives the same text, so that `watch` and `diff` show
 * what has changed. Pure.
 */
import { certmatchLines } from '../log/certmatch.js';
import { printable } from '../log/logger.js';
import { tlsSummary } from '../log/summary.js';
import type { PeerCertificate } from '../native.js';
import { type ProbedTlsa, type ProbeResult, isSatisfied } from '../probe/result.js';
import { isDaneBased } from '../tls/levels.js';
import { type Paint, painter } from './paint.js';

export interface ProbeTextProps {
  readonly colors: boolean;
  /** Milliseconds since 1970: certificates that are not valid then are marked. */
  readonly now: number;
  /** Of fingerprints: `smtp_tls_fingerprint_digest`. */
  readonly digest: string;
}

/** One block of lines for each result, with an empty line between. */
export function probeText(results: readonly ProbeResult[], props: ProbeTextProps): string {
  const paint = painter(props.colors);
  return results.map((result) => block(harmless(result), props, paint)).join('\n');
}

/** DNS and servers may say anything: nothing of it reaches the terminal as a control character. */
function harmless(result: ProbeResult): ProbeResult {
  const { mx, alias, namaddr, lookups, notes } = result;
  const text = (value: string | null): string | null => (value === null ? null : printable(value));
  return {
    ...result,
    ...{ mx: text(mx), alias: text(alias), namaddr: text(namaddr), notes: notes.map(printable) },
    lookups: lookups.map((lookup) => ({ ...lookup, name: printable(lookup.name) })),
  };
}

function block(result: ProbeResult, props: ProbeTextProps, paint: Paint): string {
  const lines = [
    ...dnsLines(result, paint),
    ...tlsaLines(result, paint),
    ...policyLines(result),
    ...sessionLines(result, paint),
    ...chainLines(result, props, paint),
    ...resumptionLines(result, paint),
    ...furtherNotes(result).map((note): Line => ['note', note]),
    resultLine(result, paint),
  ];
  const title = result.namaddr ?? result.mx ?? result.destination;
  const via = result.mx === null ? '' : ` for ${result.destination}`;
  return [`${paint.bold(title)}${via}`, ...lines.map(format), ''].join('\n');
}

/** Where it matters a delivery logs why the server is not believed, and that has its own line here. */
function furtherNotes({ notes, verification }: ProbeResult): readonly string[] {
  return notes.filter((note) => !verification.includes(note));
}

/** A label, empty where the line belongs to the one before, and text. */
type Line = readonly [label: string, text: string];

function format([label, text]: Line): string {
  return `  ${label.padEnd(9)} ${text}`.trimEnd();
}

function dnsLines(result: ProbeResult, paint: Paint): readonly Line[] {
  const { mx, mxSecurity, preference, address, addressSecurity, alias } = result;
  const lines: Line[] = [];
  // Without a host to name the look-up has failed, or there is a null MX.
  const nullMx = mxSecurity === 'bogus' ? '' : 'null, ';
  if (mxSecurity !== null) {
    const what = preference === null ? (mx === null ? nullMx : 'none, ') : `${preference} ${mx}, `;
    lines.push(['MX', `${what}${paint.security(mxSecurity)}`]);
  }
  if (alias !== null) {
    lines.push(['alias', `of ${alias}`]);
  }
  if (address !== null || addressSecurity !== null) {
    const shown = address ?? 'none';
    const how = addressSecurity === null ? '' : `, ${paint.security(addressSecurity)}`;
    lines.push(['address', `${shown}${how}`]);
  }
  return lines;
}

function tlsaLines(result: ProbeResult, paint: Paint): readonly Line[] {
  const lookups = result.lookups.map(({ name, type, kind, secure }, i): Line => {
    const state =
      kind === 'found' || kind === 'none' ? paint.security(secure ? 'secure' : 'insecure') : '';
    const failed = kind === 'bogus' ? paint.security('bogus') : paint.bad(kind);
    const text = kind === 'found' ? state : kind === 'none' ? `none, ${state}` : failed;
    return [i === 0 ? 'TLSA' : '', `${name}${type === 'CNAME' ? ' CNAME' : ''}: ${text}`];
  });
  return [
    ...lookups,
    ...result.tlsa.map((record): Line => ['', `  ${tlsaText(record, result, paint)}`]),
  ];
}

function tlsaText(record: ProbedTlsa, { matched }: ProbeResult, paint: Paint): string {
  const { usage, selector, matchingType, data, usable } = record;
  const hex = data.length > 128 ? `${data.slice(0, 64)}...${data.slice(-64)}` : data;
  const text = `${usage} ${selector} ${matchingType} ${hex}`;
  if (matched?.kind === 'tlsa' && matched.value === text.toUpperCase()) {
    return `${text} ${paint.good('matched')}`;
  }
  return usable ? text : `${text} ${paint.doubtful('unusable')}`;
}

function policyLines(result: ProbeResult): readonly Line[] {
  const { source, requestedLevel, policyLevel, sni, sts } = result;
  const asked = requestedLevel === policyLevel ? '' : `, requested ${requestedLevel}`;
  const accepted = acceptedNames(result);
  return [
    ...(sts === null ? [] : [['STS', stsText(sts)] as const]),
    ...(source === null
      ? []
      : [['policy', `${policyLevel} (${originOf(result)})${asked}`] as const]),
    ...(accepted.length === 0 ? [] : [['accepts', accepted.join(', ')] as const]),
    ...(sni === null ? [] : [['SNI', sni] as const]),
  ];
}

/** With DANE, names count under a trust anchor only. */
function acceptedNames({ policyLevel, match, tlsa }: ProbeResult): readonly string[] {
  const needed =
    policyLevel === null ||
    !isDaneBased(policyLevel) ||
    tlsa.some(({ usage, usable }) => usable && usage === 2);
  return needed ? match : [];
}

/** Where the level came from. */
function originOf({ source, policyLevel }: ProbeResult): string {
  if (policyLevel !== null && isDaneBased(policyLevel)) {
    return 'DANE';
  }
  return source === 'sts' ? 'STS' : (source ?? '');
}

function stsText({ kind, text, mx, maxAge }: NonNullable<ProbeResult['sts']>): string {
  return kind === 'policy' ? `${text}, mx ${mx.join(', ')}, max_age ${maxAge}` : text;
}

function sessionLines(result: ProbeResult, paint: Paint): readonly Line[] {
  const { tls, namaddr, verification, matched } = result;
  if (tls === null || namaddr === null) {
    return [];
  }
  const direction = 'to' as const;
  const summary = tlsSummary({ snapshot: tls, direction, use: 'established', namaddr });
  const prefix = `${namaddr}: `;
  return [
    ['TLS', paint.status(summary)],
    ...certmatchLines(matched, namaddr).map(
      (line, i): Line => [i === 0 ? 'match' : '', line.slice(prefix.length)],
    ),
    ...verification.map((line): Line => ['verify', paint.doubtful(line)]),
  ];
}

function chainLines(
  result: ProbeResult,
  { now, digest }: ProbeTextProps,
  paint: Paint,
): readonly Line[] {
  const { tls, chain } = result;
  if (tls?.certificateType === 'rpk') {
    return [['key', `raw public key, ${digest} ${tls.peerPkeyFingerprint ?? ''}`]];
  }
  return chain.flatMap((certificate, depth): readonly Line[] => [
    [depth === 0 ? 'chain' : '', `${depth} ${certificate.subject}`],
    ...certificateTexts(certificate, now, digest, paint).map((text): Line => ['', `  ${text}`]),
  ]);
}

function certificateTexts(
  certificate: PeerCertificate,
  now: number,
  digest: string,
  paint: Paint,
): readonly string[] {
  const { issuer, names, moreNames, keyType, curve, bits, notBefore, notAfter } = certificate;
  const more = moreNames === 0 ? '' : ` and ${moreNames} more`;
  const key = [keyType, curve, bits === null ? null : `${bits} bits`].filter(
    (part) => part !== null,
  );
  const valid = `valid ${dayOf(notBefore)} to ${dayOf(notAfter)}`;
  const state = now < notBefore ? ', not yet valid' : now > notAfter ? ', expired' : '';
  return [
    ...(names.length === 0 ? [] : [`names ${names.join(', ')}${more}`]),
    `issuer ${issuer}`,
    `${valid}${paint.bad(state)}`,
    `key ${key.join(' ')}`,
    `${digest} ${certificate.certFingerprint}`,
    `${digest} of the key ${certificate.pkeyFingerprint}`,
  ];
}

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

function resumptionLines({ resumption }: ProbeResult, paint: Paint): readonly Line[] {
  switch (resumption?.kind) {
    case 'resumed':
      return [['resumed', paint.good('yes')]];
    case 'declined':
      return [['resumed', paint.doubtful('no, the server made a new session')]];
    case 'unavailable':
      return [['resumed', paint.doubtful(`no, ${resumption.reason ?? ''}`)]];
    default:
      return [];
  }
}

function resultLine(result: ProbeResult, paint: Paint): Line {
  const { outcome, dsn, reason, requestedLevel, effectiveLevel } = result;
  const why = reason === null ? '' : `: ${printable(reason)}`;
  if (outcome === 'defer' || outcome === 'skip') {
    return ['result', paint.bad(`${outcome}: ${dsn}${why.slice(1)}`)];
  }
  if (isSatisfied(result)) {
    const text =
      requestedLevel === effectiveLevel
        ? `${outcome}, level ${requestedLevel} is satisfied`
        : `${outcome} at level ${effectiveLevel}, requested ${requestedLevel}`;
    return ['result', `${paint.good(text)}${why}`];
  }
  const level = outcome === 'ok' ? ` at level ${effectiveLevel}` : '';
  return ['result', paint.doubtful(`${outcome}${level}, not ${requestedLevel}${why}`)];
}
