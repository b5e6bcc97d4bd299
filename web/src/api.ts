/** Reads from the server's REST interface: three tries, then the caller is told. */

import { pause } from './schedule';

const PAUSES_MS = [500, 1000];
const TIMEOUT_MS = 10_000;

export async function fetchList<T>(path: string, signal: AbortSignal): Promise<readonly T[]> {
  const response = await getWithRetry(path, signal);
  const body = (await response.json()) as { readonly items: readonly T[] };
  return body.items;
}

/** True when the server says that it is alive. */
export async function isAlive(): Promise<boolean> {
  try {
    const response = await fetch('/healthz', { cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS) });
    return response.ok;
  } catch {
    return false;
  }
}

async function getWithRetry(path: string, signal: AbortSignal): Promise<Response> {
  for (const wait of PAUSES_MS) {
    const response = await get(path, signal);
    if (response !== null) return response;
    await pause(wait, signal);
  }
  const response = await get(path, signal);
  if (response === null) throw new Error(`no answer for ${path}`);
  return response;
}

/** Null for a failure that another try may heal. */
async function get(path: string, signal: AbortSignal): Promise<Response | null> {
  try {
    const response = await fetch(path, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    if (response.ok) return response;
    if (response.status < 500 && response.status !== 429) throw new Refused(path, response.status);
    return null;
  } catch (error) {
    if (signal.aborted || error instanceof Refused) throw error;
    return null;
  }
}

class Refused extends Error {
  constructor(path: string, status: number) {
    super(`${path} answered ${status}`);
  }
}
