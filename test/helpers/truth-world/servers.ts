/** The servers of the recorded cases: our smtpd with the parameters of the recording, each at an address of its own. */
import { readFileSync } from 'node:fs';
import { optionsFromParameters, readAssignments } from '../../../lib/config/from-parameters.js';
import { Smtpd } from '../../../lib/server.js';
import type { Lines } from '../lines.js';
import { freePlace } from '../postfix.js';
import { collect } from '../servers.js';
import type { Truth, TruthListener } from './cases.js';
import type { TruthCertificates } from './certificates.js';
import type { Places } from './records.js';

export interface TruthPlaces extends Places {
  /** In the place of port 587. */
  readonly submissionPort: number;
}

/** Starts all of them. What `starting` gets has to be closed, even if this fails. */
export async function startServers(
  truth: Truth,
  certificates: TruthCertificates,
  lines: Lines,
  starting: Smtpd[],
): Promise<TruthPlaces> {
  const { address, port } = await freePlace();
  const network = address.replace(/\.\d+$/, '');
  let submissionPort = 0;
  for (const [name, listener] of Object.entries(truth.listeners)) {
    const host = `${network}.${listener.id}`;
    const smtpd = makeServer(name, listener, certificates, lines);
    starting.push(smtpd);
    await smtpd.listen({ host, port });
    if (listener.v6) {
      await smtpd.listen({ host: '::1', port });
    }
    if (listener.submission587) {
      ({ port: submissionPort } = await smtpd.listen({ host, port: 0 }));
    }
  }
  return { network, port, submissionPort };
}

function makeServer(
  name: string,
  listener: TruthListener,
  certificates: TruthCertificates,
  lines: Lines,
): Smtpd {
  const settings = readAssignments(parametersOf(listener, certificates));
  const { smtpd: parameters } = optionsFromParameters(settings, 'smtpd');
  const { sni } = listener;
  const chain = sni === undefined ? null : readFileSync(certificates.of(sni).chainFile);
  return new Smtpd({
    ...parameters,
    tls: { ...parameters.tls, ...(chain === null ? {} : { sni: () => chain }) },
    myhostname: `srv-${name}.lab.test`,
    logger: lines,
    onData: async (_session, message) => {
      await collect(message);
    },
  });
}

function parametersOf(
  { certs, opts }: TruthListener,
  certificates: TruthCertificates,
): readonly string[] {
  const files = certs.map((name) => certificates.of(name).chainFile);
  // We refuse to start without a file that is named; its absence comes to no certificate at all.
  const chains = files.length > 0 ? `chain_files = ${files.join(', ')}` : 'cert_file = none';
  const roots = `smtpd_tls_CAfile = ${certificates.of('lab-root').certFile}`;
  const { smtpd_tls_chain_files: _, ...others } = opts;
  return [
    `smtpd_tls_${chains}`,
    ...('smtpd_tls_req_ccert' in opts ? [roots] : []),
    ...Object.entries(others).map(([name, value]) => `${name} = ${value}`),
  ];
}
