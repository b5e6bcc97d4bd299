import { beforeEach, expect, test, vi } from 'vitest';
import { LOAD_TIMEOUT_MS, MOST_LOADS, PictureLoader } from '../src/thumbs';

interface Load {
  readonly url: string;
  readonly signal: AbortSignal;
  readonly resolve: (picture: string) => void;
  readonly reject: (reason: Error) => void;
}

let loads: Load[];
let shown: string[];
let failures: number;
let loader: PictureLoader<string>;

beforeEach(() => {
  vi.useFakeTimers();
  loads = [];
  shown = [];
  failures = 0;
  loader = new PictureLoader<string>({
    load: (url, signal) =>
      new Promise((resolve, reject) => {
        loads.push({ url, signal, resolve, reject });
        signal.addEventListener('abort', () => reject(new Error('aborted')));
      }),
    after: (ms, run) => {
      const id = setTimeout(run, ms);
      return () => clearTimeout(id);
    },
  });
});

function place(url: string, visible = true): object {
  const key = {};
  loader.add(key, { show: (picture) => shown.push(picture), failed: () => (failures += 1) });
  loader.want(key, url);
  loader.setVisible(key, visible);
  return key;
}

async function finish(index: number): Promise<void> {
  loads[index]?.resolve(`picture of ${loads[index]?.url}`);
  await vi.advanceTimersByTimeAsync(0);
}

async function fail(index: number): Promise<void> {
  loads[index]?.reject(new Error('503'));
  await vi.advanceTimersByTimeAsync(0);
}

test('only visible places load', () => {
  const hidden = place('/a', false);
  place('/b');
  expect(loads.map(({ url }) => url)).toEqual(['/b']);
  loader.setVisible(hidden, true);
  expect(loads.map(({ url }) => url)).toEqual(['/b', '/a']);
});

test('at most four load at once, and the next starts when one ends', async () => {
  for (let index = 0; index < 10; index += 1) place(`/${index}`);
  expect(loads.length).toBe(MOST_LOADS);
  await finish(0);
  expect(loads.length).toBe(MOST_LOADS + 1);
  await fail(1);
  expect(loads.length).toBe(MOST_LOADS + 2);
  expect(loader.active).toBe(MOST_LOADS);
});

test('the same address is loaded once, a new one replaces the picture', async () => {
  const key = place('/a?v=1');
  await finish(0);
  loader.want(key, '/a?v=1');
  loader.setVisible(key, false);
  loader.setVisible(key, true);
  expect(loads.length).toBe(1);
  loader.want(key, '/a?v=2');
  await finish(1);
  expect(shown).toEqual(['picture of /a?v=1', 'picture of /a?v=2']);
});

test('addresses that were passed over while one was loading are never loaded', async () => {
  const key = place('/v1');
  loader.want(key, '/v2');
  loader.want(key, '/v3');
  expect(loads.length).toBe(1);
  await finish(0);
  expect(loads.map(({ url }) => url)).toEqual(['/v1', '/v3']);
});

test('a failed load is tried again with growing pauses', async () => {
  place('/a');
  for (const [round, pause] of [2000, 4000, 8000].entries()) {
    await fail(round);
    expect(failures).toBe(round + 1);
    await vi.advanceTimersByTimeAsync(pause - 1);
    expect(loads.length).toBe(round + 1);
    await vi.advanceTimersByTimeAsync(1);
    expect(loads.length).toBe(round + 2);
  }
  for (let round = 3; round < 10; round += 1) {
    await fail(round);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(loads.length).toBe(round + 2);
  }
});

test('a new address or the return of the server does not wait for the pause', async () => {
  const key = place('/a');
  await fail(0);
  loader.want(key, '/b');
  expect(loads.length).toBe(2);
  await fail(1);
  loader.retryNow();
  expect(loads.length).toBe(3);
});

test('a load that hangs gives its place to others', async () => {
  for (let index = 0; index < 5; index += 1) place(`/${index}`);
  await vi.advanceTimersByTimeAsync(LOAD_TIMEOUT_MS);
  expect(loads[0]?.signal.aborted).toBe(true);
  expect(loads.map(({ url }) => url)).toContain('/4');
});

test('a forgotten place shows nothing, stops loading and leaves nothing behind', async () => {
  const key = place('/a');
  loader.forget(key);
  expect(loads[0]?.signal.aborted).toBe(true);
  await finish(0);
  expect(shown).toEqual([]);
  expect(loader.active).toBe(0);
  await vi.advanceTimersByTimeAsync(120_000);
  expect(loads.length).toBe(1);
});
