/** The servers of the recorded cases: our smtpd, or Debian 13's, with the parameters of the recording. */
import { readFileSync } from 'node:fs';
import { optionsFromParameters, readAssignments } from '../../../lib/config/from-parameters.js';
import { Smtpd } from '../../../lib/server.js';
import { Lines } from '../lines.js';
import { freePlace, Postfix } from '../postfix.js';
import { collect } from '../servers.js';
import type { Truth, TruthListener } from './cases.js';
import type { TruthCertificates } from './certificates.js';
import type { Places } from './records.js';

export interface TruthPlaces extends Places {
  /** In the place of port 587. */
  readonly submissionPort: number;
}

export interface TruthServers {
  readonly places: TruthPlaces;
  /** What they log. */
  readonly lines: Lines;
  close(): Promise<void>;
}

/** Each listener at an address of its own, all at the same port. */
export async function mxtlsServers(
  truth: Truth,
  certificates: TruthCertificates,
): Promise<TruthServers> {
  const places = await freePlaces();
  const lines = new Lines();
  const servers: Smtpd[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.close(true)));
  };
  try {
    for (const [name, listener] of Object.entries(truth.listeners)) {
      const smtpd = makeServer(name, listener, certificates, lines);
      servers.push(smtpd);
      for (const place of placesOf(listener, places)) {
        await smtpd.listen(place);
      }
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { places, lines, close };
}

/** The same by smtpd(8), which takes all messages and keeps none. */
export async function postfixServers(
  truth: Truth,
  certificates: TruthCertificates,
): Promise<TruthServers> {
  const places = await freePlaces();
  const files = new Map([['lab.pem', certificates.of('lab-root').certFile]]);
  const smtpds = Object.values(truth.listeners).flatMap((listener) => {
    const { certs, sni, opts } = listener;
    for (const cert of [...certs, ...(sni === undefined ? [] : [sni])]) {
      files.set(`${cert}.pem`, certificates.of(cert).chainFile);
    }
    const chains = certs.map((cert) => `$config_directory/${cert}.pem`).join(', ');
    const parameters = {
      smtpd_tls_chain_files: chains,
      ...(sni === undefined ? {} : { tls_server_sni_maps: `static:$config_directory/${sni}.pem` }),
      ...opts,
    };
    return placesOf(listener, places).map(
      ({ host, port }) =>
        [`${host.includes(':') ? `[${host}]` : host}:${port}`, parameters] as const,
    );
  });
  const postfix = await Postfix.start({
    keys: ['ecdsa'],
    mailboxes: ['b@postfix.example'],
    transport: { 'other.example': '[127.0.0.1]:9' },
    smtpdsAt: Object.fromEntries(smtpds),
    files: Object.fromEntries(files),
    main: {
      inet_protocols: 'all',
      in_flow_delay: '0', // nothing is delivered, which Postfix takes for a backlog
      smtpd_tls_CAfile: '$config_directory/lab.pem',
      smtpd_relay_restrictions: 'check_recipient_access static:DISCARD, reject_unauth_destination',
      tls_eecdh_auto_curves: '',
      tls_ffdhe_auto_groups: '',
    },
  });
  return { places, lines: postfix.lines, close: () => postfix.stop() };
}

async function freePlaces(): Promise<TruthPlaces> {
  const [{ address, port }, submission] = await Promise.all([freePlace(), freePlace()]);
  return {
    network: address.replace(/\.\d+$/, ''),
    port,
    submissionPort: submission.port,
  };
}

function placesOf(
  { id, v6, submission587 }: TruthListener,
  { network, port, submissionPort }: TruthPlaces,
): readonly { readonly host: string; readonly port: number }[] {
  const host = `${network}.${id}`;
  return [
    { host, port },
    ...(v6 ? [{ host: '::1', port }] : []),
    ...(submission587 ? [{ host, port: submissionPort }] : []),
  ];
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
