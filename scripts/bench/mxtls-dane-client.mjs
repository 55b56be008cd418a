// What the figure of DANE measures: the smtp engine with a destination that is found by MX, in a DNS that has every
// answer at hand, at level encrypt or at level dane with one record 3 1 1 for the server's key.
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Smtp } from '../../dist/index.js';
import { controlClient, ENVELOPE, makeMessage } from './client-control.mjs';

const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    groups: { type: 'string' },
    level: { type: 'string' },
    chain: { type: 'string' },
  },
});
const silent = () => {};
const message = makeMessage();
const domain = 'server.test';
const host = 'mx.server.test';

const key = new X509Certificate(readFileSync(values.chain)).publicKey;
const record = {
  ...{ usage: 3, selector: 1, matchingType: 1 },
  data: createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest(),
};
const found = (name, records) => ({ kind: 'found', records, secure: true, name, ttl: 3600 });
const none = (name) => ({ kind: 'none', reason: 'nodata', secure: true, name, ttl: 3600 });

const smtp = new Smtp({
  myhostname: 'client.test',
  dnsSupportLevel: 'dnssec',
  resolver: {
    mx: async (name) => found(name, [{ preference: 10, exchange: host }]),
    a: async (name) => found(name, ['127.0.0.1']),
    aaaa: async (name) => none(name),
    cname: async (name) => none(name),
    tlsa: async (name) => found(name, [record]),
    txt: async (name) => none(name),
  },
  tls: {
    securityLevel: values.level,
    mandatoryProtocols: '>=TLSv1.3',
    eecdhAutoCurves: values.groups.split(':'),
  },
  logger: { info: silent, warn: (text) => process.stderr.write(`${text}\n`) },
});

/** What the delivery record has to say, so that not something else is measured. */
const feature = { encrypt: ['encrypt', 'Untrusted'], dane: ['dane', 'Verified'] }[values.level];

controlClient(async () => {
  const { recipients } = await smtp.deliver({
    sender: ENVELOPE.from,
    recipients: [ENVELOPE.to],
    message,
    nexthop: `${domain}:${values.port}`,
  });
  const [{ status, reply, tlsFeature, tls }] = recipients;
  if (status !== 'sent') {
    return reply;
  }
  const right = tlsFeature === feature[0] && tls?.status === feature[1];
  return right ? null : `tls=${tlsFeature}, ${tls?.status}`;
});
