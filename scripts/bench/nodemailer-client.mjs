// The peer: npm's nodemailer without a pool, which is a new connection for each message.
import { createTransport } from 'nodemailer';
import { clientOptions, controlClient, ENVELOPE, makeMessage } from './client-control.mjs';

const { port, groups } = clientOptions();
const raw = makeMessage();
const transport = createTransport({
  host: '127.0.0.1',
  port,
  name: 'client.test',
  secure: false,
  requireTLS: true,
  tls: { rejectUnauthorized: false, ecdhCurve: groups, minVersion: 'TLSv1.3' },
  logger: false,
});

controlClient(async () => {
  const { rejected, response } = await transport.sendMail({
    envelope: { from: ENVELOPE.from, to: [ENVELOPE.to] },
    raw,
  });
  return rejected.length === 0 ? null : response;
});
