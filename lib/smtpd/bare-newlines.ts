/**
 * smtpd_forbid_bare_newline: what becomes of lines that end in LF without CR. Which of them end a
 * command or a message is not decided here: see `line-reader.ts`, `data-decoder.ts`.
 */
import type { Service } from './service.js';
import * as texts from './texts.js';

/** Why a command or a message is refused, as the log says it. */
export const bareLfReason = 'bare <LF> received';

export class BareNewlines {
  readonly #service: Service;
  readonly #remoteAddress: string;
  #seen = false;

  constructor(service: Service, remoteAddress: string) {
    this.#service = service;
    this.#remoteAddress = remoteAddress;
  }

  /** One has come; true: the command or the message is not to be had. */
  refused(): boolean {
    if (this.#service.bareNewlineExclusions.has(this.#remoteAddress)) {
      return false;
    }
    this.#seen = true;
    return this.#service.options.forbidBareNewline === 'reject';
  }

  /** One has come where that is noted at the end of the session. */
  get noted(): boolean {
    return this.#seen && this.#service.options.forbidBareNewline === 'note';
  }

  get reply(): string {
    const { forbidBareNewlineRejectCode, myhostname } = this.#service.options;
    return texts.bareNewline(forbidBareNewlineRejectCode, myhostname);
  }
}
