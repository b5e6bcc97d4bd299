import { expect, test } from 'vitest';
import { apply, EMPTY_WORLD, EVENT_LIMIT, type World } from '../src/world';
import { camera, event, frame, iso, snapshot, status, T0 } from './samples';

const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => event(from + index));
const seqs = (world: World) => world.events.map(({ seq }) => seq);
const hello = (seq: number, version = '1') =>
  ({ type: 'hello', instance: 'i', version, seq, serverTime: iso(T0) }) as const;

test('a snapshot replaces cameras and continues the log', () => {
  const first = apply(EMPTY_WORLD, snapshot(range(1, 3)), T0);
  const second = apply(first, snapshot(range(3, 5), [camera('b')]), T0);
  expect(seqs(second)).toEqual([1, 2, 3, 4, 5]);
  expect([...second.cameras.keys()]).toEqual(['b']);
});

test('a snapshot that leaves a hole replaces the log', () => {
  const first = apply(EMPTY_WORLD, snapshot(range(1, 3)), T0);
  expect(seqs(apply(first, snapshot(range(50, 52)), T0))).toEqual([50, 51, 52]);
});

test('a hello of a log that began anew forgets the old log', () => {
  const first = apply(EMPTY_WORLD, snapshot(range(100, 103)), T0);
  expect(seqs(apply(first, hello(7), T0))).toEqual([]);
  expect(seqs(apply(first, hello(103), T0))).toEqual([100, 101, 102, 103]);
});

test('the log keeps the newest events and no more than its limit', () => {
  let world = apply(EMPTY_WORLD, snapshot(range(1, 700)), T0);
  for (const one of range(701, 3000)) world = apply(world, { type: 'event', event: one }, T0);
  expect(world.events.length).toBe(EVENT_LIMIT);
  expect(world.events[0]?.seq).toBe(2501);
  expect(world.events.at(-1)?.seq).toBe(3000);
});

test('an event that is known already changes nothing', () => {
  const world = apply(EMPTY_WORLD, snapshot(range(1, 3)), T0);
  expect(apply(world, { type: 'event', event: event(2) }, T0).events).toBe(world.events);
});

test('cameras and subnets are put and removed by name; others keep their identity', () => {
  const world = apply(EMPTY_WORLD, snapshot([], [camera('a'), camera('b')]), T0);
  const changed = apply(world, { type: 'camera', camera: camera('a', { lastFrame: frame(9, T0) }) }, T0);
  expect(changed.cameras.get('a')?.lastFrame?.id).toBe(9);
  expect(changed.cameras.get('b')).toBe(world.cameras.get('b'));
  expect(world.cameras.get('a')?.lastFrame?.id).toBe(1);
  expect([...apply(changed, { type: 'cameraRemoved', name: 'a' }, T0).cameras.keys()]).toEqual(['b']);
  expect(apply(changed, { type: 'subnetRemoved', name: 'north' }, T0).subnets.size).toBe(0);
});

test('the clock follows the server, but not the jitter of the network', () => {
  const local = T0 - 60_000;
  const world = apply(EMPTY_WORLD, { type: 'status', status: status(T0) }, local);
  expect(world.clockOffset).toBe(60_000);
  const later = apply(world, { type: 'heartbeat', serverTime: iso(T0 + 15_000) }, local + 15_900);
  expect(later.clockOffset).toBe(60_000);
});

test('an upgrade of the server is seen by its version', () => {
  const world = apply(apply(EMPTY_WORLD, hello(1, '1'), T0), hello(1, '2'), T0);
  expect([world.firstVersion, world.version]).toEqual(['1', '2']);
});
