/**
 * The world in which the recorded cases took place: signed DNS with all of their hosts, and the servers behind them.
 *
 * The recording had port 25 at 127.0.10.*; here it is a port of the kernel's choice in a network chosen by chance.
 * {@link TruthWorld.here} takes a recorded text to this world.
 */
import type { Lines } from '../lines.js';
import { SignedWorld } from '../signed-world/signed-world.js';
import { readTruth, type Truth, type TruthCase } from './cases.js';
import { TruthCertificates } from './certificates.js';
import { complete, undotted, zonesOf } from './records.js';
import { mxtlsServers, postfixServers, type TruthPlaces, type TruthServers } from './servers.js';

export interface TruthWorldOptions {
  /** Whose servers. */
  readonly servers?: 'mxtls' | 'postfix';
  /** With {@link TruthWorld.addressAtPort53}. */
  readonly resolvConf?: boolean;
}

export class TruthWorld {
  readonly truth: Truth;
  readonly certificates: TruthCertificates;
  readonly #dns: SignedWorld;
  readonly #servers: TruthServers;

  private constructor(
    truth: Truth,
    certificates: TruthCertificates,
    dns: SignedWorld,
    servers: TruthServers,
  ) {
    this.truth = truth;
    this.certificates = certificates;
    this.#dns = dns;
    this.#servers = servers;
  }

  static async start({
    servers: whose = 'mxtls',
    resolvConf = false,
  }: TruthWorldOptions = {}): Promise<TruthWorld> {
    const truth = complete(readTruth());
    const certificates = new TruthCertificates(truth);
    const start = whose === 'mxtls' ? mxtlsServers : postfixServers;
    const servers = await start(truth, certificates);
    try {
      const zones = zonesOf(truth, certificates, servers.places);
      const dns = await SignedWorld.start(zones, resolvConf);
      return new TruthWorld(truth, certificates, dns, servers);
    } catch (error) {
      await servers.close();
      throw error;
    }
  }

  get places(): TruthPlaces {
    return this.#servers.places;
  }

  /** What the servers log. */
  get serverLines(): Lines {
    return this.#servers.lines;
  }

  /** `address:port` of a resolver that validates. */
  get nameserver(): string {
    return this.#dns.nameserver;
  }

  /** The same, for resolv.conf(5). */
  get addressAtPort53(): string {
    return this.#dns.addressAtPort53;
  }

  caseOf(name: string): TruthCase {
    const found = this.truth.cases.find((one) => one.name === name);
    if (found === undefined) {
      throw new Error(`${name} is no case of the recording`);
    }
    return found;
  }

  /** Next hop, with the port that the servers have here. */
  destinationOf({ domain, dest = undotted(domain) }: TruthCase): string {
    const { port, submissionPort } = this.places;
    return /:587$/.test(dest) ? dest.replace(/587$/, `${submissionPort}`) : `${dest}:${port}`;
  }

  /** A recorded text with the addresses and ports of this world. */
  here(text: string): string {
    const { network, port } = this.places;
    return text
      .replaceAll('127.0.10.', `${network}.`)
      .replace(/(\.test|\]):25\b/g, `$1:${port}`)
      .replace(/_25\._tcp/g, `_${port}._tcp`);
  }

  async close(): Promise<void> {
    await Promise.all([this.#dns.close(), this.#servers.close()]);
  }
}
