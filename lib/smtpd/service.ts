/**
 * What all sessions of one listener share: settings, callbacks, log, TLS, prepared texts.
 */
import type { ResolvedSmtpd } from '../config/options.js';
import type { Logger } from '../log/logger.js';
import { type LogFlags, parseLoglevel } from '../log/loglevel.js';
import type { NativeContext, StartTlsProps } from '../native.js';
import type { Extension } from '../smtp/envelope.js';
import { createServerContext, serverTlsProps } from '../tls/contexts.js';
import { type ServerTlsMode, serverTlsMode } from '../tls/levels.js';
import type { SmtpdHandlers } from './handlers.js';

/** smtpd_hard_error_limit */
const hardErrorLimit = 20;

export interface ServiceProps {
  readonly options: ResolvedSmtpd;
  readonly handlers: SmtpdHandlers;
  readonly logger: Required<Logger>;
  readonly wrappermode: boolean;
}

export class Service {
  readonly options: ResolvedSmtpd;
  readonly handlers: SmtpdHandlers;
  readonly logger: Required<Logger>;
  readonly mode: ServerTlsMode;
  readonly logFlags: LogFlags;
  readonly tlsProps: StartTlsProps;
  readonly greeting: string;
  readonly extensions: ReadonlySet<Extension>;
  readonly hardErrorLimit = hardErrorLimit;
  /** Null: TLS is not in use, or the context was lost at run time. */
  context: NativeContext | null = null;

  readonly #ehlo: string;
  readonly #ehloTls: string;

  constructor(props: ServiceProps) {
    const { options } = props;
    this.options = options;
    this.handlers = props.handlers;
    this.logger = props.logger;
    this.mode = serverTlsMode({ ...options.tls, wrappermode: props.wrappermode });
    this.logFlags = loglevel(options, props.logger);
    this.tlsProps = serverTlsProps({ timeout: options.starttlsTimeout });
    this.greeting = `220 ${options.banner}\r\n`;
    this.extensions = new Set(['SIZE', '8BITMIME']);
    this.#ehlo = ehloReply(options, this.mode.use && !props.wrappermode);
    this.#ehloTls = ehloReply(options, false);
  }

  /** Makes the TLS context where TLS is in use. @throws TlsError as {@link createServerContext} */
  loadContext(): void {
    if (this.mode.use) {
      this.context = createServerContext(this.options.tls, {
        service: 'smtpd',
        wrappermode: this.mode.wrappermode,
        warn: (text) => this.logger.warn(text),
      });
    }
  }

  /** The whole reply to EHLO. */
  ehlo(tls: boolean): string {
    return tls ? this.#ehloTls : this.#ehlo;
  }
}

/** In the order of Postfix. */
function ehloReply(options: ResolvedSmtpd, starttls: boolean): string {
  const lines = [
    options.myhostname,
    'PIPELINING',
    options.messageSizeLimit > 0 ? `SIZE ${options.messageSizeLimit}` : 'SIZE',
    ...(starttls ? ['STARTTLS'] : []),
    'ENHANCEDSTATUSCODES',
    '8BITMIME',
  ];
  return lines.map((line, i) => `250${i < lines.length - 1 ? '-' : ' '}${line}\r\n`).join('');
}

function loglevel(options: ResolvedSmtpd, logger: Logger): LogFlags {
  const { flags, warning } = parseLoglevel(options.tls.loglevel, 'smtpd_tls_loglevel');
  if (warning !== null) {
    logger.warn(warning);
  }
  return flags;
}
