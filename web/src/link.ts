/** The connection to the server as a pure state machine: inputs in, the next state and effects out.
 * It opens no socket and reads no clock; `socket.ts` does both for it. */

import type { Message } from './wire';

/** The server speaks at least every 15 s. */
export const DEAD_AFTER_MS = 45_000;
export const CONNECT_TIMEOUT_MS = 15_000;
export const BACKOFF_FIRST_MS = 1_000;
export const BACKOFF_MOST_MS = 30_000;
/** From so many failures in a row the wall offers to reload the page. */
export const FAILURES_BEFORE_RELOAD = 5;

export interface Link {
  /** `connected` begins with the snapshot, not with the socket. */
  readonly phase: 'connecting' | 'connected' | 'waiting';
  /** Attempts in a row that brought no snapshot, the loss itself included. */
  readonly failures: number;
  /** The last event known; null asks for the newest ones. */
  readonly seq: number | null;
  /** The newest event that this connection's hello named; known for certain only with the snapshot. */
  readonly offered: number;
  /** When the server was last heard, local milliseconds. */
  readonly heardAt: number;
  /** When the next attempt starts; meaningful while `waiting`. */
  readonly retryAt: number;
}

export type Input =
  | { readonly kind: 'start' }
  | { readonly kind: 'heard'; readonly message: Message | null }
  | { readonly kind: 'lost' }
  | { readonly kind: 'time' }
  | { readonly kind: 'wake' };

export type Effect =
  | { readonly kind: 'open'; readonly since: number | null }
  | { readonly kind: 'close' }
  | { readonly kind: 'deliver'; readonly message: Message };

export interface Step {
  readonly link: Link;
  readonly effects: readonly Effect[];
}

export const INITIAL_LINK: Link = {
  phase: 'waiting',
  failures: 0,
  seq: null,
  offered: 0,
  heardAt: 0,
  retryAt: 0,
};

/** `random` is from [0, 1): it spreads the clients of a restarted server. */
export function step(link: Link, input: Input, now: number, random: number): Step {
  switch (input.kind) {
    case 'start':
      return open(link, now);
    case 'heard':
      return heard({ ...link, heardAt: now }, input.message, now, random);
    case 'lost':
      return link.phase === 'waiting' ? { link, effects: [] } : fail(link, now, random);
    case 'wake':
      return link.phase === 'waiting' ? open(link, now) : onTime(link, now, random);
    case 'time':
      return onTime(link, now, random);
  }
}

/** When the machine wants the next `time` input. */
export function deadline(link: Link): number {
  if (link.phase === 'waiting') return link.retryAt;
  return link.heardAt + (link.phase === 'connected' ? DEAD_AFTER_MS : CONNECT_TIMEOUT_MS);
}

export function backoff(failures: number, random: number): number {
  const base = BACKOFF_FIRST_MS * 2 ** Math.min(Math.max(failures, 1) - 1, 10);
  return Math.min(BACKOFF_MOST_MS, base * (0.75 + 0.5 * random));
}

function onTime(link: Link, now: number, random: number): Step {
  if (now < deadline(link)) return { link, effects: [] };
  return link.phase === 'waiting' ? open(link, now) : fail(link, now, random);
}

function heard(link: Link, message: Message | null, now: number, random: number): Step {
  if (link.phase === 'waiting' || message === null) return { link, effects: [] };
  const deliver: Effect = { kind: 'deliver', message };
  switch (message.type) {
    case 'hello': {
      // A server whose log begins anew would otherwise be taken for one that repeats itself.
      if (link.seq === null || message.seq >= link.seq) {
        return { link: { ...link, offered: message.seq }, effects: [deliver] };
      }
      const fresh = open({ ...link, seq: null, offered: 0 }, now);
      return { link: fresh.link, effects: [deliver, { kind: 'close' }, ...fresh.effects] };
    }
    case 'snapshot': {
      // What the snapshot leaves out the server no longer has: the live events go on after the offered one.
      const seq = Math.max(link.seq ?? 0, link.offered, message.events.at(-1)?.seq ?? 0);
      return { link: { ...link, phase: 'connected', failures: 0, seq }, effects: [deliver] };
    }
    case 'event': {
      const known = link.seq ?? 0;
      if (message.event.seq <= known) return { link, effects: [] };
      if (message.event.seq > known + 1) return again(link, now, random);
      return { link: { ...link, seq: message.event.seq }, effects: [deliver] };
    }
    case 'resync':
      return again(link, now, random);
    default:
      return { link, effects: [deliver] };
  }
}

function open(link: Link, now: number): Step {
  return {
    link: { ...link, phase: 'connecting', heardAt: now },
    effects: [{ kind: 'open', since: link.seq }],
  };
}

function fail(link: Link, now: number, random: number): Step {
  const failures = link.failures + 1;
  return {
    link: { ...link, phase: 'waiting', failures, retryAt: now + backoff(failures, random) },
    effects: [{ kind: 'close' }],
  };
}

/** Something was missed: take a fresh snapshot. The server is well, so this is no failure. */
function again(link: Link, now: number, random: number): Step {
  return {
    link: { ...link, phase: 'waiting', retryAt: now + backoff(1, random) },
    effects: [{ kind: 'close' }],
  };
}
