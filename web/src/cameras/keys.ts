/** Where an arrow key leads in a grid whose rows are only known from the places of its tiles. Pure. */

export interface Place {
  readonly x: number;
  readonly y: number;
}

/** Tiles of one row may differ by less than this (borders, rounding). */
const ROW_TOLERANCE = 4;

/** The index to move to, or null when the key does not move. */
export function move(key: string, from: number, places: readonly Place[]): number | null {
  const here = places[from];
  if (here === undefined) return null;
  const last = places.length - 1;
  switch (key) {
    case 'ArrowRight':
      return Math.min(last, from + 1);
    case 'ArrowLeft':
      return Math.max(0, from - 1);
    case 'Home':
      return 0;
    case 'End':
      return last;
    case 'ArrowDown':
      return nextRow(here, from, places, 1);
    case 'ArrowUp':
      return nextRow(here, from, places, -1);
    default:
      return null;
  }
}

function nextRow(here: Place, from: number, places: readonly Place[], direction: 1 | -1): number {
  const beyond = places
    .map((place, index) => ({ index, dx: Math.abs(place.x - here.x), dy: (place.y - here.y) * direction }))
    .filter(({ dy }) => dy > ROW_TOLERANCE);
  const row = Math.min(...beyond.map(({ dy }) => dy));
  const candidates = beyond.filter(({ dy }) => dy - row < ROW_TOLERANCE).sort((a, b) => a.dx - b.dx);
  return candidates[0]?.index ?? from;
}
