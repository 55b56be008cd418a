/** What a supervisor and its worker processes tell each other over node's IPC channel. */

/** Of a worker: it serves; it has served as many clients as it was to, and wants to be replaced. */
export type WorkerMessage = 'ready' | 'worn';
/** Of the supervisor: another one is ready, take no more clients. */
export type SupervisorMessage = 'retire';

interface Envelope<Message extends string> {
  readonly mxtls: Message;
}

export function envelope<Message extends string>(message: Message): Envelope<Message> {
  return { mxtls: message };
}

/** Other messages may share the channel. */
export function isMessage(value: unknown, message: WorkerMessage | SupervisorMessage): boolean {
  return typeof value === 'object' && value !== null && 'mxtls' in value && value.mxtls === message;
}
