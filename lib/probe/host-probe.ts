/** Probes one host after the other, with one set of policies and one TLS context for all. */
import type { ResolvedSmtp } from '../config/options.js';
import { parseLoglevel } from '../log/loglevel.js';
import type { NativeContext, StartTlsProps } from '../native.js';
import { type HostPolicy, isProblem } from '../policy/policy.js';
import { clientTlsProps, createClientContext } from '../tls/contexts.js';
import { isPkix, usesTls } from '../tls/levels.js';
import { peerAuth } from '../tls/peer-auth.js';
import { type Decided, Decider } from './decide.js';
import type { FoundHost, FoundHosts } from './hosts.js';
import { judge, whyLess } from './judge.js';
import type { ProbeOptions } from './options.js';
import type { ProbeResult, Resumption } from './result.js';
import { visit, type VisitProps, type VisitResult } from './visit.js';

export interface HostProbeProps {
  readonly options: ProbeOptions;
  readonly smtp: ResolvedSmtp;
  readonly port: number;
  readonly found: FoundHosts;
}

export interface ProbedHost {
  readonly result: ProbeResult;
  /** The server was reached. */
  readonly answered: boolean;
}

type Peer = VisitProps['peer'];

export class HostProbe {
  readonly #props: HostProbeProps;
  readonly #decider: Decider;
  /** Null where no host can need one. */
  readonly #context: NativeContext | null;
  /** Of the context. */
  readonly #notes: string[] = [];

  /** @throws TlsError `CHAIN_*`, `CA_LOAD`, `BAD_*`, `INVALID_PARAMETER` */
  constructor(props: HostProbeProps) {
    const { options, smtp } = props;
    this.#props = props;
    this.#decider = new Decider(props);
    const { tables, settings } = this.#decider;
    const needed = tables !== null || usesTls(settings.securityLevel);
    const warn = (text: string): void => {
      this.#notes.push(text);
    };
    // Whether to ask for a raw public key is the policy's, host by host.
    const tls = { ...smtp.tls, enableRpk: false };
    this.#context = needed
      ? createClientContext(tls, { warn, keyLogFile: options.keyLogFile })
      : null;
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
    const { options, port } = this.#props;
    const address = options.connect?.address ?? known.address ?? '';
    const peer = { host: known.mx ?? '', address, port: options.connect?.port ?? port };
    const notes = [...known.notes, ...policy.sessionWarnings];
    const visited = await visit(this.#visitProps(peer, policy, notes));
    const judged = judge(policy, visited);
    const { settings } = this.#decider;
    const result: ProbeResult = {
      ...known,
      ...judged,
      address,
      namaddr: `${peer.host}[${address}]:${peer.port}`,
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
      claims: visited.claims,
      resumption: await this.#again(peer, policy, visited),
      notes,
    };
    return { result, answered: visited.connected };
  }

  /** The same once more, with the session of the first visit. */
  async #again(peer: Peer, policy: HostPolicy, first: VisitResult): Promise<Resumption | null> {
    if (this.#props.options.reconnect !== true || first.tls === null) {
      return null;
    }
    if (first.session === null) {
      return { kind: 'unavailable', tls: null, reason: 'there is no session to resume' };
    }
    const { tls, failure } = await visit(this.#visitProps(peer, policy, [], first.session));
    return tls === null
      ? { kind: 'unavailable', tls, reason: failure?.text ?? null }
      : { kind: tls.resumed ? 'resumed' : 'declined', tls, reason: null };
  }

  /** @param notes gets what a delivery would log */
  #visitProps(
    peer: Peer,
    policy: HostPolicy,
    notes: string[],
    session: Buffer | null = null,
  ): VisitProps {
    const note = (text: string): void => {
      notes.push(text);
    };
    const { smtp } = this.#props;
    const { level } = policy;
    return {
      ...{ peer, level, options: smtp, context: this.#context },
      tls: usesTls(level) ? this.#tlsProps(peer.host, policy, note, session) : null,
      logger: { info: note, warn: note, error: note },
    };
  }

  #tlsProps(
    host: string,
    policy: HostPolicy,
    warn: (text: string) => void,
    session: Buffer | null,
  ): StartTlsProps {
    const { smtp } = this.#props;
    const { level, protocols, ciphers, exclude, sni, tlsa, trustAnchorFiles } = policy;
    // A failure that is forced for lack of names needs a name all the same.
    const names = isPkix(level) && policy.match.length === 0 ? [host] : policy.match;
    const { enableRpk, forcedFailure, match: fingerprints } = policy;
    const demand = { names, fingerprints, tlsa, trustAnchorFiles, enableRpk, forcedFailure };
    return clientTlsProps(smtp.tls, {
      ...{ level, host, nexthop: host, timeout: smtp.starttlsTimeout, warn, session },
      trace: parseLoglevel(smtp.tls.loglevel).flags.trace,
      policy: { protocols, ciphers, exclude, servername: sni ?? '' },
      auth: peerAuth(level, demand, warn),
    });
  }

  /** What is known before the policy. */
  async #blank(host: FoundHost): Promise<ProbeResult> {
    const { options, port } = this.#props;
    const { name, preference, mxSecurity, address, addressSecurity } = host;
    const alias = address === null || address.expandedName === name ? null : address.expandedName;
    return {
      ...{ destination: options.destination, mx: name, mxSecurity },
      ...{ address: address?.address ?? null, addressSecurity, tlsaBase: null, tlsa: [] },
      ...{ requestedLevel: await this.#decider.requestedLevel(), effectiveLevel: null },
      ...{ status: null, tls: null, matched: null, outcome: 'skip', dsn: '2.0.0', reason: null },
      ...{ port, namaddr: null, preference, alias, lookups: [], source: null, policyLevel: null },
      ...{ match: [], sni: null, sts: null, chain: [], claims: null, resumption: null },
      notes: this.#notes,
    };
  }
}

function reasons(...given: readonly (string | null)[]): string | null {
  return given.filter((reason) => reason !== null).join('; ') || null;
}
