/** A UNIX datagram socket, which node cannot open: python3 (which node-gyp needs anyway) holds it. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';

const script = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('ready', flush=True)
while sys.stdin.readline():
    print(s.recv(65536).hex(), flush=True)
`;

export class DatagramSocket {
  readonly path: string;
  /** The next datagram, waited for. */
  readonly receive: () => Promise<string>;

  private constructor(path: string, receive: () => Promise<string>) {
    this.path = path;
    this.receive = receive;
  }

  static async open(): Promise<DatagramSocket> {
    const folder = mkdtempSync(join(tmpdir(), 'mxtls-datagrams-'));
    const path = join(folder, 'socket');
    const child = spawn('python3', ['-c', script, path], { stdio: ['pipe', 'pipe', 'inherit'] });
    onTestFinished(() => {
      child.kill();
      rmSync(folder, { recursive: true });
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    await lines.next();
    return new DatagramSocket(path, async () => {
      child.stdin.write('\n');
      const { value } = await lines.next();
      return Buffer.from(String(value), 'hex').toString('utf8');
    });
  }
}
