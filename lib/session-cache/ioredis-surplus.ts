/**
 * A work-around for ioredis 6.0: a reply that is one too many, and null, makes it throw where nobody can catch that,
 * and the process ends. Any other surplus reply is an `error` of the client, as this one is from here on.
 */

interface DataHandler {
  readonly prototype: { shiftCommand(reply: unknown): unknown };
}

let done: Promise<void> | null = null;

/** Once for the process; where the library has no such place any more, nothing is changed. */
export function tolerateSurplusNull(): Promise<void> {
  done ??= change();
  return done;
}

async function change(): Promise<void> {
  const place: string = 'ioredis/built/DataHandler.js';
  const found: unknown = await import(place).catch(() => null);
  const handler = handlerOf(found);
  if (handler !== null) {
    const { prototype } = handler;
    const shift = prototype.shiftCommand;
    prototype.shiftCommand = function (reply: unknown): unknown {
      return shift.call(this, reply ?? 'null');
    };
  }
}

/** A CommonJS module's default export is one level deeper. */
function handlerOf(module: unknown): DataHandler | null {
  for (let at = module; typeof at === 'object' && at !== null && 'default' in at; ) {
    at = at.default;
    if (typeof at === 'function' && typeof at.prototype?.shiftCommand === 'function') {
      return at as unknown as DataHandler;
    }
  }
  return null;
}
