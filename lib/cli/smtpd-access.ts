/**
 * Who may send to whom through `mxtls smtpd`: it relays nothing.
 *
 * With domains: whoever likes, to recipients of those domains, and to `postmaster` without a domain
 * (RFC 5321 section 4.5.1). Without domains: clients on this machine, to anybody.
 */
import { domainToASCII } from 'node:url';
import type { Recipient } from '../smtp/envelope.js';
import { isAddress } from '../smtp/path.js';
import type { Reply } from '../smtp/reply.js';
import { usageError } from './command.js';

/** Refuses a recipient, or has nothing to say. */
export type Access = (remoteAddress: string, recipient: Recipient) => Reply | undefined;

/** @throws TlsError `COMMAND_LINE` when one is not a domain */
export function accessFor(domains: readonly string[]): Access {
  const ours = new Set(domains.map(readDomain));
  return (remoteAddress, { address }) => {
    const welcome = ours.size > 0 ? isOurs(address, ours) : isLoopback(remoteAddress);
    return welcome
      ? undefined
      : { code: 554, enhanced: '5.7.1', text: `<${address}>: Relay access denied` };
  };
}

function readDomain(text: string): string {
  const domain = text.replace(/\.$/, '');
  if (domain.includes('@') || !isAddress(`postmaster@${domain}`)) {
    throw usageError(`--domain: "${text}" is no domain`, 'write a domain such as example.com');
  }
  return folded(domain);
}

function isOurs(address: string, ours: ReadonlySet<string>): boolean {
  const at = address.lastIndexOf('@');
  return at < 0 ? address.toLowerCase() === 'postmaster' : ours.has(folded(address.slice(at + 1)));
}

/** `Bücher.example` and `xn--bcher-kva.EXAMPLE` are one domain; address literals stay as they are. */
function folded(domain: string): string {
  return domainToASCII(domain) || domain.toLowerCase();
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}
