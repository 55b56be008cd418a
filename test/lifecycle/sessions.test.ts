/** What sessions leave behind once they have ended: nothing. In a process of its own, whose garbage it collects. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { certificate } from '../helpers/certificates.js';

const built = new URL('../../dist/index.js', import.meta.url).href;

/** References that native code has into JavaScript after so many sessions, and after as many again. */
const source = `
  import { getHeapStatistics } from 'node:v8';
  const { Smtp, Smtpd } = await import('${built}');
  const silent = { info() {}, warn() {} };
  let seen = 0;
  const smtpd = new Smtpd({
    myhostname: 'server.test',
    clientConnectionCountLimit: 0,
    tls: { securityLevel: 'may', chainFiles: ['${certificate('ecdsa').chainFile}'] },
    logger: silent,
    onData: (session) => { seen += session.tls === null ? 0 : 1; },
  });
  const { port } = await smtpd.listen({ host: '127.0.0.1', port: 0 });
  const smtp = new Smtp({ tls: { securityLevel: 'encrypt' }, logger: silent });
  const deliver = () => smtp.deliver({
    sender: 'a@client.test', recipients: ['b@server.test'], message: 'Subject: x\\r\\n\\r\\nx\\r\\n',
    nexthop: '[127.0.0.1]:' + port,
  });
  const references = async () => {
    for (let i = 0; i < 20; i++) {
      for (let j = 0; j < 5; j++) await Promise.all([deliver(), deliver()]);
    }
    while (smtpd.connections > 0) await new Promise(setImmediate);
    for (let i = 0; i < 3; i++) { gc(); await new Promise(setImmediate); }
    const { used_global_handles_size: bytes } = getHeapStatistics();
    return bytes;
  };
  await references();
  const before = await references();
  const after = await references();
  console.log(JSON.stringify({ seen, grown: after - before }));
  process.exit(0);
`;

test('two hundred sessions with TLS and a look at session.tls leave no reference', () => {
  const done = spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', source], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  expect(done.stderr).toBe('');
  const { seen, grown } = JSON.parse(done.stdout) as { seen: number; grown: number };
  expect(seen).toBe(600);
  // A reference is 32 bytes (V8 11 to 13); what node itself does meanwhile may take a few.
  expect(grown).toBeLessThan(20 * 32);
});
