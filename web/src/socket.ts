/** Drives the connection's state machine with a real (or a test's) WebSocket and clock. It decides nothing. */

import { deadline, type Effect, INITIAL_LINK, type Input, type Link, step } from './link';
import { type Message, parseMessage } from './wire';

export interface SocketLike {
  addEventListener(
    type: 'message' | 'close' | 'error',
    listener: (event: { readonly data?: unknown }) => void,
    options: { readonly signal: AbortSignal },
  ): void;
  close(): void;
}

export interface SocketPorts {
  readonly open: (since: number | null) => SocketLike;
  readonly now: () => number;
  readonly after: (ms: number, run: () => void) => () => void;
  readonly random: () => number;
  readonly deliver: (message: Message) => void;
  readonly changed: (link: Link) => void;
}

export class ServerSocket {
  private readonly ports: SocketPorts;
  private link: Link = INITIAL_LINK;
  private socket: SocketLike | null = null;
  private listeners = new AbortController();
  private disarm: () => void = () => {};

  constructor(ports: SocketPorts) {
    this.ports = ports;
  }

  start(): void {
    this.feed({ kind: 'start' });
  }

  /** The network came back or the page became visible: do not wait for the timer. */
  wake(): void {
    this.feed({ kind: 'wake' });
  }

  private feed(input: Input): void {
    const before = this.link;
    const next = step(before, input, this.ports.now(), this.ports.random());
    this.link = next.link;
    for (const effect of next.effects) this.perform(effect);
    this.arm();
    if (
      before.phase !== next.link.phase ||
      before.failures !== next.link.failures ||
      before.retryAt !== next.link.retryAt
    ) {
      this.ports.changed(next.link);
    }
  }

  private perform(effect: Effect): void {
    switch (effect.kind) {
      case 'open':
        this.open(effect.since);
        break;
      case 'close':
        this.close();
        break;
      case 'deliver':
        this.ports.deliver(effect.message);
        break;
    }
  }

  private open(since: number | null): void {
    this.close();
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    const socket = this.ports.open(since);
    this.socket = socket;
    socket.addEventListener(
      'message',
      ({ data }) =>
        this.feed({ kind: 'heard', message: typeof data === 'string' ? parseMessage(data) : null }),
      { signal },
    );
    socket.addEventListener('close', () => this.feed({ kind: 'lost' }), { signal });
    socket.addEventListener('error', () => this.feed({ kind: 'lost' }), { signal });
  }

  /** Deaf first, closed second: a socket that was given up has nothing more to say. */
  private close(): void {
    this.listeners.abort();
    this.socket?.close();
    this.socket = null;
  }

  private arm(): void {
    this.disarm();
    const wait = Math.max(0, deadline(this.link) - this.ports.now());
    this.disarm = this.ports.after(wait, () => this.feed({ kind: 'time' }));
  }
}
