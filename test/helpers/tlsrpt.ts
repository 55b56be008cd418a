/** Events as they are written in datagrams, read back. */
import {
  noFailureDetail,
  type TlsrptEvent,
  type TlsrptFailureType,
  type TlsrptPolicyType,
} from '../../lib/tlsrpt/event.js';

interface DatagramFailure {
  readonly c: number;
  readonly s?: string;
  readonly n?: string;
  readonly h?: string;
  readonly r?: string;
  readonly a?: string;
  readonly f?: string;
}

interface Datagram {
  readonly d: string;
  readonly pr: string;
  readonly policies: readonly {
    readonly 'policy-type': number;
    readonly 'policy-domain': string;
    readonly 'policy-string'?: readonly string[];
    readonly 'mx-host'?: readonly string[];
    readonly 'failure-details'?: readonly DatagramFailure[];
    readonly f: number;
  }[];
}

const policyTypes = new Map<number, TlsrptPolicyType>([
  [1, 'tlsa'],
  [2, 'sts'],
  [9, 'no-policy-found'],
]);

const failureTypes = new Map<number, TlsrptFailureType>([
  [201, 'starttls-not-supported'],
  [202, 'certificate-host-mismatch'],
  [203, 'certificate-not-trusted'],
  [204, 'certificate-expired'],
  [205, 'validation-failure'],
  [304, 'tlsa-invalid'],
]);

export function decodeDatagram(text: string): TlsrptEvent {
  const { d, pr, policies } = JSON.parse(text) as Datagram;
  return {
    domain: d,
    record: pr,
    results: policies.map((policy) => ({
      policy: {
        type: known(policyTypes, policy['policy-type']),
        domain: policy['policy-domain'],
        strings: policy['policy-string'] ?? [],
        mxHostPatterns: policy['mx-host'] ?? [],
      },
      failures: (policy['failure-details'] ?? []).map((failure) => ({
        ...noFailureDetail,
        type: known(failureTypes, failure.c),
        ...(failure.s === undefined ? {} : { sendingMtaIp: failure.s }),
        ...(failure.n === undefined ? {} : { receivingMxHostname: failure.n }),
        ...(failure.h === undefined ? {} : { receivingMxHelo: failure.h }),
        ...(failure.r === undefined ? {} : { receivingIp: failure.r }),
        ...(failure.f === undefined ? {} : { reasonCode: failure.f }),
      })),
      final: policy.f === 0 ? 'success' : 'failure',
    })),
  };
}

function known<T>(types: ReadonlyMap<number, T>, number: number): T {
  const type = types.get(number);
  if (type === undefined) {
    throw new Error(`${number} is not known`);
  }
  return type;
}
