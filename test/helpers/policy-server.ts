/** A web server that plays the policy hosts of MTA-STS, and a resolver that sends every name to it. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { DnsLookup, DnsResult } from '../../lib/dns/answer.js';
import { authority, type Certificate } from './certificates.js';

export class PolicyServer {
  readonly port: number;
  /** `Host: path`, for each request. */
  readonly requests: string[];
  readonly #server: Server;

  private constructor(server: Server, requests: string[]) {
    this.#server = server;
    this.requests = requests;
    this.port = (server.address() as AddressInfo).port;
  }

  static async start(
    certificate: Certificate,
    answer: (response: ServerResponse) => void,
  ): Promise<PolicyServer> {
    const pem = readFileSync(certificate.chainFile);
    const requests: string[] = [];
    const server = createServer({ key: pem, cert: pem }, (request, response) => {
      requests.push(`${request.headers.host?.replace(/:\d+$/, '')}: ${request.url}`);
      answer(response);
    });
    server.on('tlsClientError', () => undefined);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const made = new PolicyServer(server, requests);
    onTestFinished(() => made.close());
    return made;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** What a fetch needs to find this server. */
  get props(): {
    readonly dns: Pick<DnsLookup, 'a' | 'aaaa'>;
    readonly port: number;
    readonly ca: string;
    readonly allowAddress: () => boolean;
  } {
    return {
      dns: { a: async (name) => found(name, ['127.0.0.1']), aaaa: async (name) => none(name) },
      port: this.port,
      ca: readFileSync(authority().certFile, 'utf8'),
      allowAddress: () => true,
    };
  }
}

export function textPlain(body: string): (response: ServerResponse) => void {
  return (response) => response.setHeader('content-type', 'text/plain; charset=utf-8').end(body);
}

export function found<Data>(name: string, records: readonly Data[], ttl = 300): DnsResult<Data> {
  return { kind: 'found', records, secure: false, name, ttl };
}

export function none(name: string, ttl = 300): DnsResult<never> {
  return { kind: 'none', reason: 'nxdomain', secure: false, name, ttl };
}

export const unreachable: DnsResult<never> = {
  kind: 'failure',
  reason: 'unreachable',
  text: 'no server answered',
};
