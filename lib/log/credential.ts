/**
 * What is logged about the peer's certificate or raw public key, before the summary line: who it says it is, and why
 * it is not trusted. Texts of Postfix.
 *
 * Pure. Names come from the certificate whether or not it is trusted, as the operator has to know what was refused.
 */
import type { NativeClaims } from '../native.js';
import type { TlsSnapshot, VerifyError } from '../snapshot.js';
import { certmatchLines } from './certmatch.js';
import type { Direction } from './events.js';
import type { LogFlags } from './loglevel.js';

export interface CredentialLogProps {
  readonly snapshot: TlsSnapshot;
  /** What the certificate says; null without one. */
  readonly claims: NativeClaims | null;
  readonly direction: Direction;
  /** `host[address]` on the server, `host[address]:port` on the client. */
  readonly namaddr: string;
  readonly flags: LogFlags;
  /** The policy has verification fail for this reason, whatever the server shows; absent or null: it does not. */
  readonly policyFailure?: string | null;
}

/** The lines, in order; none without a credential. */
export function credentialLines(props: CredentialLogProps): readonly string[] {
  if (props.snapshot.certificateType === null) {
    return [];
  }
  return props.direction === 'from' ? clientLines(props) : serverLines(props);
}

function clientLines(props: CredentialLogProps): readonly string[] {
  const { flags } = props;
  const identity = flags.peercert || flags.verbose ? [identityLine(props)] : [];
  return [...identity, ...problemLines(props)];
}

/** What matched is told before whose it is. */
function serverLines(props: CredentialLogProps): readonly string[] {
  const { flags, snapshot, namaddr } = props;
  const detailed = flags.certmatch || flags.peercert || flags.verbose;
  const match = detailed ? certmatchLines(snapshot.matched, namaddr) : [];
  return [...problemLines(props), ...match, ...(detailed ? [identityLine(props)] : [])];
}

function problemLines(props: CredentialLogProps): readonly string[] {
  const problem = props.flags.untrusted ? problemLine(props) : null;
  return problem === null ? [] : [problem];
}

function identityLine({ snapshot, claims, namaddr }: CredentialLogProps): string {
  const pkey = snapshot.peerPkeyFingerprint ?? '';
  if (snapshot.certificateType === 'rpk') {
    return `${namaddr}: raw public key fingerprint=${pkey}`;
  }
  return (
    `${namaddr}: subject_CN=${claims?.subject ?? ''}, issuer=${claims?.issuer ?? ''}, ` +
    `cert fingerprint=${snapshot.peerCertFingerprint ?? ''}, pkey fingerprint=${pkey}`
  );
}

/** A client's raw public key is nobody's to trust: Postfix's server has nothing to say about it (observed, 3.10). */
function problemLine(props: CredentialLogProps): string | null {
  const { snapshot, direction, namaddr } = props;
  const error = snapshot.verifyError;
  const client = direction === 'from';
  if (error === null || (client && snapshot.certificateType === 'rpk')) {
    return null;
  }
  if (snapshot.resumed) {
    const what = client ? 'untrusted certificate' : 'untrusted peer credential';
    return `${namaddr}: re-using session with ${what}, look for details earlier in the log`;
  }
  const { policyFailure = null } = props;
  return policyFailure === null
    ? failureLine(error, props)
    : `certificate verification failed for ${namaddr}: external policy failure (${policyFailure})`;
}

/** OpenSSL's `X509_V_ERR_*`. */
const code = {
  unableToGetIssuer: 2,
  notYetValid: 9,
  expired: 10,
  badNotBefore: 13,
  badNotAfter: 14,
  selfSigned: 18,
  selfSignedInChain: 19,
  unableToGetIssuerLocally: 20,
  chainTooLong: 22,
  invalidPurpose: 26,
  untrusted: 27,
} as const;

function failureLine(
  error: VerifyError,
  { claims, direction, namaddr }: CredentialLogProps,
): string {
  const purpose = error.depth > 0 ? 'CA' : direction === 'from' ? 'client' : 'server';
  const failed = `certificate verification failed for ${namaddr}:`;
  switch (error.code) {
    case code.untrusted:
      return `${failed} not trusted by local or TLSA policy`;
    case code.selfSigned:
      return `${failed} self-signed certificate`;
    case code.unableToGetIssuer:
    case code.unableToGetIssuerLocally:
    case code.selfSignedInChain:
      return `${failed} untrusted issuer ${printable(claims?.untrustedIssuer || '<unknown>')}`;
    case code.invalidPurpose:
      return `${failed} not designated for use as a ${purpose} certificate`;
    case code.chainTooLong:
      return `${failed} certificate chain longer than limit(${error.depth - 1})`;
    case code.notYetValid:
    case code.badNotBefore:
      return `${purpose} ${failed} certificate not yet valid`;
    case code.expired:
    case code.badNotAfter:
      return `${purpose} ${failed} certificate has expired`;
    default:
      return `${purpose} ${failed} num=${error.code}:${error.text}`;
  }
}

function printable(text: string): string {
  return text.replace(/[^\u0020-\u007e]/g, '?');
}
