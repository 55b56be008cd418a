/** The zones of the recorded cases, with the addresses and ports that the servers have here. */
import type { ZoneSpec, ZoneState, Zones } from '../signed-world/signed-world.js';
import type { Truth, TruthCase, TruthZone } from './cases.js';
import type { TruthCertificates } from './certificates.js';

export interface Places {
  /** First three parts of all addresses. */
  readonly network: string;
  /** In the place of port 25, which MX records mean. */
  readonly port: number;
}

/** Hosts that cases name but the recording does not describe. */
const unnamed: readonly TruthCase[] = [
  onlyHost('cname-plainhost', 'lab.test.', 'cname-plainhost.lab.test.', 'self'),
  onlyHost('notlsa-lab', 'lab.test.', 'mx.notlsa-lab.lab.test.', 'full'),
  {
    ...onlyHost('tlsa-311-self', 'bogus.test.', 'tlsa-311-self.bogus.test.', 'self'),
    extra: [['@', 'TLSA', '3 1 1 self-ecdsa']],
  },
];

function onlyHost(name: string, zone: string, host: string, listener: string): TruthCase {
  return { name, zone, host, listener, domain: `${name}.${zone}`, tlsa: [], noMX: true };
}

/** With the hosts that are missing there. */
export function complete(truth: Truth): Truth {
  return { ...truth, support: [...truth.support, ...unnamed] };
}

export function zonesOf(truth: Truth, certificates: TruthCertificates, places: Places): Zones {
  const zones = Object.entries(truth.zones)
    .filter(([name]) => name !== '.')
    .map(([name, zone]): [string, ZoneSpec] => {
      const hosts = [...truth.cases, ...truth.support].filter((host) => host.zone === name);
      const spec = {
        state: stateOf(zone),
        nsec3: zone.nsec3 ?? false,
        records: hosts.flatMap((host) => recordsOf(host, truth, certificates, places)),
        corrupt: hosts.flatMap((host) => corruptOf(host, places)),
      };
      return [undotted(name), spec];
    });
  return Object.fromEntries(zones);
}

function stateOf({
  signed,
  ds = false,
  corruptAll = false,
  expired = false,
}: TruthZone): ZoneState {
  if (!signed) {
    return 'unsigned';
  }
  if (!ds) {
    return 'island';
  }
  return corruptAll ? 'bogus' : expired ? 'expired' : 'signed';
}

function recordsOf(
  of: TruthCase,
  truth: Truth,
  certificates: TruthCertificates,
  { network, port }: Places,
): readonly string[] {
  const { domain, host, tlsa, extra = [], mxTo = [`10 ${host}`] } = of;
  const id = of.deadHost ? 250 : truth.listeners[of.listener]?.id;
  const address = of.v6only ? 'AAAA ::1' : `A ${network}.${id}`;
  const tlsaText = (text: string): string => {
    const [usage, selector = '', type = '', ref = ''] = text.split(' ');
    const data = certificates.tlsaData(Number(selector), Number(type), ref);
    return `${usage} ${selector} ${type} ${data}`;
  };
  return [
    ...(of.noMX ? [] : mxTo.map((mx) => `${domain} MX ${mx}`)),
    ...(of.noA ? [] : [`${host} ${address}`]),
    ...tlsa.map((text) => `_${port}._tcp.${host} TLSA ${tlsaText(text)}`),
    ...extra.map(([name, type, data]) => {
      const owner = below(name.replace('_25.', `_${port}.`), domain);
      return `${owner} ${type} ${type === 'TLSA' ? tlsaText(data) : data}`;
    }),
  ];
}

function corruptOf(
  { domain, zone, corrupt = [] }: TruthCase,
  { port }: Places,
): readonly (readonly [string, string])[] {
  const relative = domain.slice(0, -zone.length - 1);
  return corrupt.map(([name, type]) => [
    name === '@' ? relative : `${name.replace('_25.', `_${port}.`)}.${relative}`,
    type,
  ]);
}

function below(name: string, domain: string): string {
  return name === '@' ? domain : `${name}.${domain}`;
}

export function undotted(name: string): string {
  return name.replace(/\.$/, '');
}
