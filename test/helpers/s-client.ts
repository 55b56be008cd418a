/** `openssl s_client` as a mail client with a credential. */
import type { Certificate } from './certificates.js';
import { OpensslPeer } from './openssl-peer.js';

/** Options that show a certificate, with the issuers in its chain file. */
export function shows({ certFile, chainFile, keyFile }: Certificate): readonly string[] {
  return ['-cert', certFile, '-cert_chain', chainFile, '-key', keyFile];
}

/** A client that goes through STARTTLS. @param address `127.0.0.1:2525` */
export function sClient(address: string, args: readonly string[]): OpensslPeer {
  return new OpensslPeer([
    ...['s_client', '-connect', address, '-starttls', 'smtp', '-quiet', '-nocommands'],
    ...['-name', 'client.example', ...args],
  ]);
}

/** One message; what the server said to it, or to the command that it refused. */
export async function mail(peer: OpensslPeer, to: string): Promise<string> {
  peer.say('EHLO client.example\r\n');
  const hello = await peer.hear(/(?:250 |421 )[^\r\n]*\r?\n/);
  if (hello.startsWith('421')) {
    return hello.trim();
  }
  peer.say(`MAIL FROM:<a@example.org>\r\nRCPT TO:<${to}>\r\n`);
  await peer.hear(/250 2\.1\.0 [^\n]*\n/);
  const answer = await peer.hear(/\d{3} [^\r\n]*\r?\n/);
  if (!answer.startsWith('250')) {
    peer.say('QUIT\r\n');
    return answer.trim();
  }
  peer.say('DATA\r\n');
  await peer.hear(/354 [^\n]*\n/);
  peer.say('Subject: interop\r\n\r\nx\r\n.\r\n');
  const done = await peer.hear(/250 2\.0\.0 Ok: queued[^\r\n]*\r?\n/);
  peer.say('QUIT\r\n');
  await peer.hear(/221 2\.0\.0 Bye/);
  return done.trim();
}
