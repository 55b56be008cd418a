// What is measured: the smtpd engine, as a program uses it that accepts each message and keeps none.
import { Smtpd } from '../../dist/index.js';
import { control, serverOptions } from './control.mjs';

const options = serverOptions();
const silent = () => {};

const smtpd = new Smtpd({
  myhostname: 'server.test',
  messageSizeLimit: 0,
  clientConnectionCountLimit: 0,
  tls: {
    securityLevel: 'may',
    chainFiles: [options.chain],
    protocols: '>=TLSv1.3',
    eecdhAutoCurves: options.groups.split(':'),
  },
  logger: { info: silent, warn: (text) => process.stderr.write(`${text}\n`) },
  onData: async (_session, message) => {
    for await (const _chunk of message.borrowed()) {
      // as far as the message is the engine's
    }
  },
});
const listener = await smtpd.listen({ host: '127.0.0.1', port: 0, backlog: 4096 });
control(listener.port, options);
