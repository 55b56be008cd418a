/**
 * One message on one connection: the commands of its envelope, and what became of each recipient.
 *
 * Pure: the session asks what to say and tells what was answered.
 */
import { printable } from '../log/logger.js';
import type { Features } from '../smtp/extensions.js';
import { needsUtf8 } from '../smtp/path.js';
import type { ReplyReader } from '../smtp/reply-reader.js';
import { encodeXtext } from '../smtp/xtext.js';
import { type Failure, refused } from './failure.js';
import type { MessageSource } from './message-source.js';
import type { DeliveryRequest, RequestedRecipient } from './report.js';

export interface TransactionProps {
  readonly request: DeliveryRequest;
  /** Those that are left to this server. */
  readonly recipients: readonly (string | RequestedRecipient)[];
  readonly source: MessageSource;
  /** `smtputf8_enable` */
  readonly smtputf8Enable: boolean;
  /** MAIL asks for REQUIRETLS; false: it was to and cannot; null: nobody wants it. */
  readonly requiretls: boolean | null;
}

/** The server has the message. */
export interface Sent {
  readonly status: 'sent';
  readonly dsn: string;
  readonly text: string;
}

/** A recipient's outcome; null while there is none. */
export type Outcome = Sent | Failure | null;

/** What is answered: MAIL, then RCPT for each recipient, then DATA. */
export type Step = 'mail' | 'rcpt' | 'data';

const stepNames: Readonly<Record<Step | 'dot' | 'bdat', string>> = {
  mail: 'MAIL FROM',
  rcpt: 'RCPT TO',
  data: 'DATA',
  dot: 'end of DATA',
  bdat: 'BDAT',
};

export class Transaction {
  readonly source: MessageSource;
  /** In the order of the recipients given. */
  readonly outcomes: Outcome[];
  /** Recipients that the server has accepted so far. */
  accepted = 0;

  readonly #props: TransactionProps;
  readonly #namaddr: string;
  readonly #smtputf8: boolean;

  /** @param namaddr `host[address]` of the server, for texts */
  constructor(props: TransactionProps, namaddr: string) {
    this.#props = props;
    this.#namaddr = namaddr;
    this.source = props.source;
    const addresses = props.recipients.map(addressOf);
    this.#smtputf8 = [props.request.sender, ...addresses].some(needsUtf8);
    this.outcomes = props.recipients.map(() => null);
  }

  /** Why a server with these features cannot take the message at all; null when it can. */
  unsuited(features: Features): Failure | null {
    const { size } = this.source;
    if (features.size !== null && features.size > 0 && size !== null && size > features.size) {
      const text = `message size ${size} exceeds size limit ${features.size} of server ${this.#namaddr}`;
      return { kind: 'refused', status: 'bounced', dsn: '5.3.4', text };
    }
    if (this.#smtputf8 && !(features.smtputf8 && this.#props.smtputf8Enable)) {
      const text = `SMTPUTF8 is required, but was not offered by host ${this.#namaddr}`;
      return { kind: 'refused', status: 'bounced', dsn: '5.6.7', text };
    }
    return null;
  }

  /** Every recipient has an outcome. */
  get settled(): boolean {
    return !this.outcomes.includes(null);
  }

  /** How many commands the envelope has, DATA included. */
  get commands(): number {
    return this.#props.recipients.length + 2;
  }

  /** The content goes by BDAT. */
  usesBdat(features: Features): boolean {
    return features.chunking && this.#props.request.bdat === true;
  }

  step(index: number): Step {
    if (index === 0) {
      return 'mail';
    }
    return index <= this.#props.recipients.length ? 'rcpt' : 'data';
  }

  /** The command with this index, its line end included. */
  command(index: number, features: Features): string {
    switch (this.step(index)) {
      case 'mail':
        return `MAIL FROM:<${this.#props.request.sender}>${this.#mailParameters(features)}\r\n`;
      case 'rcpt':
        return this.#rcptCommand(index - 1, features);
      default:
        return 'DATA\r\n';
    }
  }

  /** Takes the reply to the command with this index; null: it was accepted. */
  answered(index: number, reply: ReplyReader): Failure | null {
    const step = this.step(index);
    const digit = Math.floor(reply.code / 100);
    if (digit === (step === 'data' ? 3 : 2)) {
      this.accepted += step === 'rcpt' ? 1 : 0;
      return null;
    }
    const failure = this.refusal(reply, step);
    if (step === 'rcpt') {
      this.outcomes[index - 1] ??= failure;
    } else {
      this.failRest(failure);
      this.accepted = 0;
    }
    return failure;
  }

  /** The server may have taken the message or not. */
  get ambiguous(): boolean {
    return this.outcomes.some(
      (outcome) => outcome?.status === 'deferred' && outcome.kind === 'ambiguous',
    );
  }

  /**
   * Takes the reply to the end of the message. One of the wrong kind leaves open what became of it;
   * so does 221, which answers a QUIT that went out behind the message.
   */
  completed(reply: ReplyReader, step: 'dot' | 'bdat'): void {
    const digit = Math.floor(reply.code / 100);
    if (digit === 2 && reply.code !== 221) {
      const sent: Sent = { status: 'sent', dsn: reply.status, text: printable(reply.text) };
      for (let i = 0; i < this.outcomes.length; i++) {
        this.outcomes[i] ??= sent;
      }
    } else {
      const failure = this.refusal(reply, step);
      this.failRest(failure.kind === 'protocol' ? { ...failure, kind: 'ambiguous' } : failure);
    }
  }

  /** What is true of all recipients without an outcome. */
  failRest(failure: Failure): void {
    for (let i = 0; i < this.outcomes.length; i++) {
      this.outcomes[i] ??= failure;
    }
  }

  /** What a refusal of the server means. */
  refusal(reply: ReplyReader, step: Step | 'dot' | 'bdat'): Failure {
    const said = printable(reply.text);
    const text = `host ${this.#namaddr} said: ${said} (in reply to ${stepNames[step]} command)`;
    return refused(reply, text);
  }

  #mailParameters(features: Features): string {
    const { source, request, requiretls } = this.#props;
    // Who does not promise REQUIRETLS must not send the content back, perhaps in plaintext (RFC 8689 section 4.2.1).
    const ret = requiretls === false ? 'HDRS' : request.ret;
    return [
      ...(features.size !== null && source.size !== null ? [` SIZE=${source.size}`] : []),
      ...(features.eightBitMime && request.encoding !== '7bit' ? [' BODY=8BITMIME'] : []),
      ...(this.#smtputf8 ? [' SMTPUTF8'] : []),
      ...(requiretls === true ? [' REQUIRETLS'] : []),
      ...(features.dsn && ret !== undefined ? [` RET=${ret}`] : []),
      ...(features.dsn && request.envid !== undefined
        ? [` ENVID=${encodeXtext(request.envid)}`]
        : []),
    ].join('');
  }

  #rcptCommand(at: number, features: Features): string {
    const recipient = this.#props.recipients[at] ?? '';
    const { notify, orcpt }: Partial<RequestedRecipient> =
      typeof recipient === 'string' || !features.dsn ? {} : recipient;
    const when = notify === undefined || notify.length === 0 ? '' : ` NOTIFY=${notify.join(',')}`;
    const original = orcpt === undefined ? '' : ` ORCPT=${encodeOrcpt(orcpt)}`;
    return `RCPT TO:<${addressOf(recipient)}>${when}${original}\r\n`;
  }
}

export function addressOf(recipient: string | RequestedRecipient): string {
  return typeof recipient === 'string' ? recipient : recipient.address;
}

/** The type stands as it is, the address as xtext. */
function encodeOrcpt(orcpt: string): string {
  const at = orcpt.indexOf(';') + 1;
  return orcpt.slice(0, at) + encodeXtext(orcpt.slice(at));
}
