/**
 * The zone files of a signed world: what a test declares, completed with SOA, name server, delegations,
 * keys and signatures (ldnsutils), and broken where it is to be broken.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInDebian13 } from '../debian13.js';

/**
 * `signed`: from the root down. `unsigned`: no keys. `island`: signed, but the parent does not say so.
 * `bogus`: every signature is wrong. `expired`: the signatures are of a year long gone.
 */
export type ZoneState = 'signed' | 'unsigned' | 'island' | 'bogus' | 'expired';

export interface ZoneSpec {
  readonly state: ZoneState;
  /**
   * Lines of a zone file, names relative to the zone, `@` for the zone itself:
   * `mx A 127.0.0.1`, `@ MX 10 mx`, `_25._tcp.mx TLSA 3 1 1 00ff…`, `alias CNAME mx.other.test.`
   */
  readonly records?: readonly string[];
  /** Relative name and type of record sets with a wrong signature: `['mx', 'A']`. */
  readonly corrupt?: readonly (readonly [name: string, type: string])[];
  /** Deny existence by hashes (RFC 5155). */
  readonly nsec3?: boolean;
}

/** Zone to what is in it; `.` and the top-level domains come by themselves, signed. */
export type Zones = Readonly<Record<string, ZoneSpec>>;

export interface ZoneFiles {
  /** Zone to file. */
  readonly zones: ReadonlyMap<string, string>;
  readonly trustAnchor: string;
}

/** Writes all files into `directory`. @param address of the name server that will serve them */
export function writeZones(directory: string, address: string, declared: Zones): ZoneFiles {
  const all = withParents(declared);
  for (const [zone, spec] of all) {
    const delegations = [...all.keys()].filter((child) => parentOf(child, all) === zone);
    writeFileSync(join(directory, fileOf(zone)), zoneText(zone, spec, delegations, address));
  }
  runInDebian13(['sh', '-c', signingScript(directory, all)], directory);
  const zones = new Map<string, string>();
  for (const [zone, spec] of all) {
    const file = join(directory, fileOf(zone));
    const signed = spec.state === 'unsigned' ? file : `${file}.signed`;
    if (spec.state !== 'unsigned') {
      writeFileSync(signed, corrupted(readFileSync(signed, 'utf8'), zone, spec));
    }
    zones.set(zone, signed);
  }
  return { zones, trustAnchor: join(directory, `${fileOf('.')}.key`) };
}

function withParents(declared: Zones): ReadonlyMap<string, ZoneSpec> {
  const tops = Object.keys(declared).map((zone) => zone.split('.').at(-1) ?? '');
  const implied = ['.', ...tops].filter((zone) => zone !== '' && declared[zone] === undefined);
  const signed: ZoneSpec = { state: 'signed' };
  return new Map([
    ...implied.map((zone): [string, ZoneSpec] => [zone, signed]),
    ...Object.entries(declared),
  ]);
}

/** The closest zone above. */
function parentOf(zone: string, all: ReadonlyMap<string, ZoneSpec>): string | null {
  if (zone === '.') {
    return null;
  }
  const labels = zone.split('.');
  const above = labels.map((_, i) => labels.slice(i + 1).join('.'));
  return above.find((name) => all.has(name)) ?? '.';
}

function zoneText(
  zone: string,
  { records = [] }: ZoneSpec,
  delegations: readonly string[],
  address: string,
): string {
  return [
    `$ORIGIN ${absolute(zone)}`,
    '$TTL 60',
    '@ SOA ns hostmaster 1 3600 600 86400 60',
    '@ NS ns',
    `ns A ${address}`,
    ...delegations.flatMap((child) => [`${child}. NS ns.${child}.`, `ns.${child}. A ${address}`]),
    ...records,
    '',
  ].join('\n');
}

/** Makes all keys first, since a parent vouches for its children's. */
function signingScript(directory: string, all: ReadonlyMap<string, ZoneSpec>): string {
  const lines = ['set -e', `cd ${directory}`];
  const signed = [...all].filter(([, { state }]) => state !== 'unsigned');
  for (const [zone] of signed) {
    const file = fileOf(zone);
    lines.push(`key=$(ldns-keygen -a ECDSAP256SHA256 -k ${absolute(zone)})`);
    lines.push(`for kind in key private ds; do mv $key.$kind ${file}.$kind; done`);
  }
  for (const [zone, { state }] of signed) {
    const parent = parentOf(zone, all);
    if (parent !== null && state !== 'island') {
      lines.push(`cat ${fileOf(zone)}.ds >> ${fileOf(parent)}`);
    }
  }
  for (const [zone, { state, nsec3 }] of signed) {
    const dates = state === 'expired' ? '-i 20200101 -e 20200201' : '';
    const file = fileOf(zone);
    lines.push(`ldns-signzone ${nsec3 ? '-n' : ''} ${dates} -f ${file}.signed ${file} ${file}`);
  }
  return lines.join('\n');
}

/** Turns over the first letter of the signatures that are to be wrong. */
function corrupted(text: string, zone: string, { state, corrupt = [] }: ZoneSpec): string {
  const wrong = new Set(corrupt.map(([name, type]) => `${fullName(name, zone)} ${type}`));
  const lines = text.split('\n').map((line) => {
    const match = /^(\S+)\t\d+\tIN\tRRSIG\t(\S+) .* (\S+)$/.exec(line);
    const [, owner = '', type = '', signature = ''] = match ?? [];
    const isWrong = state === 'bogus' || wrong.delete(`${owner} ${type}`);
    if (match === null || !isWrong) {
      return line;
    }
    const first = signature.startsWith('A') ? 'B' : 'A';
    return `${line.slice(0, -signature.length)}${first}${signature.slice(1)}`;
  });
  if (wrong.size > 0) {
    throw new Error(`not signed in ${zone}, hence not to be corrupted: ${[...wrong].join(', ')}`);
  }
  return lines.join('\n');
}

function fullName(name: string, zone: string): string {
  return name === '@' ? absolute(zone) : `${name}.${zone === '.' ? '' : absolute(zone)}`;
}

function absolute(zone: string): string {
  return zone === '.' ? '.' : `${zone}.`;
}

function fileOf(zone: string): string {
  return zone === '.' ? 'root.zone' : `${zone}.zone`;
}
