/** Probes one host after the other, with one set of policies and one TLS context for all. */
import { peerTlsProps } from '../delivery/peer.js';
import { credentialLines } from '../log/credential.js';
import { noLogging, parseLoglevel, withUntrusted } from '../log/loglevel.js';
import type { StartTlsProps } from '../native.js';
import { type HostPolicy, isProblem } from '../policy/policy.js';
import type { HelloKind } from '../tls/hello-groups.js';
import { usesTls } from '../tls/levels.js';
import { ProbeContexts } from './contexts.js';
import { type Decided, Decider, type DeciderProps } from './decide.js';
import type { FoundHost } from './hosts.js';
import { judge, whyLess } from './judge.js';
import type { ProbeResult, Resumption } from './result.js';
import { visit, type VisitProps, type VisitResult } from './visit.js';

export interface HostProbeProps extends DeciderProps {
  /** Of the start; gets more. */
  readonly notes: string[];
}

export interface ProbedHost {
  readonly result: ProbeResult;
  /** The server was reached. */
  readonly answered: boolean;
}

type Peer = VisitProps['peer'];

interface Visited {
  readonly visited: VisitResult;
  /** The ClientHello of the last visit. */
  readonly hello: HelloKind;
}

const smaller = {
  'no-share': 'once more with a smaller ClientHello: X25519MLKEM768 without a share',
  classical: 'once more without X25519MLKEM768',
} as const;

export class HostProbe {
  readonly #props: HostProbeProps;
  readonly #decider: Decider;
  readonly #contexts: ProbeContexts;

  /** @throws TlsError `CHAIN_*`, `CA_LOAD`, `BAD_*`, `INVALID_PARAMETER` */
  constructor(props: HostProbeProps) {
    const { options, smtp, tables, notes } = props;
    this.#props = props;
    this.#decider = new Decider(props);
    const warn = (text: string): void => {
      notes.push(text);
    };
    const { keyLogFile } = options;
    this.#contexts = new ProbeContexts({ smtp, tables, keyLogFile, warn });
  }

  async run(host: FoundHost): Promise<ProbedHost> {
    const blank = await this.#blank(host);
    if (host.address === null) {
      const { dsn = '5.4.4', text: reason = null } = host.problem ?? {};
      const outcome = dsn.startsWith('4') ? ('defer' as const) : ('skip' as const);
      return { result: { ...blank, outcome, dsn, reason }, answered: false };
    }
    const decided = await this.#decider.decide(host);
    const { policy, facts: _, warnings, ...shown } = decided;
    const notes = [...blank.notes, ...warnings];
    if (isProblem(policy)) {
      const { dsn, text: reason, warning, levelKnown: effectiveLevel } = policy;
      // Most warnings say no more than the reason does.
      const said = warning === null || warning.endsWith(reason) ? notes : [...notes, warning];
      return {
        result: { ...blank, ...shown, effectiveLevel, dsn, reason, notes: said },
        answered: false,
      };
    }
    const { source, level: policyLevel, match, sni } = policy;
    const known = { ...blank, ...shown, source, policyLevel, match, sni, notes };
    return this.#connect(known, decided, policy);
  }

  async #connect(known: ProbeResult, decided: Decided, policy: HostPolicy): Promise<ProbedHost> {
    const { options, nexthop } = this.#props;
    const address = options.connect?.address ?? known.address ?? '';
    const peer = { host: known.mx ?? '', address, port: options.connect?.port ?? nexthop.port };
    const notes = [...known.notes];
    const { visited, hello } = await this.#visit(peer, policy, notes);
    const judged = judge(policy, visited);
    const { settings } = this.#decider;
    const namaddr = `${peer.host}[${address}]:${peer.port}`;
    const verification = verificationLines(visited, policy, namaddr);
    const result: ProbeResult = {
      ...known,
      ...judged,
      address,
      namaddr,
      reason: reasons(
        judged.outcome === 'defer'
          ? null
          : whyLess({ ...known, ...judged }, decided.facts, settings),
        judged.reason,
      ),
      status: visited.tls?.status ?? null,
      tls: visited.tls,
      matched: visited.tls?.matched ?? null,
      chain: visited.chain,
      verification,
      resumption: await this.#again(peer, policy, visited, hello),
      notes,
    };
    return { result, answered: visited.connected };
  }

  /** With smaller ClientHellos, as a delivery, where a server breaks off without a word. */
  async #visit(peer: Peer, policy: HostPolicy, notes: string[]): Promise<Visited> {
    let hello: HelloKind = 'usual';
    let visited = await visit(this.#visitProps(peer, policy, notes, hello));
    for (const kind of this.#contexts.kinds) {
      if (!visited.choked) {
        break;
      }
      if (kind !== 'usual') {
        hello = kind;
        notes.push(`the handshake broke off without a word; ${smaller[kind]}`);
        visited = await visit(this.#visitProps(peer, policy, notes, hello));
      }
    }
    return { visited, hello };
  }

  /** The same once more, with the session of the first visit. */
  async #again(
    peer: Peer,
    policy: HostPolicy,
    first: VisitResult,
    hello: HelloKind,
  ): Promise<Resumption | null> {
    if (this.#props.options.reconnect !== true || first.tls === null) {
      return null;
    }
    if (first.session === null) {
      return { kind: 'unavailable', tls: null, reason: 'there is no session to resume' };
    }
    const props = this.#visitProps(peer, policy, [], hello, first.session);
    const { tls, failure } = await visit(props);
    return tls === null
      ? { kind: 'unavailable', tls, reason: failure?.text ?? null }
      : { kind: tls.resumed ? 'resumed' : 'declined', tls, reason: null };
  }

  /** @param notes gets what a delivery would log */
  #visitProps(
    peer: Peer,
    policy: HostPolicy,
    notes: string[],
    hello: HelloKind,
    session: Buffer | null = null,
  ): VisitProps {
    const note = (text: string): void => {
      notes.push(text);
    };
    const withTls = usesTls(policy.level);
    return {
      ...{ peer, policy, options: this.#props.smtp },
      context: withTls ? this.#contexts.of(hello) : null,
      tls: withTls ? this.#tlsProps(policy, note, session) : null,
      logger: { info: note, warn: note, error: note },
    };
  }

  #tlsProps(
    policy: HostPolicy,
    warn: (text: string) => void,
    session: Buffer | null,
  ): StartTlsProps {
    const { tls, starttlsTimeout: timeout } = this.#props.smtp;
    const { trace } = parseLoglevel(tls.loglevel).flags;
    return peerTlsProps(policy, tls, { timeout, trace, warn, session });
  }

  /** What is known before the policy. */
  async #blank(host: FoundHost): Promise<ProbeResult> {
    const { options, nexthop, notes } = this.#props;
    const { name, preference, mxSecurity, address, addressSecurity } = host;
    const alias = address === null || address.expandedName === name ? null : address.expandedName;
    return {
      ...{ destination: options.destination, mx: name, mxSecurity },
      ...{ address: address?.address ?? null, addressSecurity, tlsaBase: null, tlsa: [] },
      ...{ requestedLevel: await this.#decider.requestedLevel(host), effectiveLevel: null },
      ...{ status: null, tls: null, matched: null, outcome: 'skip', dsn: '2.0.0', reason: null },
      ...{
        port: nexthop.port,
        namaddr: null,
        preference,
        alias,
        lookups: [],
        source: null,
        policyLevel: null,
      },
      ...{ match: [], sni: null, sts: null, chain: [], verification: [], resumption: null },
      notes,
    };
  }
}

/** Why the server's credential is not believed, at any level. */
function verificationLines(
  { tls, claims }: VisitResult,
  { failure: policyFailure }: HostPolicy,
  namaddr: string,
): readonly string[] {
  const flags = withUntrusted(noLogging);
  const direction = 'to';
  return tls === null
    ? []
    : credentialLines({ snapshot: tls, claims, direction, namaddr, flags, policyFailure });
}

function reasons(...given: readonly (string | null)[]): string | null {
  return given.filter((reason) => reason !== null).join('; ') || null;
}
