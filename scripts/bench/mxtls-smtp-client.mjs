// What is measured: the smtp engine, a new connection for each message, as a queue manager uses it
// that has one message for the host.
import { Smtp } from '../../dist/index.js';
import { clientOptions, controlClient, ENVELOPE, makeMessage } from './client-control.mjs';

const { port, groups } = clientOptions();
const silent = () => {};
const message = makeMessage();

const smtp = new Smtp({
  myhostname: 'client.test',
  tls: {
    securityLevel: 'encrypt',
    mandatoryProtocols: '>=TLSv1.3',
    eecdhAutoCurves: groups.split(':'),
  },
  logger: { info: silent, warn: silent },
});

controlClient(async () => {
  const { recipients } = await smtp.deliver({
    sender: ENVELOPE.from,
    recipients: [ENVELOPE.to],
    message,
    nexthop: `[127.0.0.1]:${port}`,
  });
  return recipients[0].status === 'sent' ? null : recipients[0].reply;
});
