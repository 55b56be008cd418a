/**
 * Under which key a client's session is kept. Two handshakes have the same key only where nothing that decides about
 * trust or about the parameters of the session differs between them.
 *
 * `SERVICE&NEXTHOP&HOST&ADDRESS&LEVEL&&&DIGEST`, as Postfix's smtp(8) and tls_client.c make it: whom it is for to read,
 * how it was made as SHA-256. Beyond Postfix's the digest has the names, the trust anchors, the settings of our context, and
 * the server name at every level (RFC 8446 section 4.6.1: a ticket is good for the server name it came with).
 */
import { createHash } from 'node:crypto';
import type { NativePeerAuth, StartTlsProps } from '../native.js';
import { levelNumber, type TlsLevel } from '../tls/levels.js';

export interface ClientSessionKeyProps {
  /** Name of the service, `smtp`. */
  readonly service: string;
  /** As it was given, with brackets and port. */
  readonly nexthop: string;
  /** Name of the server. */
  readonly host: string;
  /** IP address of the server. */
  readonly address: string;
  /** What was asked for after DNS and policy: no fall-back within the handshake changes it. */
  readonly level: TlsLevel;
  /** What the server called itself in reply to EHLO; empty where TLS comes first. */
  readonly heloName: string;
  /** OpenSSL's version number at run time. */
  readonly libraryVersion: number;
  /** Raw public keys are asked for where `tls.auth` does not say. */
  readonly enableRpk: boolean;
  /** What else a handshake depends on: our own certificates, which a server remembers in its ticket, CAs, digests; any text. */
  readonly context: string;
  /** What the handshake is made with. */
  readonly tls: Pick<StartTlsProps, 'sni' | 'cipherList' | 'protocols' | 'auth'>;
}

/** Printable ASCII without blanks. */
export function clientSessionKey(props: ClientSessionKeyProps): string {
  const { service, nexthop, host, address, level } = props;
  const readable = [service, nexthop, host, address, String(levelNumber(level))].map(field);
  // The empty field is where Postfix's SMTPUTF8 placeholder stands.
  return [...readable, '', '', digest(props)].join('&');
}

/** A field that could be taken for two, or cannot be read, in base64. */
function field(text: string): string {
  return /^[!-%'-~]*$/.test(text) ? text : Buffer.from(text).toString('base64');
}

/** The members in Postfix's order, then ours; JSON keeps them apart whatever is in them. */
function digest(props: ClientSessionKeyProps): string {
  const { heloName, libraryVersion, enableRpk, context, tls } = props;
  const { floor, ceiling, exclude } = tls.protocols;
  const { auth } = tls;
  const members = [
    heloName,
    libraryVersion,
    [floor, ceiling, exclude],
    tls.cipherList,
    auth?.requestRpk ?? enableRpk,
    auth?.forcedFailure ?? false,
    sorted(auth?.tlsa ?? []),
    tls.sni,
    auth?.names ?? [],
    auth?.anchorFiles ?? [],
    context,
  ];
  return createHash('sha256').update(JSON.stringify(members)).digest('hex').toUpperCase();
}

/** Records in one order: a DNS answer has none. */
function sorted(records: NativePeerAuth['tlsa']): readonly string[] {
  return records
    .map(([usage, selector, type, data]) =>
      [usage, selector, type, Buffer.from(data).toString('hex')].join(' '),
    )
    .sort();
}
