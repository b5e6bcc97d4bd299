/** Which held actions stand on the first screen. Pure. */

import type { HeldAction } from '../wire';

export interface HeldList {
  readonly shown: readonly HeldAction[];
  readonly more: number;
}

/** At most `most`; those that wait for a person come before those that time releases. */
export function heldToShow(held: readonly HeldAction[], most: number): HeldList {
  const ordered = [
    ...held.filter(({ until }) => until === null),
    ...held.filter(({ until }) => until !== null),
  ];
  return { shown: ordered.slice(0, most), more: Math.max(0, held.length - most) };
}
