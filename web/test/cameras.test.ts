import { expect, test } from 'vitest';
import { move, type Place } from '../src/cameras/keys';
import { sameSelection, select, sortedNames, type View } from '../src/cameras/select';
import { isStale } from '../src/cameras/stale';
import type { Badge, Camera } from '../src/wire';
import { camera, frame, subnet, T0 } from './samples';

const withBadge = (name: string, badge: Badge, change: Partial<Camera> = {}) => {
  const base = camera(name, change);
  return { ...base, state: { ...base.state, badge } };
};
const fleet = new Map(
  [
    withBadge('cam-10', 'ok', { displayName: '第三倉庫' }),
    withBadge('cam-9', 'bad', { subnet: 'south', address: '10.0.0.9' }),
    withBadge('cam-1', 'warn'),
    withBadge('cam-2', 'off'),
  ].map((one) => [one.name, one]),
);

const pick = (cameras: ReadonlyMap<string, Camera>, view: View, text: string) =>
  select(cameras, sortedNames([], cameras), view, text);

test('the order is kept until the names change', () => {
  const before = sortedNames([], fleet);
  expect(sortedNames(before, new Map(fleet))).toBe(before);
  const renamed = new Map(fleet);
  renamed.delete('cam-9');
  renamed.set('cam-3', camera('cam-3'));
  expect(sortedNames(before, renamed)).toEqual(['cam-1', 'cam-2', 'cam-3', 'cam-10']);
});

test('cameras stand in the order of their numbers', () => {
  expect(pick(fleet, 'all', '').groups).toEqual([
    { subnet: null, names: ['cam-1', 'cam-2', 'cam-9', 'cam-10'] },
  ]);
});

test('problems are warnings and failures, not what is switched off', () => {
  const selection = pick(fleet, 'problems', '');
  expect(selection.groups[0]?.names).toEqual(['cam-1', 'cam-9']);
  expect(selection).toMatchObject({ total: 4, problems: 2, shown: 2 });
});

test('the find box looks at name, address and subnet, in any width of letters', () => {
  const names = (text: string) => pick(fleet, 'all', text).groups.flatMap((group) => group.names);
  expect(names('第三')).toEqual(['cam-10']);
  expect(names('SOUTH 10.0')).toEqual(['cam-9']);
  expect(names('ｃａｍ-1')).toEqual(['cam-1', 'cam-10']);
  expect(names('zeppelin')).toEqual([]);
});

test('cameras are grouped by subnet', () => {
  expect(pick(fleet, 'bySubnet', '').groups).toEqual([
    { subnet: 'north', names: ['cam-1', 'cam-2', 'cam-10'] },
    { subnet: 'south', names: ['cam-9'] },
  ]);
});

test('a new picture does not make the selection another', () => {
  const newer = new Map(fleet).set('cam-1', withBadge('cam-1', 'warn', { lastFrame: frame(2, T0) }));
  expect(sameSelection(pick(fleet, 'all', ''), pick(newer, 'all', ''))).toBe(true);
  const healed = new Map(fleet).set('cam-1', withBadge('cam-1', 'ok'));
  expect(sameSelection(pick(fleet, 'all', ''), pick(healed, 'all', ''))).toBe(false);
});

test('arrows follow rows, also across groups of different length', () => {
  // 0 1 2 / 3   then a group: 4 5 6 / 7 8
  const xs = [0, 100, 200, 0, 0, 100, 200, 0, 100];
  const ys = [0, 0, 0, 90, 210, 210, 210, 300, 302];
  const places: Place[] = xs.map((x, index) => ({ x, y: ys[index] ?? 0 }));
  const go = (key: string, from: number) => move(key, from, places);
  expect(go('ArrowRight', 2)).toBe(3);
  expect(go('ArrowLeft', 0)).toBe(0);
  expect(go('ArrowRight', 8)).toBe(8);
  expect(go('ArrowDown', 2)).toBe(3);
  expect(go('ArrowDown', 3)).toBe(4);
  expect(go('ArrowUp', 5)).toBe(3);
  expect(go('ArrowDown', 6)).toBe(8);
  expect(go('ArrowUp', 1)).toBe(1);
  expect([go('Home', 5), go('End', 0)]).toEqual([0, 8]);
  expect([go('a', 0), go('ArrowDown', -1)]).toEqual([null, null]);
});

test('a picture is stale after two sweeps and a capture, or when the server says so', () => {
  const one = camera('a', { lastFrame: frame(1, T0) });
  expect(isStale(one, subnet('north', 60), T0 + 150_000)).toBe(false);
  expect(isStale(one, subnet('north', 60), T0 + 150_001)).toBe(true);
  expect(isStale(one, subnet('north', 600), T0 + 1_000_000)).toBe(false);
  const told = { type: 'Fresh', status: 'False', reason: '', message: '', lastTransitionTime: '' } as const;
  expect(isStale(camera('a', { conditions: [told] }), undefined, T0)).toBe(true);
  expect(isStale(camera('a', { lastFrame: null }), undefined, T0 + 1e9)).toBe(false);
});
