/**
 * Which addresses a policy may be fetched from: a name in somebody else's zone must not make this host speak to itself
 * or to its neighbours (server-side request forgery).
 *
 * The special-purpose registries of IANA (RFC 6890 and its updates) turned round: of IPv6 only global unicast is
 * taken, and what only wraps an IPv4 address counts as that address.
 */
import { BlockList, isIP } from 'node:net';

const special4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
];

// Teredo, ORCHID and benchmarking; documentation; 6to4; documentation again (RFC 9637).
const special6: readonly (readonly [string, number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];

const blocked4 = new BlockList();
for (const [network, prefix] of special4) {
  blocked4.addSubnet(network, prefix, 'ipv4');
}
const blocked6 = new BlockList();
for (const [network, prefix] of special6) {
  blocked6.addSubnet(network, prefix, 'ipv6');
}
const global6 = new BlockList();
global6.addSubnet('2000::', 3, 'ipv6');
const translated = new BlockList();
translated.addSubnet('64:ff9b::', 96, 'ipv6');

/** False for whatever is no address, too. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !blocked4.check(address, 'ipv4');
    case 6:
      return isPublic6(address);
    default:
      return false;
  }
}

function isPublic6(address: string): boolean {
  if (address.includes('%')) {
    return false;
  }
  // Well-known prefix of NAT64 (RFC 6052): what a network without IPv4 sees of it.
  if (translated.check(address, 'ipv6')) {
    return isPublicAddress(lastFourBytes(address));
  }
  return global6.check(address, 'ipv6') && !blocked6.check(address, 'ipv6');
}

/** The last 32 bits as an IPv4 address. */
function lastFourBytes(address: string): string {
  // The form that URL gives an address has no dots and no zeros left out but one run of them.
  const plain = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [high = '0', low = '0'] = plain.replace(/::/, ':0:0:').split(':').slice(-2);
  const bits = (Number.parseInt(high || '0', 16) << 16) | Number.parseInt(low || '0', 16);
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join('.');
}
