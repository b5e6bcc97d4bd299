/** Why a live view is not there, and what follows from it. Pure. */

import { backoff } from '../link';

/** One that somebody opened, or the pane of the suggested camera. */
export type ViewKind = 'modal' | 'suggest';

/** A word of the catalogue (`live.why.…`), and the server's own sentence for words that it lacks. */
export interface Why {
  readonly word: string;
  readonly detail: string | null;
}

export function because(word: string, detail: string | null = null): Why {
  return { word, detail };
}

const CLOSE_WORDS: Readonly<Record<number, string>> = {
  4001: 'expired',
  4002: 'heartbeat',
  4003: 'released',
  4004: 'revoked',
  4005: 'camera_removed',
  4006: 'preempted',
  4007: 'slow',
  4008: 'engine',
  4009: 'shutdown',
};

/** With these the lease is over: there is nothing left to give back. */
const LEASE_OVER: ReadonlySet<string> = new Set([
  'expired',
  'heartbeat',
  'released',
  'revoked',
  'camera_removed',
  'preempted',
  'gone',
]);

/** The server's refusals to begin with. */
const REFUSALS: ReadonlySet<string> = new Set([
  'OVER_CAPACITY',
  'SYSTEM_OVERLOAD',
  'USER_ALREADY_HAS_MODAL',
  'NO_SLOT',
  'SUGGEST_DISABLED',
  'refused',
  'notFound',
]);

/** Nothing changes these by trying again. */
const FINAL: ReadonlySet<string> = new Set([
  'camera_removed',
  'unsupported',
  'noMse',
  'unreached',
  'CAMERA_DISABLED',
  'STREAM_NOT_DECLARED',
]);
/** The page gave the view back by itself. */
const GIVEN_BACK: ReadonlySet<string> = new Set(['hidden', 'idle']);
/** The server is away as a whole, which may last as long as a restart. */
const AWAY: ReadonlySet<string> = new Set(['offline', 'shutdown']);

/** From so many failures in a row an opened view waits for its viewer. */
const MODAL_TRIES = 3;
const MODAL_TRIES_AWAY = 6;
/** A refused suggestion asks again this seldom: the answer costs the server, and stills are shown. */
const REFUSED_PAUSE_MS = 30_000;
/** A stream that played this long is well: earlier failures no longer count. */
export const HEALTHY_MS = 30_000;

/** Why a live socket closed. */
export function whyClosed(code: number, reason: string): Why {
  const word = CLOSE_WORDS[code] ?? 'lost';
  if (word === 'engine' && /\bcannot play\b|\bcodec/i.test(reason)) return because('unsupported', reason);
  return because(word, reason === '' || reason === word ? null : reason);
}

export function endsLease(why: Why): boolean {
  return LEASE_OVER.has(why.word);
}

/** Milliseconds until the next try; null: no further try by itself. `random` is from [0, 1). */
export function nextTry(kind: ViewKind, why: Why, failures: number, random: number): number | null {
  const { word } = why;
  if (FINAL.has(word) || GIVEN_BACK.has(word)) return null;
  if (kind === 'suggest') {
    return REFUSALS.has(word) ? REFUSED_PAUSE_MS * (0.75 + 0.5 * random) : backoff(failures, random);
  }
  if (endsLease(why) || REFUSALS.has(word)) return null;
  return failures < (AWAY.has(word) ? MODAL_TRIES_AWAY : MODAL_TRIES) ? backoff(failures, random) : null;
}

/** A refusal is no failure of the stream: stills are shown as they are, and nobody needs to hurry. */
export function isRefusal(why: Why): boolean {
  return REFUSALS.has(why.word) || FINAL.has(why.word);
}
