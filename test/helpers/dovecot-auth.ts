/**
 * Answers Postfix's smtpd about passwords, in Dovecot's place: a UNIX socket that speaks its
 * authentication protocol (version 1.1) for PLAIN and LOGIN.
 */
import { chmodSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { SaslExchange, type SaslMechanism, type SaslStep } from '../../lib/smtp/sasl.js';

const hello = [
  'VERSION\t1\t2',
  'MECH\tPLAIN\tplaintext',
  'MECH\tLOGIN\tplaintext',
  'SPID\t1',
  'CUID\t1',
  'COOKIE\t00112233445566778899aabbccddeeff',
  'DONE',
];

export type IsPassword = (username: string, password: string) => boolean;

export function dovecotAuth(path: string, isPassword: IsPassword): Server {
  const server = createServer((socket) => {
    const exchanges = new Map<string, SaslExchange>();
    socket.on('error', () => undefined);
    socket.write(hello.map((line) => `${line}\n`).join(''));
    createInterface(socket).on('line', (line) => {
      const [command = '', id = '', ...words] = line.split('\t');
      if (command === 'AUTH') {
        const exchange = new SaslExchange(words[0]?.toUpperCase() as SaslMechanism);
        exchanges.set(id, exchange);
        const initial = words.find((word) => word.startsWith('resp='))?.slice(5) ?? null;
        tell(socket, id, exchange.begin(initial), isPassword);
      } else if (command === 'CONT') {
        const step = exchanges.get(id)?.respond(words[0] ?? '');
        tell(socket, id, step ?? { refused: 'malformed' }, isPassword);
      }
    });
  });
  server.listen(path, () => chmodSync(path, 0o777));
  return server;
}

function tell(socket: Socket, id: string, step: SaslStep, isPassword: IsPassword): void {
  if ('challenge' in step) {
    socket.write(`CONT\t${id}\t${step.challenge}\n`);
  } else if ('credentials' in step && step.credentials.mechanism !== 'EXTERNAL') {
    const { username, password } = step.credentials;
    const verdict = isPassword(username, password) ? 'OK' : 'FAIL';
    socket.write(`${verdict}\t${id}\tuser=${username}\n`);
  } else {
    socket.write(`FAIL\t${id}\n`);
  }
}
