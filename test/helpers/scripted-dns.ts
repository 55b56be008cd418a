/**
 * A DNS server that answers by script, over UDP and TCP on one port, on loopback.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import packet, { type Answer, type DecodedPacket, type Packet } from 'dns-packet';

export interface DnsQuery {
  readonly message: DecodedPacket;
  /** The question's name in lower case, and its type. */
  readonly name: string;
  readonly type: string;
  readonly transport: 'udp' | 'tcp';
  /** Of the client. */
  readonly port: number;
  readonly checkingDisabled: boolean;
}

/** Whole messages, sent one after the other; none: no answer, and over TCP the connection ends. */
export type DnsScript = (query: DnsQuery) => readonly Buffer[];

export class ScriptedDns {
  readonly queries: DnsQuery[] = [];
  readonly port: number;
  readonly #close: () => void;

  private constructor(port: number, close: () => void) {
    this.port = port;
    this.#close = close;
  }

  static async start(script: DnsScript): Promise<ScriptedDns> {
    const tcp = createServer().listen(0, '127.0.0.1');
    await once(tcp, 'listening');
    const { port } = tcp.address() as AddressInfo;
    const udp = createSocket('udp4').bind(port, '127.0.0.1');
    await once(udp, 'listening');
    const sockets = new Set<Socket>();
    const server = new ScriptedDns(port, () => {
      udp.close();
      tcp.close();
      for (const socket of sockets) {
        socket.destroy();
      }
    });
    const run = (data: Buffer, transport: 'udp' | 'tcp', from: number): readonly Buffer[] => {
      const query = readQuery(data, transport, from);
      server.queries.push(query);
      return script(query);
    };
    udp.on('message', (data, client) => {
      for (const answer of run(data, 'udp', client.port)) {
        udp.send(answer, client.port, client.address);
      }
    });
    tcp.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('data', (data: Buffer) => {
        const answers = run(data.subarray(2), 'tcp', socket.remotePort ?? 0);
        for (const message of answers) {
          const length = Buffer.alloc(2);
          length.writeUInt16BE(message.length);
          socket.write(Buffer.concat([length, message]));
        }
        if (answers.length === 0) {
          socket.end();
        }
      });
    });
    return server;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  close(): void {
    this.#close();
  }
}

export interface DnsAnswer {
  readonly answers?: readonly Answer[];
  readonly authorities?: readonly Answer[];
  /** Response code, 0 to 15. */
  readonly code?: number;
  readonly ad?: boolean;
  readonly truncated?: boolean;
  /** Recursion available. Default true. */
  readonly recursion?: boolean;
  /** Extended DNS error. */
  readonly error?: number;
  /** Other id, other question: for answers that are not ours. */
  readonly change?: Partial<Packet>;
}

/** The bytes of an answer to a query. */
export function answer(query: DnsQuery, parts: DnsAnswer = {}): Buffer {
  const flags =
    packet.RECURSION_DESIRED |
    (parts.recursion === false ? 0 : packet.RECURSION_AVAILABLE) |
    (parts.ad ? packet.AUTHENTIC_DATA : 0) |
    (parts.truncated ? packet.TRUNCATED_RESPONSE : 0) |
    (parts.code ?? 0);
  return packet.encode({
    type: 'response',
    id: query.message.id,
    flags,
    questions: query.message.questions,
    answers: [...(parts.answers ?? [])],
    authorities: [...(parts.authorities ?? [])],
    additionals: parts.error === undefined ? [] : [extendedError(parts.error)],
    ...parts.change,
  });
}

function extendedError(number: number): Answer {
  const data = Buffer.alloc(2);
  data.writeUInt16BE(number);
  return {
    type: 'OPT',
    name: '.',
    udpPayloadSize: 1232,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    // The types of dns-packet know no option 15; its code writes any.
    options: [{ code: 15 as 12, data }],
  };
}

function readQuery(data: Buffer, transport: 'udp' | 'tcp', port: number): DnsQuery {
  const message = packet.decode(data);
  const [question] = message.questions ?? [];
  return {
    message,
    name: question?.name.toLowerCase() ?? '',
    type: question?.type ?? '',
    transport,
    port,
    checkingDisabled: message.flag_cd,
  };
}
