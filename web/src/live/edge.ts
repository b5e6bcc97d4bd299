/** Where to play in what is buffered, so that the picture stays close to now. Pure; times in seconds. */

/** Buffered stretches, in order: `[start, end]`. */
export type Spans = readonly (readonly [number, number])[];

export interface Edge {
  /** Where to jump to; null: play on. */
  readonly seek: number | null;
  readonly rate: number;
}

/** The distance to the newest picture that is aimed for when deliveries are even. */
const CUSHION = 0.3;
const CUSHION_MOST = 1.5;
/** Each time the picture ran dry within the last minute asks for so much more distance. */
const CUSHION_STEP = 0.2;
const DRY_MEMORY_MS = 60_000;
const DRY_MOST = 8;
/** What runs dry several times within this time is one stall that the browser tells in pieces. */
const DRY_ONCE_MS = 1_000;

/** Beyond the cushion by this much it plays faster, until it is back within the lower bound. */
const FAST_FROM = 0.25;
const FAST_UNTIL = 0.05;
const FAR = 3;
const LOST = 8;

/** What is behind the picture by more is dropped, in strides, so that not every picture costs a removal. */
const KEEP_BEHIND = 10;
const TRIM_STRIDE = 5;

/** How far to stay behind: more where deliveries are uneven. */
export class Cushion {
  private dry: readonly number[] = [];

  ranDry(now: number): void {
    const last = this.dry.at(-1);
    if (last === undefined || now - last >= DRY_ONCE_MS) this.dry = [...this.dry, now].slice(-DRY_MOST);
  }

  seconds(now: number): number {
    const recent = this.dry.filter((at) => now - at < DRY_MEMORY_MS).length;
    return Math.min(CUSHION_MOST, CUSHION + recent * CUSHION_STEP);
  }
}

/** `settling`: the burst that opens a stream is just arriving; then a jump disturbs nobody. */
export function chase(spans: Spans, at: number, rate: number, cushion: number, settling: boolean): Edge {
  const last = spans.at(-1);
  if (last === undefined) return { seek: null, rate: 1 };
  const [start, end] = last;
  const gap = end - at;
  const goal = Math.max(start, end - cushion);
  // Before the newest stretch there is a hole, or nothing at all; after it there will never be anything.
  if (at < start || gap < -1 || gap > LOST) return { seek: goal, rate: 1 };
  if (settling && gap > cushion + FAST_FROM) return { seek: goal, rate: 1 };
  return { seek: null, rate: speed(gap, rate, cushion) };
}

function speed(gap: number, rate: number, cushion: number): number {
  if (gap > FAR) return Math.round((1.1 + (0.4 * (gap - FAR)) / (LOST - FAR)) * 10) / 10;
  if (gap > cushion + FAST_FROM) return 1.1;
  return rate > 1 && gap > cushion + FAST_UNTIL ? 1.1 : 1;
}

/** Up to where to remove old media; null while that is not worth it. */
export function trimTo(spans: Spans, at: number): number | null {
  const first = spans[0];
  if (first === undefined || first[0] >= at - KEEP_BEHIND - TRIM_STRIDE) return null;
  return at - KEEP_BEHIND;
}
