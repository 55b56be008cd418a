/**
 * Where log lines go: an object with two or three methods, by default standard error in Postfix's form.
 *
 * `mxtls/smtpd[4711]: warning: text`: service manager and shell add time and host themselves. Everything that passes
 * through an engine's logger is also published on the diagnostics channel `mxtls:log`; see `events.ts`.
 */
import { publish } from './events.js';

/** Takes whole lines without prefix and line end. Must not throw. */
export interface Logger {
  info(text: string): void;
  /** Something is wrong that an operator should know; the work goes on. */
  warn(text: string): void;
  /** Something failed; without this method `warn` gets the text. */
  error?(text: string): void;
}

export type LogSeverity = 'info' | 'warning' | 'error';

/** `smtpd`, `smtp`, `tlsmgr` ...: names engine or service in each line. */
export type LogService = 'smtpd' | 'smtp' | 'master' | 'tlsmgr' | 'tlsproxy';

export interface StreamLoggerProps {
  readonly service: LogService;
  /** Called with one complete line; default: standard error. */
  readonly write?: (line: string) => void;
  /** Default: this process. */
  readonly pid?: number;
}

/** The default logger: one line per call, `mxtls/SERVICE[PID]: ` before it. */
export function streamLogger(props: StreamLoggerProps): Required<Logger> {
  const prefix = `mxtls/${props.service}[${props.pid ?? process.pid}]: `;
  const write = props.write ?? writeToStderr;
  return {
    info: (text) => write(`${prefix}${printable(text)}\n`),
    warn: (text) => write(`${prefix}warning: ${printable(text)}\n`),
    error: (text) => write(`${prefix}error: ${printable(text)}\n`),
  };
}

/** Says nothing. */
export const silentLogger: Required<Logger> = Object.freeze({
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
});

/**
 * What an engine writes to: the caller's logger or the default one, with each line published as an event, too. Whoever
 * gets a line need not fear what a peer has sent: see {@link printable}.
 */
export function engineLogger(logger: Logger | undefined, service: LogService): Required<Logger> {
  const target = logger ?? streamLogger({ service });
  const passed = (severity: LogSeverity, raw: string): string => {
    const text = printable(raw);
    publish('mxtls:log', { service, severity, text });
    return text;
  };
  return {
    info: (raw) => target.info(passed('info', raw)),
    warn: (raw) => target.warn(passed('warning', raw)),
    error: (raw) => {
      const text = passed('error', raw);
      if (target.error === undefined) {
        target.warn(text);
      } else {
        target.error(text);
      }
    },
  };
}

/** Control characters become `?`: what a peer sends cannot begin a line of its own. */
export function printable(text: string): string {
  return unprintable.test(text) ? text.replace(allUnprintable, '?') : text;
}

/** Looking costs a fifth of replacing nothing. */
const unprintable = /[\p{Cc}\u2028\u2029]/u;
const allUnprintable = /[\p{Cc}\u2028\u2029]/gu;

function writeToStderr(line: string): void {
  process.stderr.write(line);
}
