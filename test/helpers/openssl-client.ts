/** `openssl s_client` through STARTTLS: says QUIT once TLS stands. */
import { OpensslPeer } from './openssl-peer.js';

/** One session; what s_client printed about it. @throws when TLS does not come to be */
export async function opensslClient(port: number, ...args: readonly string[]): Promise<string> {
  const peer = new OpensslPeer([
    ...['s_client', '-connect', `127.0.0.1:${port}`, '-starttls', 'smtp', '-crlf'],
    ...args,
  ]);
  const said = await peer.hear(/[\s\S]*Verify return code: [^\n]*\n/);
  peer.say('quit\n'); // a capital Q is a command to s_client
  return said + (await peer.hear(/221 [^\n]*\n/));
}
