// Runs inside the folder where the packed tarball was installed (scripts/smoke.mjs copies it
// there): one message from our smtp engine to our smtpd engine over TLS, through the public face.
// Prints one JSON line. Argument: a file with a private key and its certificate.
import { Smtp, Smtpd } from 'mxtls';

async function handshakeOnce(chainFile) {
  let received = '';
  const smtpd = new Smtpd({
    myhostname: 'smoke.test',
    tls: { securityLevel: 'encrypt', chainFiles: [chainFile] },
    onData: async (_session, message) => {
      for await (const chunk of message) {
        received += chunk.toString('latin1');
      }
    },
  });
  const listener = await smtpd.listen({ host: '127.0.0.1', port: 0 });
  const smtp = new Smtp({ tls: { securityLevel: 'encrypt' } });
  const report = await smtp.deliver({
    sender: 'a@smoke.test',
    recipients: ['b@smoke.test'],
    message: Buffer.from('Subject: smoke\r\n\r\nhello\r\n'),
    nexthop: `[127.0.0.1]:${listener.port}`,
  });
  await smtpd.close();
  return { tls: report.tls, complete: received.includes('hello') };
}

const { tls, complete } = await handshakeOnce(process.argv[2]);
if (!complete || tls === null) {
  throw new Error('the message did not arrive over TLS');
}
process.stdout.write(`${JSON.stringify({ protocol: tls.protocol, group: tls.group })}\n`);
