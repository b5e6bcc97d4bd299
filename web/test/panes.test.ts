import { expect, test } from 'vitest';
import { kinds, newSince, rows, severityClass } from '../src/events/rows';
import { DWELL_MS, focus } from '../src/now/focus';
import { heldToShow } from '../src/now/held';
import { mayReload, nextReload, PATIENCE_MS } from '../src/reload';
import { shortcut } from '../src/shortcuts';
import { apply, EMPTY_WORLD } from '../src/world';
import { camera, event, frame, snapshot, T0 } from './samples';

const log = [
  event(1),
  event(2),
  event(3, { primaryEvent: 'human' }),
  event(4),
  event(5, { cameraId: 'b' }),
  event(6, { cameraId: 'b' }),
];

test('repeats of one kind on one camera are one row, newest first', () => {
  expect(rows(log, null, null).map(({ key, count, newest }) => [key, count, newest.seq])).toEqual([
    [5, 2, 6],
    [4, 1, 4],
    [3, 1, 3],
    [1, 2, 2],
  ]);
});

test('a row keeps its key while it grows', () => {
  const grown = rows([...log, event(7, { cameraId: 'b' })], null, null);
  expect(grown[0]).toMatchObject({ key: 5, count: 3 });
});

test('losses for different reasons are different rows', () => {
  const lost = (seq: number, reason: string) =>
    event(seq, { primaryEvent: 'camera_lost', attributes: { reason } });
  expect(rows([lost(1, 'Refused'), lost(2, 'Timeout')], null, null).length).toBe(2);
});

test('the filter shows one kind and joins its repeats', () => {
  expect(rows(log, 'motion', null).map(({ key, count }) => [key, count])).toEqual([
    [5, 2],
    [1, 3],
  ]);
  expect(kinds(log)).toEqual(['human', 'motion']);
});

test('a held log stands still and counts what is new', () => {
  expect(rows(log, null, 3)[0]?.newest.seq).toBe(3);
  expect(newSince(log, null, 3)).toBe(3);
  expect(newSince(log, 'human', 3)).toBe(0);
});

test('severities beyond the scale stay on it', () => {
  expect([-1, 0, 2, 3, 4].map(severityClass)).toEqual(['s0', 's0', 's2', 's3', 's3']);
});

test('the Now pane shows the camera of the newest event', () => {
  const world = apply(EMPTY_WORLD, snapshot([event(1), event(2, { cameraId: null })]), T0);
  expect(focus(null, world, T0)).toMatchObject({ camera: 'a', event: { seq: 1 } });
});

test('a view that an operator ended turns nobody to its camera', () => {
  const events = [event(1), event(2, { cameraId: 'b', primaryEvent: 'lease_revoked' })];
  const world = apply(EMPTY_WORLD, snapshot(events, [camera('a'), camera('b')]), T0);
  expect(focus(null, world, T0)?.camera).toBe('a');
});

test('without an event it shows the newest picture, without a camera nothing', () => {
  const cameras = [
    camera('a'),
    camera('b', { lastFrame: frame(2, T0 + 1000) }),
    camera('c', { lastFrame: null }),
  ];
  expect(focus(null, apply(EMPTY_WORLD, snapshot([], cameras), T0), T0)).toMatchObject({
    camera: 'b',
    event: null,
  });
  expect(focus(null, EMPTY_WORLD, T0)).toBeNull();
});

test('a camera once shown stays for a while, unless it is removed', () => {
  const before = focus(null, apply(EMPTY_WORLD, snapshot([event(1)], [camera('a'), camera('b')]), T0), T0);
  const later = apply(
    EMPTY_WORLD,
    snapshot([event(1), event(2, { cameraId: 'b' })], [camera('a'), camera('b')]),
    T0,
  );
  expect(focus(before, later, T0 + DWELL_MS - 1)).toBe(before);
  expect(focus(before, later, T0 + DWELL_MS)?.camera).toBe('b');
  expect(focus(before, apply(later, { type: 'cameraRemoved', name: 'a' }, T0), T0 + 1)?.camera).toBe('b');
});

test('the next reload is the next such hour, spread over five minutes', () => {
  const at = (text: string) => new Date(text).getTime();
  expect(nextReload(new Date('2026-11-22T02:59:00'), '03:00', 0)).toBe(at('2026-11-22T03:00:00'));
  expect(nextReload(new Date('2026-11-22T03:00:00'), '03:00', 0)).toBe(at('2026-11-23T03:00:00'));
  expect(nextReload(new Date('2026-11-22T02:00:00'), '03:00', 0.5)).toBe(at('2026-11-22T03:02:30'));
  expect(nextReload(new Date(), 'never', 0)).toBeNull();
});

test('an open dialog postpones the reload, but not for ever', () => {
  expect(mayReload(T0 - 1, T0, false)).toBe(false);
  expect(mayReload(T0, T0, false)).toBe(true);
  expect(mayReload(T0, T0, true)).toBe(false);
  expect(mayReload(T0 + PATIENCE_MS, T0, true)).toBe(true);
});

test('shortcuts are off while someone types or a dialog is open', () => {
  expect([shortcut('/', false, false), shortcut('?', false, false), shortcut('x', false, false)]).toEqual([
    'find',
    'help',
    null,
  ]);
  expect([shortcut('/', true, false), shortcut('?', false, true)]).toEqual([null, null]);
});

test('what waits for a person comes first among the held, and the rest is counted', () => {
  const held = (object: string, until: string | null) => ({
    kind: 'Capture',
    object,
    reason: '',
    message: '',
    until,
  });
  const list = [held('a', 'x'), held('b', 'x'), held('c', null), held('d', 'x')];
  expect(heldToShow(list, 3).shown.map(({ object }) => object)).toEqual(['c', 'a', 'b']);
  expect([heldToShow(list, 3).more, heldToShow(list, 9).more]).toEqual([1, 0]);
});
