import { beforeEach, expect, test, vi } from 'vitest';
import type { Lease } from '../src/live/lease';
import { LiveSession, type View } from '../src/live/session';
import { because } from '../src/live/why';
import { T0 } from './samples';

const LEASE: Lease = {
  id: 'a',
  expiresAt: T0 + 300_000,
  heartbeatMs: 30_000,
  ways: [
    { transport: 'mse', path: '/live/a/ws' },
    { transport: 'hls', path: '/live/a/stream.m3u8' },
  ],
};

let played: string[];
let released: number;
let view: View;
let session: LiveSession;

beforeEach(async () => {
  vi.useFakeTimers({ now: T0 });
  played = [];
  released = 0;
  session = new LiveSession('modal', {
    leases: {
      grant: async () => ({ lease: LEASE }),
      heartbeat: async () => ({ expiresAt: null }),
      renew: async () => ({ expiresAt: null }),
      release: async () => {
        released += 1;
      },
    },
    player: { play: ({ path }) => played.push(path), stop: () => {}, freeze: () => {} },
    codecs: () => [],
    means: () => ({ mse: true, webrtc: false, hls: true }),
    now: Date.now,
    after: (ms, run) => {
      const id = setTimeout(run, ms);
      return () => clearTimeout(id);
    },
    random: () => 0.5,
    changed: (next) => {
      view = next;
    },
  });
  session.open('gate');
  await vi.advanceTimersByTimeAsync(0);
  session.shown();
  expect(played).toEqual(['/live/a/ws']);
});

test('a way that cannot work gives place to the next at once, on the same lease', () => {
  session.failed(because('unsupported', 'H.265'));
  expect(played.at(-1)).toBe('/live/a/stream.m3u8');
  expect(view).toMatchObject({ phase: { kind: 'opening' }, transport: 'hls', lease: { id: 'a' } });
  session.failed(because('unsupported'));
  expect(view.phase).toMatchObject({ kind: 'stopped', why: { word: 'unsupported' } });
  expect([played.length, released]).toEqual([2, 1]);
});

test('a way that failed twice in a row gives place at the next try', async () => {
  for (const path of ['/live/a/ws', '/live/a/stream.m3u8']) {
    session.failed(because('lost'));
    await vi.advanceTimersByTimeAsync(5_000);
    expect(played.at(-1)).toBe(path);
  }
  expect(released).toBe(0);
});

test('a lease that has ended is no fault of the way', () => {
  session.failed(because('revoked'));
  expect(view).toMatchObject({ phase: { kind: 'stopped' }, lease: null });
  session.reconnect();
  expect(view.transport).toBe('mse');
});
