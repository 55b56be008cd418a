/** An smtpd for a test, on a port of its own, gone when the test is over. */
import { onTestFinished } from 'vitest';
import { Smtpd, type SmtpdOptions } from '../../lib/server.js';
import type { SmtpdMessage, SmtpdSession } from '../../lib/smtpd/handlers.js';
import type { SmtpdListenOptions } from '../../lib/smtpd/listener.js';
import { Lines } from './lines.js';

export interface Received {
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly content: Buffer;
  readonly session: SmtpdSession;
}

export interface TestServer {
  readonly smtpd: Smtpd;
  readonly port: number;
  /** `[127.0.0.1]:port` */
  readonly nexthop: string;
  readonly lines: Lines;
  readonly received: Received[];
}

export async function collect(message: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Listens; what arrives is kept unless `options.onData` says otherwise. */
export async function startSmtpd(
  options: Partial<SmtpdOptions> = {},
  where: SmtpdListenOptions = {},
): Promise<TestServer> {
  const lines = new Lines();
  const received: Received[] = [];
  const smtpd = new Smtpd({
    myhostname: 'mx.example.com',
    logger: lines,
    forbidUnauthPipelining: false, // most tests say many things at once
    errorSleepTime: 0,
    onData: async (session: SmtpdSession, message: SmtpdMessage) => {
      const sender = session.sender?.address ?? '?';
      const recipients = session.recipients.map(({ address }) => address);
      received.push({ sender, recipients, content: await collect(message), session });
    },
    ...options,
  });
  const { port } = await smtpd.listen({ host: '127.0.0.1', port: 0, ...where });
  onTestFinished(() => smtpd.close(true));
  return { smtpd, port, nexthop: `[127.0.0.1]:${port}`, lines, received };
}

/** The same, and how many connections it has had. */
export async function startCounted(options: Partial<SmtpdOptions>) {
  let connections = 0;
  const onConnect = (): void => {
    connections++;
  };
  const server = await startSmtpd({ ...options, onConnect });
  return { ...server, connections: () => connections };
}
