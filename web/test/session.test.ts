import { beforeEach, expect, test, vi } from 'vitest';
import type { Lease } from '../src/live/lease';
import type { Beaten, Granted } from '../src/live/leases';
import type { LiveSession, View } from '../src/live/session';
import { because, type ViewKind } from '../src/live/why';
import { T0 } from './samples';
import { makeSession } from './session-bench';

/** What was done, in order: requests and the player's commands. */
let log: string[];
let grants: ((answer: Granted) => void)[];
let beats: Beaten;
let views: View[];
let session: LiveSession;

const BEAT = { heartbeatMs: 30_000, expiresAt: T0 + 300_000 };
const way = (id: string) => ({ transport: 'mse', path: `/live/${id}/ws` }) as const;
const lease = (id: string): Lease => ({ ...BEAT, id, ways: [way(id)] });
const settle = () => vi.advanceTimersByTimeAsync(0);
const last = () => views.at(-1) as View;

const make = (kind: ViewKind) => makeSession(kind, { log, grants, views, beats: () => beats });

async function playing(kind: ViewKind = 'modal'): Promise<void> {
  session = make(kind);
  session.open('gate');
  await settle();
  grants.pop()?.({ lease: lease('a') });
  await settle();
  session.shown();
  log.length = 0;
}

beforeEach(() => {
  vi.useFakeTimers({ now: T0 });
  log = [];
  grants = [];
  views = [];
  beats = { expiresAt: null };
});

test('a wish becomes a lease, and the lease a picture', async () => {
  session = make('modal');
  session.open('gate');
  await settle();
  expect(last().phase.kind).toBe('asking');
  grants[0]?.({ lease: lease('a') });
  await settle();
  expect(log).toEqual(['stop', 'ask gate sub', 'play /live/a/ws']);
  expect(last().phase.kind).toBe('opening');
  session.shown();
  expect(last()).toMatchObject({ camera: 'gate', phase: { kind: 'playing' }, lease: { id: 'a' } });
});

test('closed before the server answers, the lease is given back, and the next wish waits for that', async () => {
  session = make('modal');
  session.open('gate');
  await settle();
  session.close();
  session.open('yard');
  await settle();
  expect(log.filter((line) => line.startsWith('ask'))).toEqual(['ask gate sub']);
  grants[0]?.({ lease: lease('a') });
  await settle();
  expect(log.slice(-2)).toEqual(['release a', 'ask yard sub']);
  expect(log).not.toContain('play /live/a/ws');
});

test('the other stream breaks before it makes', async () => {
  await playing();
  session.setQuality('main');
  await settle();
  expect(log).toEqual(['release a', 'ask gate main']);
});

test('heartbeats keep the lease; one that fails is repeated soon; an ended lease ends the view', async () => {
  await playing();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(log).toEqual(['beat a', 'beat a']);
  beats = { why: because('offline') };
  await vi.advanceTimersByTimeAsync(35_000);
  expect(log).toHaveLength(4);
  expect(last().phase.kind).toBe('playing');
  beats = { why: because('revoked') };
  await vi.advanceTimersByTimeAsync(5_000);
  expect(last()).toMatchObject({ phase: { kind: 'stopped', why: { word: 'revoked' } }, lease: null });
  await vi.advanceTimersByTimeAsync(600_000);
  expect(log).toHaveLength(5);
});

test('media reminds of a heartbeat whose timer sleeps', async () => {
  await playing('suggest');
  vi.setSystemTime(T0 + 31_000);
  session.heard();
  await settle();
  expect(log).toEqual(['beat a']);
});

test('confirming moves the end', async () => {
  await playing();
  beats = { expiresAt: T0 + 999_000 };
  session.renew();
  await settle();
  expect(log).toEqual(['renew a']);
  expect(last().lease?.expiresAt).toBe(T0 + 999_000);
});

test('a broken stream comes back on its lease; 30 s of pictures forget the failures', async () => {
  await playing();
  for (let round = 0; round < 5; round += 1) {
    session.failed(because('lost'));
    await vi.advanceTimersByTimeAsync(1000);
    expect(log.slice(-2)).toEqual(['beat a', 'play /live/a/ws']);
    session.shown();
    vi.setSystemTime(Date.now() + 30_001);
    session.heard();
    await settle();
  }
});

test('three quick failures give the view back', async () => {
  await playing();
  for (const pause of [1000, 2000, 0]) {
    session.failed(because('stalled'));
    await vi.advanceTimersByTimeAsync(pause);
  }
  expect(last().phase).toEqual({ kind: 'stopped', why: because('stalled') });
  expect(log.at(-1)).toBe('release a');
  session.reconnect();
  await settle();
  expect(log.at(-1)).toBe('ask gate sub');
});

test('the suggestion asks for a new lease when its own is over, without end', async () => {
  await playing('suggest');
  for (let round = 1; round <= 8; round += 1) {
    session.failed(because('expired'));
    await vi.advanceTimersByTimeAsync(30_000);
    expect(log.filter((line) => line === 'ask gate sub')).toHaveLength(round);
    grants.pop()?.({ lease: lease(`b${round}`) });
    await settle();
    expect(log.at(-1)).toBe(`play /live/b${round}/ws`);
  }
});

test('a camera without a small stream is asked for its large one, once', async () => {
  session = make('modal');
  session.open('gate');
  for (let round = 0; round < 3; round += 1) {
    await settle();
    grants.pop()?.({ why: because('STREAM_NOT_DECLARED') });
  }
  await settle();
  expect(log).toEqual(['stop', 'ask gate sub', 'ask gate main']);
  expect(last().phase).toEqual({ kind: 'stopped', why: because('STREAM_NOT_DECLARED') });
});

test('what was given back stays so, until somebody asks', async () => {
  await playing();
  session.giveBack('hidden');
  expect(log).toEqual(['release a']);
  session.giveBack('idle');
  session.wake();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(log).toEqual(['release a']);
  expect(last().phase).toEqual({ kind: 'stopped', why: because('hidden') });
  session.reconnect(true);
  await settle();
  expect(log.at(-1)).toBe('ask gate sub taking over');
});

test('waking up does not wait for the timer, but a refusal is not asked about sooner', async () => {
  await playing('suggest');
  session.failed(because('lost'));
  session.wake();
  await settle();
  expect(log).toEqual(['beat a', 'play /live/a/ws']);
  session.failed(because('OVER_CAPACITY'));
  log.length = 0;
  session.wake();
  await settle();
  expect(log).toEqual([]);
});
