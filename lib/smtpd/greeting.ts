/** The greeting, or what the callback wants in its place. */
import { formatReply } from '../smtp/reply.js';
import type { DialogueHost } from './dialogue-host.js';
import * as texts from './texts.js';

/** Null: it comes later. */
export function greeting(host: DialogueHost): string | null {
  const { greeting: standard, handlers } = host.service;
  const { onConnect } = handlers;
  if (onConnect === undefined) {
    return standard;
  }
  return host.consult({
    call: () => onConnect(host.client),
    done: (reply) => (reply === undefined ? standard : formatReply(reply)),
    failed: texts.localProblem,
    about: { sender: null, recipient: null },
  });
}
