/** MTA-STS for a probe: asked once, in the words of the policy table, and remembered for showing. */
import { domainToASCII } from 'node:url';
import { policyAttributes, type StsFailure, type StsPolicy } from '../sts/index.js';
import type { ProbeOptions } from './options.js';
import type { ProbedSts } from './result.js';

export class ProbeSts {
  /** Null: it was not asked. */
  seen: ProbedSts | null = null;

  readonly #sts: NonNullable<ProbeOptions['sts']>;

  constructor(sts: NonNullable<ProbeOptions['sts']>) {
    this.#sts = sts;
  }

  /** For {@link PolicyResolver}; what it asks twice is asked once. */
  async attributes(domain: string): Promise<string | null> {
    const found = await this.#sts.policyFor(domainToASCII(domain));
    this.seen = seenOf(found);
    return found?.kind === 'policy' ? policyAttributes(found) : null;
  }
}

function seenOf(found: StsPolicy | StsFailure | null): ProbedSts {
  if (found === null) {
    return { kind: 'none', text: 'no policy', mx: [], maxAge: 0 };
  }
  if (found.kind === 'failure') {
    return { kind: 'failure', text: `${found.type}: ${found.text}`, mx: [], maxAge: 0 };
  }
  const { mode, mx, maxAge } = found.file;
  return { kind: 'policy', text: mode, mx, maxAge };
}
