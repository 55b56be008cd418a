/**
 * One message on its way in: the framing on one side, the callback on the other.
 *
 * The reply exists once both are through: the end of the message was seen, and the callback has
 * settled. Whichever comes first waits for the other; what the callback left unread is thrown away.
 */
import { TlsError } from '../errors.js';
import { DataDecoder } from '../smtp/data-decoder.js';
import type { LineReader } from '../smtp/line-reader.js';
import { OutputBuffer } from '../smtp/output-buffer.js';
import { formatReply } from '../smtp/reply.js';
import type { BareNewlines } from './bare-newlines.js';
import { consult } from './consult.js';
import type { SmtpdSession } from './handlers.js';
import { IncomingMessage } from './incoming-message.js';
import { RequiretlsHeader } from './requiretls-header.js';
import type { Service } from './service.js';
import * as texts from './texts.js';

export interface ContentProps {
  readonly service: Service;
  readonly client: SmtpdSession;
  readonly framing: 'dots' | 'chunks';
  readonly bareNewlines: BareNewlines;
  /** Logs a failure of the callback. */
  readonly failed: (error: unknown) => void;
  /** Something has changed: `full`, or `reply`. */
  readonly wake: () => void;
}

const nothing = Buffer.alloc(0);

export class Content {
  readonly message: IncomingMessage;
  /** Reading has to pause. */
  full = false;
  /** The message has a bare LF and is refused for it. */
  bareLfRefused = false;

  readonly #decoder: DataDecoder;
  readonly #limit: number;
  readonly #props: ContentProps;
  /** Null: headers have nothing to say about REQUIRETLS. */
  readonly #requiretls: RequiretlsHeader | null;
  #queueId = '';
  /** What the callback answers; `` for the default. */
  #answer: string | null = null;
  #exceeded = false;
  #abandoned = false;

  constructor(props: ContentProps) {
    this.#props = props;
    this.#decoder = new DataDecoder(props.framing);
    this.#limit = props.service.options.messageSizeLimit;
    this.message = new IncomingMessage(() => {
      this.full = false;
      props.wake();
    });
    const { requiretlsEnable, requiretlsEsmtpHeader } = props.service.options;
    this.message.requiretls = props.client.sender?.requiretls ?? false;
    this.#requiretls =
      requiretlsEnable && requiretlsEsmtpHeader
        ? new RequiretlsHeader(this.message.requiretls)
        : null;
  }

  /** The end of the message has been seen. */
  get done(): boolean {
    return this.#decoder.done;
  }

  /** Bytes of content so far. */
  get bytes(): number {
    return this.#decoder.bytes;
  }

  /** What the message has come to although more of it may follow; null: nothing yet. */
  get verdict(): string | null {
    if (this.#exceeded) {
      return texts.messageTooBig;
    }
    const bytes = this.#props.framing === 'chunks' ? this.bytes : null;
    return this.#answer === '' ? texts.queuedAs(this.#queueId, bytes) : this.#answer;
  }

  /** The reply to the end of the message; null as long as something is missing. */
  get reply(): string | null {
    return this.#decoder.done && this.#answer !== null ? this.verdict : null;
  }

  /** Hands the message to the callback. */
  begin(): void {
    const { service, client, failed } = this.#props;
    this.#queueId = client.queueId ?? '';
    const text = consult(
      () => service.handlers.onData(client, this.message),
      (reply) => (reply === undefined ? '' : formatReply(reply)),
      (error) => {
        if (!this.#abandoned && !this.#exceeded) {
          failed(error);
        }
        return texts.localProblem;
      },
    );
    if (typeof text === 'string') {
      this.#settle(text);
    } else {
      text.then((late) => {
        this.#settle(late);
        this.#props.wake();
      });
    }
  }

  /** Takes what it needs from the window, up to `to`. */
  feed(input: LineReader, to: number): void {
    // With room for a line end that the end of the turn before has left open.
    const out = this.#output(to - input.pos + 2);
    input.pos = this.#decoder.push(input.data, input.pos, to, out);
    this.#pass(out);
  }

  /** The last chunk has come. */
  finish(): void {
    const out = this.#output(2);
    this.#decoder.finish(out);
    this.#pass(out);
  }

  /** Null: nobody wants it. */
  #output(size: number): OutputBuffer | null {
    const wanted = this.message.wanted && !this.#exceeded;
    return wanted ? new OutputBuffer(this.message.memory(size)) : null;
  }

  #pass(out: OutputBuffer | null): void {
    const decoder = this.#decoder;
    if (decoder.sawBareLf && this.#props.bareNewlines.refused()) {
      this.bareLfRefused = true;
      return;
    }
    if (this.#limit > 0 && decoder.bytes > this.#limit) {
      this.#exceed();
    } else if (out !== null && out.length > 0) {
      this.#push(this.#requiretls?.pass(out.finish()) ?? out.finish());
    }
    if (decoder.done) {
      this.#push(this.#requiretls?.end() ?? nothing);
      this.full = false;
      this.message.end();
    }
  }

  #push(chunk: Buffer): void {
    this.message.requiretls = this.#requiretls?.requested ?? this.message.requiretls;
    if (chunk.length > 0) {
      this.full = !this.message.push(chunk);
    }
  }

  /** The message will never be complete. */
  abandon(error: TlsError): void {
    this.#abandoned = true;
    this.message.fail(error);
  }

  #settle(text: string): void {
    this.#answer = text;
    this.message.discard();
  }

  #exceed(): void {
    if (!this.#exceeded) {
      this.#exceeded = true;
      this.full = false;
      const message = `the message is larger than message_size_limit (${this.#limit} bytes)`;
      this.message.fail(new TlsError({ code: 'SMTP_PROTOCOL', message }));
    }
  }
}
