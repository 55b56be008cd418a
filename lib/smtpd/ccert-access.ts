/**
 * Access by client certificate or raw public key: Postfix's `permit_tls_clientcerts`, `permit_tls_all_clientcerts` and
 * `check_ccert_access`, for {@link restrictions}.
 *
 * A fingerprint says which credential it is, so that the credential need not be trusted. Keys of the tables are
 * fingerprints by `smtpd_tls_fingerprint_digest`: upper-case hex with colons.
 */
import { TlsError } from '../errors.js';
import { type TableLike, toTable } from '../maps/table-like.js';
import type { LookupTable } from '../maps/table.js';
import { type Reply, reply } from '../smtp/reply.js';
import type { TlsSnapshot } from '../snapshot.js';
import { type AccessAction, configurationError, parseAction } from './access-action.js';
import { ClientView } from './client-view.js';
import type { SmtpdSession } from './handlers.js';
import { logAccess, type Restriction, type Subject, type Verdict } from './restrictions.js';

/** What is looked up of a credential. */
export type CcertSearch = 'cert_fingerprint' | 'pubkey_fingerprint';

export interface CcertAccessOptions {
  /** Where to look first; the first result that decides wins. Default: certificate, then public key. */
  readonly searchOrder?: readonly CcertSearch[];
}

/**
 * `permit_tls_clientcerts`: permits clients whose public key or certificate has an entry in `relay_clientcerts`,
 * whatever its value. A lookup that fails is a 451.
 *
 * @param clientcerts default: the tables of the server's option `relayClientcerts`
 * @throws TlsError `INVALID_ARGUMENT`
 */
export function permitTlsClientcerts(clientcerts?: TableLike): Restriction {
  const table = givenTable(clientcerts);
  return (session, subject) => permitListed('permit_tls_clientcerts', table, session, subject);
}

/**
 * `permit_tls_all_clientcerts`: permits clients with a trusted certificate, and those that
 * {@link permitTlsClientcerts} permits.
 *
 * @param clientcerts default: the tables of the server's option `relayClientcerts`
 * @throws TlsError `INVALID_ARGUMENT`
 */
export function permitTlsAllClientcerts(clientcerts?: TableLike): Restriction {
  const table = givenTable(clientcerts);
  return (session, subject) =>
    session.tls?.status === 'Trusted'
      ? 'permit'
      : permitListed('permit_tls_all_clientcerts', table, session, subject);
}

/**
 * `check_ccert_access`: does what a table in the format of access(5) says about the client's certificate or public
 * key: OK, PERMIT, DUNNO, REJECT, DEFER, DEFER_IF_PERMIT, DEFER_IF_REJECT, a code of 4xx or 5xx with a text, WARN,
 * INFO. Everything else in the table, and a lookup that fails, is a 451 with a warning.
 *
 * @throws TlsError `INVALID_ARGUMENT`
 */
export function checkCcertAccess(access: TableLike, options: CcertAccessOptions = {}): Restriction {
  const table = toTable(access);
  const order = checkedOrder(options.searchOrder ?? ['cert_fingerprint', 'pubkey_fingerprint']);
  const name = nameOf(access);
  return async (session, subject) => {
    const tls = credentialOf(session, 'check_ccert_access');
    return tls === null
      ? 'dunno'
      : new CcertCheck({ table, name, order, session, subject, tls }).run();
  };
}

/** Null: that of the server whose session it is. */
function givenTable(clientcerts: TableLike | undefined): LookupTable | null {
  return clientcerts === undefined ? null : toTable(clientcerts);
}

async function permitListed(
  feature: string,
  given: LookupTable | null,
  session: SmtpdSession,
  subject: Subject,
): Promise<Verdict> {
  const tls = credentialOf(session, feature);
  if (tls === null) {
    return 'dunno';
  }
  const { peerCertFingerprint: cert, peerPkeyFingerprint: pkey } = tls;
  const table = given ?? (session instanceof ClientView ? session.service.relayClientcerts : empty);
  try {
    if (pkey !== null && (await table.lookup(pkey)) !== undefined) {
      return 'permit';
    }
    if (cert === null || (await table.lookup(cert)) === undefined) {
      return 'dunno';
    }
  } catch (error) {
    const keys = `fingerprint '${cert ?? ''}', pkey fingerprint ${pkey ?? ''}`;
    warn(session, `relay_clientcerts: lookup error for ${keys}: ${reason(error)}`);
    return reply(451, '4.3.0', `<${subject.address}>: Temporary lookup failure`);
  }
  warnFragile(session, `${feature}: ${session.namaddr}: relay_clientcerts`, () => {
    return `public key fingerprint "${pkey}" not matched, while certificate fingerprint "${cert}" matched`;
  });
  return 'permit';
}

const empty: LookupTable = { lookup: () => undefined };

interface CcertCheckProps {
  readonly table: LookupTable;
  readonly name: string;
  readonly order: readonly CcertSearch[];
  readonly session: SmtpdSession;
  readonly subject: Subject;
  readonly tls: TlsSnapshot;
}

/** One look into an access table. */
class CcertCheck {
  readonly #props: CcertCheckProps;
  /** `<client.example.com>: Client certificate` */
  readonly #what: string;
  /** Undecided fingerprints may defer. */
  #deferral: Verdict = 'dunno';

  constructor(props: CcertCheckProps) {
    this.#props = props;
    const { session, tls } = props;
    const claims = session instanceof ClientView ? session.claims : null;
    this.#what = `<${tls.peerSubject ?? claims?.subject ?? ''}>: Client certificate`;
  }

  async run(): Promise<Verdict> {
    const { order } = this.#props;
    for (const [i, search] of order.entries()) {
      const verdict = this.#act(await this.#find(search));
      if (verdict !== null) {
        if (search === 'cert_fingerprint') {
          await this.#checkKeyToo(verdict, order.slice(i));
        }
        return verdict;
      }
    }
    return this.#deferral;
  }

  async #find(search: CcertSearch): Promise<AccessAction> {
    const { table, name, session, tls } = this.#props;
    const key = search === 'cert_fingerprint' ? tls.peerCertFingerprint : tls.peerPkeyFingerprint;
    if (key === null) {
      return { kind: 'dunno' };
    }
    try {
      const value = await table.lookup(key);
      return value === undefined ? { kind: 'dunno' } : parseAction(value, this.#what);
    } catch (error) {
      warn(session, `${name}: table lookup problem: ${reason(error)}`);
      return parseAction('451 4.3.5 Server configuration error', this.#what);
    }
  }

  /** Carries an action out; null: go on looking. */
  #act(action: AccessAction): 'permit' | Reply | null {
    const { session, subject } = this.#props;
    switch (action.kind) {
      case 'permit':
        return 'permit';
      case 'reject':
        return action.reply;
      case 'error':
        warn(session, action.warning);
        return configurationError;
      case 'defer-if-permit':
      case 'defer-if-reject':
        this.#deferral = {
          deferIf: action.kind === 'defer-if-permit' ? 'permit' : 'reject',
          reply: action.reply,
        };
        return null;
      case 'warn':
      case 'info':
        logAccess(action.kind, session, subject, action.text);
        return null;
      case 'dunno':
        return null;
    }
  }

  /** The same client may show its raw public key next time; then the certificate's entry does not count. */
  async #checkKeyToo(verdict: 'permit' | Reply, order: readonly CcertSearch[]): Promise<void> {
    const { session, tls, name } = this.#props;
    if (!enablesRpk(session)) {
      return;
    }
    const key = order.includes('pubkey_fingerprint')
      ? await this.#find('pubkey_fingerprint')
      : ({ kind: 'dunno' } as const);
    const decided = verdict === 'permit' ? 'permit' : 'reject';
    if (key.kind !== decided) {
      const { peerCertFingerprint: cert, peerPkeyFingerprint: pkey } = tls;
      warnFragile(session, `check_ccert_access: ${session.namaddr}: ${name}`, () => {
        return `the action for certificate fingerprint "${cert}" != the action for public key fingerprint "${pkey}"`;
      });
    }
  }
}

/** The session with a credential in it; null without one, and a warning where none was asked for. */
function credentialOf(session: SmtpdSession, feature: string): TlsSnapshot | null {
  const { tls } = session;
  if (tls !== null && tls.certificateType !== null) {
    return tls;
  }
  if (session instanceof ClientView && !session.service.options.tls.askCcert) {
    warn(session, `${feature} is requested, but "smtpd_tls_ask_ccert = no"`);
  }
  return null;
}

function warnFragile(session: SmtpdSession, where: string, what: () => string): void {
  if (enablesRpk(session)) {
    warn(session, `${where}: Fragile access policy: smtpd_tls_enable_rpk=yes, but ${what()}`);
  }
}

function enablesRpk(session: SmtpdSession): boolean {
  return session instanceof ClientView && session.service.options.tls.enableRpk;
}

function warn(session: SmtpdSession, text: string): void {
  if (session instanceof ClientView) {
    session.service.logger.warn(text);
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Tables that were opened by name know it. */
function nameOf(table: TableLike): string {
  const { spec } = table as { readonly spec?: unknown };
  return typeof spec === 'string' ? spec : 'table';
}

function checkedOrder(order: readonly CcertSearch[]): readonly CcertSearch[] {
  const known: readonly string[] = ['cert_fingerprint', 'pubkey_fingerprint'];
  const wrong = order.find((search) => !known.includes(search));
  if (wrong !== undefined || order.length === 0) {
    throw new TlsError({
      code: 'INVALID_ARGUMENT',
      message: order.length === 0 ? 'searchOrder is empty' : `searchOrder: unknown "${wrong}"`,
      suggestion: 'use cert_fingerprint and pubkey_fingerprint',
    });
  }
  return order;
}
