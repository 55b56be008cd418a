// Runs the load generator and insists that every handshake was a proper one, full or resumed as
// asked for: a server that drops connections or sends another number of tickets would only look faster.
import { LineChild } from './process.mjs';

/**
 * @typedef {object} Load
 * @property {number} port
 * @property {string} group
 * @property {number} count
 * @property {number} concurrency
 * @property {string} [mode]  of the generator; default: handshake
 * @property {number} [names]  how many server names to ask for in turn; default: none
 * @property {boolean} [tls12]  instead of TLS 1.3
 * @property {number} [size]  bytes of the message of the smtp modes
 */

function loadArguments(kit, { port, group, count, concurrency, mode, names, size, tls12 }) {
  return [
    ...(mode === undefined ? [] : ['--mode', mode]),
    ...(names === undefined ? [] : ['--names', String(names)]),
    ...(tls12 === true ? ['--tls12'] : []),
    ...(size === undefined ? [] : ['--size', String(size)]),
    ...['--port', String(port), '--group', group, '--count', String(count)],
    ...['--concurrency', String(concurrency), '--tickets', String(kit.tickets)],
  ];
}

function insist(kit, load, result) {
  const resumed = load.mode === 'resumed' ? load.count - 1 : 0;
  const proper =
    result.failed === 0 &&
    result.truncated === 0 &&
    result.resumed === resumed &&
    result.tickets === (load.count - resumed) * kit.tickets;
  if (!proper) {
    throw new Error(`not every handshake was proper: ${JSON.stringify(result)}`);
  }
  return result;
}

/** @param {Load} load */
export async function runLoad(kit, load) {
  const child = new LineChild(kit.load, loadArguments(kit, load));
  return insist(kit, load, JSON.parse(await child.next()));
}

/** A load of which the server turns a part away; how many handshakes were made and how many failed. @param {Load} load */
export async function runFlood(kit, load) {
  const child = new LineChild(kit.load, loadArguments(kit, load));
  return JSON.parse(await child.next());
}

/** Opens all connections, calls `use` while they are idle, and closes them. @param {Load} load */
export async function holdConnections(kit, load, use) {
  const args = [...loadArguments(kit, load), '--mode', 'idle', '--hold'];
  const child = new LineChild(kit.load, args);
  try {
    const line = await child.next();
    if (line !== 'ready') {
      throw new Error(`the load generator said "${line}"`);
    }
    const value = await use();
    child.endInput();
    insist(kit, load, JSON.parse(await child.next()));
    return value;
  } finally {
    await child.stop();
  }
}
