/**
 * Says once, with the first delivery, when DNSSEC is asked for and the resolver does not validate: DANE would silently
 * protect nothing. No delivery waits for it.
 */
import type { ResolvedSmtp } from '../config/options.js';
import type { DnsLookup } from '../dns/answer.js';
import type { ValidationCheck, ValidationNames } from '../dns/check.js';
import type { Logger } from '../log/logger.js';

export interface ValidationWatchProps {
  readonly options: ResolvedSmtp;
  readonly dns: DnsLookup;
  readonly logger: Logger;
  readonly names: ValidationNames;
}

/** A resolver that can tell; what only serves as one has to know itself. */
interface CheckingLookup extends DnsLookup {
  check(names: ValidationNames): Promise<ValidationCheck>;
}

export class ValidationWatch {
  readonly #props: ValidationWatchProps;
  #begun = false;

  constructor(props: ValidationWatchProps) {
    this.#props = props;
  }

  begin(): void {
    const { dns, options, names, logger } = this.#props;
    if (this.#begun || options.dnsSupportLevel !== 'dnssec' || !canCheck(dns)) {
      return;
    }
    this.#begun = true;
    dns.check(names).then(
      ({ outcome, text }) => outcome === 'validates' || logger.warn(text),
      (error: unknown) => logger.warn(`cannot check the resolver: ${String(error)}`),
    );
  }
}

function canCheck(dns: DnsLookup): dns is CheckingLookup {
  return 'check' in dns && typeof dns.check === 'function';
}
