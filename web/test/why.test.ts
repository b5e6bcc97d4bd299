import { expect, test } from 'vitest';
import { en } from '../src/i18n/en';
import { ja } from '../src/i18n/ja';
import { countdown, parseLease } from '../src/live/lease';
import { whyRefused } from '../src/live/leases';
import { codecName, parseText } from '../src/live/media';
import { because, endsLease, nextTry, whyClosed } from '../src/live/why';
import { remedy, whyText } from '../src/live/words';
import { T0, t } from './samples';

const CLOSES: readonly (readonly [number, string, boolean])[] = [
  [4001, 'expired', true],
  [4002, 'heartbeat', true],
  [4003, 'released', true],
  [4004, 'revoked', true],
  [4005, 'camera_removed', true],
  [4006, 'preempted', true],
  [4007, 'slow', false],
  [4008, 'engine', false],
  [4009, 'shutdown', false],
  [1006, 'lost', false],
  [1000, 'lost', false],
];

test.each(CLOSES)('a socket closed with %i means %s', (code, word, over) => {
  const why = whyClosed(code, word);
  expect(why).toEqual({ word, detail: null });
  expect(endsLease(why)).toBe(over);
  expect(Object.keys(en)).toContain(`live.why.${word}`);
});

test('an engine that says that the browser cannot play it is believed', () => {
  expect(whyClosed(4008, 'the browser cannot play h265').word).toBe('unsupported');
  expect(whyClosed(4008, 'the camera does not deliver: timeout')).toEqual(
    because('engine', 'the camera does not deliver: timeout'),
  );
});

test('an opened view tries three times and then waits for its viewer', () => {
  const tries = [1, 2, 3].map((failures) => nextTry('modal', because('lost'), failures, 0.5));
  expect(tries).toEqual([1000, 2000, null]);
  const away = [1, 2, 3, 4, 5, 6].map((failures) => nextTry('modal', because('offline'), failures, 0.5));
  expect(away).toEqual([1000, 2000, 4000, 8000, 16_000, null]);
});

test('an opened view whose lease ended, or that was refused, is not begun again by itself', () => {
  const words = [
    'expired',
    'heartbeat',
    'revoked',
    'preempted',
    'gone',
    'OVER_CAPACITY',
    'NO_SLOT',
    'refused',
  ];
  for (const word of words) expect(nextTry('modal', because(word), 1, 0.5)).toBeNull();
});

test('the suggestion tries for ever: doubling to 30 s, and seldom where it was refused', () => {
  const pauses = [1, 2, 3, 4, 5, 6, 1000].map((n) => nextTry('suggest', because('revoked'), n, 0.5));
  expect(pauses).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  expect(nextTry('suggest', because('OVER_CAPACITY'), 1, 0.5)).toBe(30_000);
  expect(nextTry('suggest', because('SUGGEST_DISABLED'), 1, 0.5)).toBe(30_000);
});

test('what a retry cannot change is not retried', () => {
  for (const kind of ['modal', 'suggest'] as const) {
    for (const word of ['unsupported', 'noMse', 'camera_removed', 'hidden', 'idle']) {
      expect(nextTry(kind, because(word), 1, 0.5)).toBeNull();
    }
  }
});

test('refusals go by their code; others keep the sentence of the server', () => {
  const refused = (status: number, body: unknown) => whyRefused({ status, body });
  expect(refused(503, { code: 'SYSTEM_OVERLOAD', detail: 'cpu' })).toEqual(because('SYSTEM_OVERLOAD', 'cpu'));
  expect(refused(409, { code: 'CAMERA_DISABLED' }).word).toBe('CAMERA_DISABLED');
  expect(refused(404, null).word).toBe('notFound');
  expect(refused(500, null).word).toBe('offline');
  expect(whyText(refused(409, { code: 'FULL_MOON', detail: 'not tonight' }), t)).toContain('not tonight');
  const words = [
    'OVER_CAPACITY',
    'SYSTEM_OVERLOAD',
    'USER_ALREADY_HAS_MODAL',
    'NO_SLOT',
    'CAMERA_DISABLED',
    'SUGGEST_DISABLED',
  ];
  for (const word of words) {
    expect(en).toHaveProperty([`live.why.${word}`]);
    expect(ja).toHaveProperty([`live.why.${word}`]);
  }
});

test('every stop offers what helps', () => {
  const stopped = (word: string) => ({ kind: 'stopped', why: because(word) }) as const;
  expect(remedy(stopped('USER_ALREADY_HAS_MODAL'), 'sub')).toBe('takeOver');
  expect(remedy(stopped('unsupported'), 'main')).toBe('useSub');
  expect(remedy(stopped('unsupported'), 'sub')).toBeNull();
  expect(remedy(stopped('STREAM_NOT_DECLARED'), 'main')).toBe('useSub');
  expect(remedy(stopped('expired'), 'main')).toBe('reconnect');
  expect(remedy({ kind: 'playing' }, 'main')).toBeNull();
});

test('a lease is read carefully', () => {
  const body = { id: 'a', ws: '/live/a/ws', heartbeatSeconds: 30, expiresAt: new Date(T0).toISOString() };
  expect(parseLease(body, 'modal')).toEqual({
    id: 'a',
    ways: [{ transport: 'mse', path: '/live/a/ws' }],
    heartbeatMs: 30_000,
    expiresAt: T0,
  });
  expect(parseLease(body, 'suggest')?.expiresAt).toBeNull();
  for (const bad of [null, 'x', {}, { ...body, ws: '//elsewhere/x' }, { ...body, ws: 'wss://elsewhere/x' }]) {
    expect(parseLease(bad, 'modal')).toBeNull();
  }
  expect(parseLease({ ...body, heartbeatSeconds: 0 }, 'modal')?.heartbeatMs).toBe(1000);
});

test('the last minute is counted, in whole seconds rounded up', () => {
  const lease = { id: 'a', ways: [], heartbeatMs: 1, expiresAt: T0 };
  const left = (ms: number) => countdown(lease, T0 - ms);
  expect([left(60_001), left(60_000), left(59_001), left(1), left(-500)]).toEqual([null, 60, 60, 1, 0]);
  expect(countdown({ ...lease, expiresAt: null }, T0)).toBeNull();
  expect(countdown(null, T0)).toBeNull();
});

test('the first message of a stream is read; others are not taken for it', () => {
  expect(parseText('{"type":"mse","value":"video/mp4; codecs=\\"avc1.640028\\""}', 'mse')).toBe(
    'video/mp4; codecs="avc1.640028"',
  );
  for (const text of ['', 'null', '{"type":"mse"}', '{"type":"error","value":"x"}']) {
    expect(parseText(text, 'mse')).toBeNull();
    expect(parseText(text, 'webrtc/answer')).toBeNull();
  }
  expect(codecName('video/mp4; codecs="hvc1.1.6.L153.B0"')).toBe('H.265');
  expect(codecName('video/mp4; codecs="av01.0.04M.08"')).toBe('av01.0.04M.08');
});
