/** The right to one live view: what the server grants, and its clock. Pure. */

import { isPath, parseWays, type Way } from './transport';
import type { ViewKind } from './why';

export type Quality = 'sub' | 'main';

export interface Lease {
  readonly id: string;
  /** Server time, milliseconds; null for one that lives by its heartbeat alone. */
  readonly expiresAt: number | null;
  readonly heartbeatMs: number;
  /** How media may come, the first to be tried in front. */
  readonly ways: readonly Way[];
}

/** The viewer is asked so long before the end. */
export const ASK_BEFORE_MS = 60_000;
/** After a heartbeat that did not reach the server the next one follows soon. */
export const BEAT_AGAIN_MS = 5_000;
const HEARTBEAT_MS = 30_000;
const HEARTBEAT_LEAST_MS = 1_000;

/** The server's answer as a lease; null when it is none. */
export function parseLease(body: unknown, kind: ViewKind): Lease | null {
  if (typeof body !== 'object' || body === null) return null;
  const { id, ws, heartbeatSeconds } = body as Record<string, unknown>;
  if (typeof id !== 'string' || !isPath(ws)) return null;
  const beat = typeof heartbeatSeconds === 'number' ? heartbeatSeconds * 1000 : HEARTBEAT_MS;
  return {
    id,
    ways: parseWays(body as Record<string, unknown>),
    expiresAt: kind === 'modal' ? parseExpiry(body) : null,
    heartbeatMs: Math.max(HEARTBEAT_LEAST_MS, beat),
  };
}

export function parseExpiry(body: unknown): number | null {
  if (typeof body !== 'object' || body === null || !('expiresAt' in body)) return null;
  const at = typeof body.expiresAt === 'string' ? Date.parse(body.expiresAt) : Number.NaN;
  return Number.isNaN(at) ? null : at;
}

/** Seconds left to show, rounded up; null while there is no need to ask. */
export function countdown(lease: Lease | null, serverNow: number): number | null {
  if (lease === null || lease.expiresAt === null) return null;
  const left = lease.expiresAt - serverNow;
  return left > ASK_BEFORE_MS ? null : Math.max(0, Math.ceil(left / 1000));
}
