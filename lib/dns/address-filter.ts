// Which addresses a stranger's MX records may lead us to. Whoever may send mail through us chooses the
// destination, so without a filter the client connects to whatever the DNS of that domain names.
import { BlockList, isIP, isIPv6 } from 'node:net';
import { TlsError } from '../errors.js';

/** True for an address that may be connected to. */
export type AddressFilter = (address: string) => boolean;

/** No host has one of these: "this network", multicast, broadcast (RFC 6890, 4291). */
export const impossibleNetworks: readonly string[] = [
  '0.0.0.0/8',
  '224.0.0.0/4',
  '255.255.255.255',
  '::',
  'ff00::/8',
];

/** Addresses that are not reachable from the Internet, or that belong to this machine (RFC 6890). */
export const localNetworks: readonly string[] = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::1',
  'fc00::/7',
  'fe80::/10',
];

/**
 * Makes a filter. An IPv4 address in IPv6 form (`::ffff:10.0.0.1`, or NAT64's `64:ff9b::10.0.0.1`) is
 * refused with the IPv4 address; the first form is BlockList's own doing.
 *
 * @param refused networks, `10.0.0.0/8` or `2001:db8::/32`, and addresses
 * @throws TlsError `INVALID_ARGUMENT`
 */
export function refuseNetworks(refused: readonly string[]): AddressFilter {
  const list = new BlockList();
  for (const text of refused) {
    add(list, text);
  }
  // Mail goes to the same hosts again and again, and a BlockList makes an object of each address.
  const known = new Map<string, boolean>();
  return (address) => {
    const verdict = known.get(address) ?? isAllowed(list, address);
    if (known.size >= mostKnown) {
      known.clear();
    }
    known.set(address, verdict);
    return verdict;
  };
}

const mostKnown = 1000;

function isAllowed(list: BlockList, address: string): boolean {
  const inner = translatedFrom(address);
  return !has(list, address) && (inner === null || !has(list, inner));
}

function has(list: BlockList, address: string): boolean {
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

function add(list: BlockList, text: string): void {
  const [address = '', bits = isIPv6(text) ? '128' : '32', ...rest] = text.split('/');
  const family = isIP(address);
  if (
    family === 0 ||
    rest.length > 0 ||
    !/^\d{1,3}$/.test(bits) ||
    Number(bits) > (family === 6 ? 128 : 32)
  ) {
    throw new TlsError({
      code: 'INVALID_ARGUMENT',
      message: `"${text}" is not a network`,
      suggestion: 'write 10.0.0.0/8 or fc00::/7',
    });
  }
  list.addSubnet(address, Number(bits), family === 6 ? 'ipv6' : 'ipv4');
}

const nat64 = new BlockList();
nat64.addSubnet('64:ff9b::', 96, 'ipv6');

/** The IPv4 address behind one of NAT64's well-known prefix (RFC 6052). */
function translatedFrom(address: string): string | null {
  if (!isIPv6(address) || !nat64.check(address, 'ipv6')) {
    return null;
  }
  // The URL parser writes all forms in one: two groups of hexadecimal digits at the end.
  const { hostname } = new URL(`http://[${address}]`);
  const groups = hostname
    .slice(1, -1)
    .replace(/^64:ff9b:/, '')
    .split(':')
    .slice(-2);
  const [high = 0, low = 0] = groups.map((group) => Number.parseInt(group || '0', 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
