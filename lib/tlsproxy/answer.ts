/** What a tlsproxy answers, checked field by field before anything relies upon it. */
import { type ErrorCode, errorCatalogue } from '../error-catalogue.js';
import { TlsError } from '../errors.js';
import type { NativeClaims, NativeNotice } from '../native.js';
import type { TlsSnapshot } from '../snapshot.js';
import { violation } from './message.js';

type Fields = Readonly<Record<string, unknown>>;
type Check = (value: unknown) => boolean;
type Checks<Of> = { readonly [Name in keyof Of]-?: Check };

export interface SessionAnswer {
  readonly id: string;
  readonly uses: number;
  readonly tls: TlsSnapshot;
  readonly claims: NativeClaims | null;
  readonly notices: readonly NativeNotice[];
  readonly state: string | null;
}

/** A request that the proxy does not do. */
export interface RefusedAnswer {
  /** The handshake had begun: the peer is lost. */
  readonly begun: boolean;
  readonly code: string;
  /** As the proxy has it. */
  readonly error: TlsError;
}

const text: Check = (value) => typeof value === 'string';
const flag: Check = (value) => typeof value === 'boolean';
const count: Check = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
const oneOf =
  (...words: readonly string[]): Check =>
  (value) =>
    words.includes(value as string);
const shaped =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isObject(value) && Object.entries(checks).every(([name, check]) => check(value[name]));

const signature = shaped({
  ...{ algorithm: text, curve: orNull(text), bits: orNull(count), digest: orNull(text) },
  rawPublicKey: flag,
});
const match = shaped({
  ...{ kind: oneOf('name', 'tlsa', 'fingerprint', 'anchor'), value: text, depth: count },
  ...{ peername: orNull(text), publicKey: flag, rawPublicKey: flag },
});

const snapshotChecks: Checks<TlsSnapshot> = {
  status: oneOf('Anonymous', 'Untrusted', 'Trusted', 'Verified'),
  ...{ protocol: text, cipher: text, cipherUsedBits: count, cipherAlgorithmBits: count },
  ...{ mac: orNull(text), group: orNull(text), sni: orNull(text) },
  ...{ server: orNull(signature), client: orNull(signature) },
  ...{ resumed: flag, ticket: flag, tlsaFallback: flag },
  certificateType: orNull(oneOf('x509', 'rpk')),
  ...{ peerCertFingerprint: orNull(text), peerPkeyFingerprint: orNull(text) },
  ...{ peerSubject: orNull(text), peerIssuer: orNull(text) },
  verifyError: orNull(shaped({ code: count, depth: count, text })),
  matched: orNull(match),
};
const claimsChecks: Checks<NativeClaims> = { subject: text, issuer: text, untrustedIssuer: text };
const noticeChecks: Checks<NativeNotice> = {
  kind: oneOf('tlsa-unusable', 'tlsa-none', 'tlsa-fallback', 'no-names'),
  ...{ name: text, later: text },
};

const snapshot = shaped(snapshotChecks);
const claims = shaped(claimsChecks);
const notice = shaped(noticeChecks);

/** @throws TlsError `TLSPROXY_PROTOCOL` */
export function readAnswer(fields: Fields): SessionAnswer | RefusedAnswer {
  if (fields.ok !== true) {
    return readRefusal(fields);
  }
  const { id, uses, tls, state = null } = fields;
  const { claims: claimed = null, notices = [] } = fields;
  const fine =
    text(id) && count(uses) && snapshot(tls) && orNull(claims)(claimed) && orNull(text)(state);
  if (!fine || !Array.isArray(notices) || !notices.every(notice)) {
    throw violation('an answer that is none');
  }
  return Object.freeze({ id, uses, tls, claims: claimed, notices, state }) as SessionAnswer;
}

/** @throws TlsError `TLSPROXY_PROTOCOL` */
export function readRefusal({ ok, code, message, ...more }: Fields): RefusedAnswer {
  if (ok !== false || typeof code !== 'string' || typeof message !== 'string') {
    throw violation('an answer that is none');
  }
  const { begun, reason, library, errno } = more;
  const error = new TlsError({
    code: Object.hasOwn(errorCatalogue, code) ? (code as ErrorCode) : 'TLSPROXY_REFUSED',
    message,
    reason: typeof reason === 'string' ? reason : null,
    library: typeof library === 'string' ? library : null,
    errno: count(errno) ? Number(errno) : 0,
  });
  return { begun: begun === true, code, error };
}

export function isRefused(answer: SessionAnswer | RefusedAnswer): answer is RefusedAnswer {
  return 'begun' in answer;
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}
