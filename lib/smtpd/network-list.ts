/**
 * A list of networks as in `mynetworks`: `127.0.0.0/8 [::1]/128 192.0.2.1 !192.0.2.7`.
 */
import { BlockList, isIP, isIPv4 } from 'node:net';
import { TlsError } from '../errors.js';

export class NetworkList {
  readonly #rules: { readonly list: BlockList; readonly member: boolean }[];

  /** @throws TlsError `INVALID_PARAMETER` for what is no network */
  constructor(patterns: readonly string[]) {
    this.#rules = patterns.map((pattern) => ({
      list: parse(pattern),
      member: !pattern.startsWith('!'),
    }));
  }

  /** The first pattern that matches decides. */
  has(address: string): boolean {
    const family = isIP(address);
    const rule =
      family === 0
        ? undefined
        : this.#rules.find(({ list }) => list.check(address, family === 4 ? 'ipv4' : 'ipv6'));
    return rule?.member ?? false;
  }
}

function parse(pattern: string): BlockList {
  const match = /^!*(?:\[([^\]]+)\]|([^/[\]]+))(?:\/(\d{1,3}))?$/.exec(pattern);
  const address = match?.[1] ?? match?.[2] ?? '';
  const family = isIPv4(address) ? 'ipv4' : 'ipv6';
  const widest = family === 'ipv4' ? 32 : 128;
  const prefix = match?.[3] === undefined ? widest : Number(match[3]);
  if (isIP(address) === 0 || prefix > widest) {
    throw new TlsError({
      code: 'INVALID_PARAMETER',
      message: `"${pattern}" is not a network`,
      suggestion: 'write an address, or a network such as 192.0.2.0/24 or [2001:db8::]/32',
    });
  }
  const list = new BlockList();
  list.addSubnet(address, prefix, family);
  return list;
}
