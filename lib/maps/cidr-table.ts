/**
 * `cidr:{ {NETWORK VALUE}, ... }`: values of addresses, the first network that has the address counts. Of Postfix's
 * cidr_table(5) this is the form inside main.cf, without `!` and `if`.
 */
import { BlockList, isIP } from 'node:net';
import { insideBraces, splitOutsideBraces } from './split.js';
import type { OpenTable } from './table.js';
import { tableError } from './table-error.js';

interface Rule {
  /** 4 or 6: a BlockList takes an IPv4 address for one of `::ffff:0:0/96`. */
  readonly version: number;
  readonly network: BlockList;
  readonly value: string;
}

/**
 * Opens a table.
 *
 * @param text all behind `cidr:`
 * @throws TlsError `LOOKUP_TABLE`
 */
export function openCidr(text: string): OpenTable {
  const spec = `cidr:${text}`;
  const inner = insideBraces(text.trim());
  if (inner === null) {
    throw tableError(`bad syntax: "${spec}"`, advice);
  }
  const rules = splitOutsideBraces(inner).map((element) => readRule(element, spec));
  return {
    spec,
    lookup: (key) => {
      const version = isIP(key);
      const family = version === 6 ? 'ipv6' : 'ipv4';
      return rules.find((rule) => rule.version === version && rule.network.check(key, family))
        ?.value;
    },
    close: () => undefined,
  };
}

const advice = 'write cidr:{ {192.0.2.0/24 value}, {2001:db8::/32 value} }';

function readRule(element: string, spec: string): Rule {
  const rule = insideBraces(element) ?? element;
  const [pattern = ''] = rule.split(/\s/);
  const value = rule.slice(pattern.length).trim();
  const network = readNetwork(pattern);
  if (network === null || value === '') {
    throw tableError(`${spec}: bad network "${pattern}"`, advice);
  }
  return { version: isIP(pattern.replace(/\/.*/, '')), network, value };
}

/** @returns null for what is no network, or one whose address has bits behind its length */
function readNetwork(pattern: string): BlockList | null {
  const [, address = '', length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(pattern) ?? [];
  const version = isIP(address);
  const bits = version === 6 ? 128 : 32;
  const prefix = length === undefined ? bits : Number(length);
  if (version === 0 || prefix > bits || (version === 4 && hasHostBits(address, prefix))) {
    return null;
  }
  const list = new BlockList();
  list.addSubnet(address, prefix, version === 6 ? 'ipv6' : 'ipv4');
  return list;
}

function hasHostBits(address: string, prefix: number): boolean {
  const number = address.split('.').reduce((all, part) => all * 256 + Number(part), 0);
  return number % 2 ** (32 - prefix) !== 0;
}
