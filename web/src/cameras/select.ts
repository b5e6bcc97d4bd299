/** Which cameras the grid shows, in which order and groups. Pure. */

import type { Camera } from '../wire';

export type View = 'all' | 'problems' | 'bySubnet';

export interface Group {
  /** Null when the grid is not grouped. */
  readonly subnet: string | null;
  readonly names: readonly string[];
}

export interface Selection {
  readonly groups: readonly Group[];
  readonly total: number;
  readonly problems: number;
  readonly shown: number;
}

const order = new Intl.Collator('en', { numeric: true });

/** All cameras' names in the order of their numbers; `before` itself while the names are the same. */
export function sortedNames(
  before: readonly string[],
  cameras: ReadonlyMap<string, Camera>,
): readonly string[] {
  const same = before.length === cameras.size && before.every((name) => cameras.has(name));
  return same ? before : [...cameras.keys()].sort(order.compare);
}

/** `names` gives the order. */
export function select(
  cameras: ReadonlyMap<string, Camera>,
  names: readonly string[],
  view: View,
  text: string,
): Selection {
  const all = names.map((name) => cameras.get(name)).filter((camera) => camera !== undefined);
  const words = text.normalize('NFKC').toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = all.filter((camera) => (view !== 'problems' || isProblem(camera)) && matches(camera, words));
  return {
    groups:
      view === 'bySubnet' ? bySubnet(wanted) : [{ subnet: null, names: wanted.map(({ name }) => name) }],
    total: all.length,
    problems: all.filter(isProblem).length,
    shown: wanted.length,
  };
}

/** Switched off on purpose is no problem. */
export function isProblem(camera: Camera): boolean {
  return camera.state.badge === 'warn' || camera.state.badge === 'bad';
}

export function sameSelection(a: Selection, b: Selection): boolean {
  return a.total === b.total && a.problems === b.problems && sameGroups(a.groups, b.groups);
}

function matches(camera: Camera, words: readonly string[]): boolean {
  if (words.length === 0) return true;
  const place = [camera.name, camera.displayName, camera.address, camera.subnet].join(' ');
  const folded = place.normalize('NFKC').toLowerCase();
  return words.every((word) => folded.includes(word));
}

function bySubnet(cameras: readonly Camera[]): readonly Group[] {
  const groups = new Map<string, string[]>();
  for (const { subnet, name } of cameras) {
    const names = groups.get(subnet) ?? [];
    names.push(name);
    groups.set(subnet, names);
  }
  return [...groups].sort(([a], [b]) => order.compare(a, b)).map(([subnet, names]) => ({ subnet, names }));
}

function sameGroups(a: readonly Group[], b: readonly Group[]): boolean {
  return (
    a.length === b.length &&
    a.every((group, index) => {
      const other = b[index];
      return (
        other !== undefined &&
        group.subnet === other.subnet &&
        group.names.length === other.names.length &&
        group.names.every((name, place) => name === other.names[place])
      );
    })
  );
}
