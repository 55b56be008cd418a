// Look-ups of one record type: cached, and shared by all who ask at the same time.
import type { DnsResult } from './answer.js';
import { AnswerCache } from './cache.js';
import { failure, type RecordReader } from './interpret.js';
import type { Question, QuestionType } from './message.js';
import { canonicalName } from './names.js';

export type Ask = <Data>(question: Question, read: RecordReader<Data>) => Promise<DnsResult<Data>>;

export interface LookupsProps {
  readonly ask: Ask;
  /** Answers. */
  readonly cacheSize: number;
  readonly now: () => number;
}

export class Lookups<Data> {
  readonly #type: QuestionType;
  readonly #read: RecordReader<Data>;
  readonly #ask: Ask;
  readonly #cache: AnswerCache<Data>;
  readonly #inFlight = new Map<string, Promise<DnsResult<Data>>>();

  constructor(type: QuestionType, read: RecordReader<Data>, props: LookupsProps) {
    this.#type = type;
    this.#read = read;
    this.#ask = props.ask;
    this.#cache = new AnswerCache(props.cacheSize, props.now);
  }

  async of(text: string): Promise<DnsResult<Data>> {
    const name = canonicalName(text);
    if (name === null) {
      const question = { name: JSON.stringify(text), type: this.#type };
      return failure(question, 'malformed', 'this is not a domain name');
    }
    return this.#cache.get(name) ?? this.#inFlight.get(name) ?? this.#start(name);
  }

  #start(name: string): Promise<DnsResult<Data>> {
    const asked = this.#ask({ name, type: this.#type }, this.#read)
      .then((result) => {
        this.#cache.put(name, result);
        return result;
      })
      .finally(() => this.#inFlight.delete(name));
    this.#inFlight.set(name, asked);
    return asked;
  }
}
