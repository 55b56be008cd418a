/** The two ends of a session, joined: what one says the other hears, until one of them ends. */
import type { Connection } from '../connection.js';

export interface JoinProps {
  /** The outside. */
  readonly tls: Connection;
  /** The requester's stream. */
  readonly plain: Connection;
  /** Milliseconds without a byte in either direction. */
  readonly timeout: number;
  /** The requester has ended its stream; true: the outside is to be left as it is. */
  readonly detach: () => boolean;
  /** Both are over, or the outside is detached. */
  readonly done: () => void;
}

/**
 * Joins them. An end is passed on in its direction; once the outside has failed, the requester still gets what had
 * arrived before; a requester that fails takes the outside with it.
 */
export function join({ tls, plain, timeout, detach, done }: JoinProps): void {
  let over = false;
  const finish = (): void => {
    if (!over) {
      over = true;
      done();
    }
  };
  const fromPlain = (): void => {
    if (detach()) {
      off();
      plain.end();
      finish();
    } else {
      tls.end();
    }
  };
  const fail = (): void => {
    plain.end(); // what is buffered goes first
    tls.destroy();
  };
  const tlsClosed = (): void => {
    plain.end();
    finish();
  };
  const plainFailed = (): void => void tls.destroy();
  const expired = (): void => {
    tls.destroy();
    plain.destroy();
  };
  const off = (): void => {
    tls.off('error', fail).off('close', tlsClosed).off('timeout', expired).setTimeout(0);
    plain.unpipe(tls);
    tls.unpipe(plain);
  };
  tls.on('error', fail).on('close', tlsClosed).on('timeout', expired).setTimeout(timeout);
  plain.on('error', plainFailed).on('end', fromPlain);
  plain.pipe(tls, { end: false });
  tls.pipe(plain);
}
