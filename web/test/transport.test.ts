import { beforeEach, expect, test } from 'vitest';
import { type Means, parseWays, type Transport, type Way, Ways } from '../src/live/transport';
import { because } from '../src/live/why';

const ALL: readonly Way[] = [
  { transport: 'mse', path: '/live/a/ws' },
  { transport: 'webrtc', path: '/live/a/ws?transport=webrtc' },
  { transport: 'hls', path: '/live/a/stream.m3u8' },
];

let means: Means;
let ways: Ways;
const pick = (): Transport | undefined => ways.pick(ALL)?.transport;

beforeEach(() => {
  means = { mse: true, webrtc: true, hls: true };
  ways = new Ways(() => means);
});

test('the ways of a lease are those of this server that are named and known', () => {
  const paths = { ws: '/live/a/ws', webrtc: '/live/a/ws?transport=webrtc', hls: '/live/a/stream.m3u8' };
  expect(parseWays({ ...paths, transports: ['mse', 'webrtc', 'hls', 'quic'] })).toEqual(ALL);
  expect(parseWays({ ...paths })).toEqual(ALL.slice(0, 1));
  expect(parseWays({ ...paths, hls: '//elsewhere/x', transports: ['mse', 'hls'] })).toEqual(ALL.slice(0, 1));
  expect(parseWays({ ...paths, hls: '/\\elsewhere/x', transports: ['hls'] })).toEqual([]);
  expect(parseWays({ transports: ['mse'] })).toEqual([]);
});

test('the first that this browser has is taken, and kept', () => {
  expect([pick(), pick()]).toEqual(['mse', 'mse']);
  ways.reset();
  means = { mse: false, webrtc: true, hls: true };
  expect(pick()).toBe('webrtc');
  means = { mse: false, webrtc: false, hls: false };
  expect(pick()).toBeUndefined();
});

test('what cannot work is left at once and for good', () => {
  pick();
  expect(ways.failed(because('unsupported'), ALL)).toBe(true);
  expect(pick()).toBe('webrtc');
  expect(ways.failed(because('unreached'), ALL)).toBe(true);
  expect(pick()).toBe('hls');
  expect(ways.failed(because('unsupported'), ALL)).toBe(false);
  ways.reset();
  expect(pick()).toBe('mse');
});

test('what may be at fault is left after the second time in a row, and comes round again', () => {
  const seen: (Transport | undefined)[] = [];
  for (let round = 0; round < 8; round += 1) {
    seen.push(pick());
    expect(ways.failed(because(round % 2 === 0 ? 'lost' : 'stalled'), ALL)).toBe(false);
  }
  expect(seen).toEqual(['mse', 'mse', 'webrtc', 'webrtc', 'hls', 'hls', 'mse', 'mse']);
  pick();
  ways.failed(because('lost'), ALL);
  ways.well();
  ways.failed(because('lost'), ALL);
  expect(pick()).toBe(seen[2]);
});

test('what is not its fault does not count, nor does anything where there is no other', () => {
  pick();
  for (const word of ['engine', 'engine', 'shutdown', 'offline', 'expired', 'NO_SLOT', 'revoked']) {
    expect(ways.failed(because(word), ALL)).toBe(false);
  }
  expect(pick()).toBe('mse');
  means = { mse: true, webrtc: false, hls: false };
  for (const word of ['unsupported', 'lost', 'lost', 'lost']) {
    expect(ways.failed(because(word), ALL)).toBe(false);
  }
  expect(pick()).toBe('mse');
});
