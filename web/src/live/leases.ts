/** Asks the server for leases, keeps them and gives them back. One request each: when to try again is decided
 * by the session. */

import { type Lease, parseExpiry, parseLease, type Quality } from './lease';
import { because, endsLease, type ViewKind, type Why } from './why';

/** The server may have to open the camera first. */
const TIMEOUT_MS = 15_000;

export interface Wish {
  readonly camera: string;
  readonly quality: Quality;
  readonly codecs: readonly string[];
  /** Ends the user's older view. */
  readonly takeOver: boolean;
}

export type Granted = { readonly lease: Lease } | { readonly why: Why };
export type Beaten = { readonly expiresAt: number | null } | { readonly why: Why };

export interface Leases {
  readonly grant: (wish: Wish) => Promise<Granted>;
  readonly heartbeat: (id: string) => Promise<Beaten>;
  readonly renew: (id: string) => Promise<Beaten>;
  /** Resolves when the server has answered or will not. Also works while the page goes away. */
  readonly release: (id: string) => Promise<void>;
}

export function leasesOf(kind: ViewKind): Leases {
  const base = `/api/v1/${kind}/lease`;
  const path = (id: string) => `${base}/${encodeURIComponent(id)}`;
  const touch = async (id: string, what: string): Promise<Beaten> => {
    const answer = await ask('POST', `${path(id)}/${what}`);
    if (answer === null) return { why: because('offline') };
    if (answer.ok) return { expiresAt: kind === 'modal' ? parseExpiry(answer.body) : null };
    return { why: whyEnded(answer) };
  };
  return {
    grant: async ({ camera, quality, codecs, takeOver }) => {
      const wish = kind === 'modal' ? { camera, quality, codecs, takeOver } : { camera, codecs };
      const answer = await ask('POST', base, wish);
      if (answer === null) return { why: because('offline') };
      if (!answer.ok) return { why: whyRefused(answer) };
      const lease = parseLease(answer.body, kind);
      return lease === null ? { why: because('refused') } : { lease };
    },
    heartbeat: (id) => touch(id, 'heartbeat'),
    renew: (id) => touch(id, 'renew'),
    release: async (id) => {
      await ask('DELETE', path(id));
    },
  };
}

interface Answer {
  readonly ok: boolean;
  readonly status: number;
  readonly body: unknown;
}

/** Null when the server did not answer, or answered that it cannot just now. */
async function ask(method: 'POST' | 'DELETE', path: string, body?: unknown): Promise<Answer | null> {
  try {
    const response = await fetch(path, {
      method,
      cache: 'no-store',
      keepalive: method === 'DELETE',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    return { ok: response.ok, status: response.status, body: parse(text) };
  } catch {
    return null;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Exported for tests: what a refusal means. */
export function whyRefused({ status, body }: Pick<Answer, 'status' | 'body'>): Why {
  const detail = field(body, 'detail');
  const code = field(body, 'code');
  if (status === 404) return because('notFound', detail);
  if (code !== null && /^[A-Z_]{3,40}$/.test(code)) return because(known(code), detail);
  return because(status >= 500 || status === 429 ? 'offline' : 'refused', detail);
}

function whyEnded({ status, body }: Answer): Why {
  if (status >= 500 || status === 429) return because('offline');
  const why = because(field(body, 'reason') ?? 'gone', field(body, 'detail'));
  return status === 410 && endsLease(why) ? why : because('gone', why.detail);
}

const CODES: Readonly<Record<string, string>> = {
  OVER_CAPACITY: 'OVER_CAPACITY',
  SYSTEM_OVERLOAD: 'SYSTEM_OVERLOAD',
  USER_ALREADY_HAS_MODAL: 'USER_ALREADY_HAS_MODAL',
  NO_SLOT: 'NO_SLOT',
  CAMERA_DISABLED: 'CAMERA_DISABLED',
  SUGGEST_DISABLED: 'SUGGEST_DISABLED',
  STREAM_NOT_DECLARED: 'STREAM_NOT_DECLARED',
  UNSUPPORTED_CODEC: 'unsupported',
  CODEC_UNSUPPORTED: 'unsupported',
};

function known(code: string): string {
  return CODES[code] ?? 'refused';
}

function field(body: unknown, name: string): string | null {
  if (typeof body !== 'object' || body === null) return null;
  const value = (body as Record<string, unknown>)[name];
  return typeof value === 'string' && value !== '' ? value : null;
}
