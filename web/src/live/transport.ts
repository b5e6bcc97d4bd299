/** Which way media comes: which of those that are offered to try, and when to turn to another. Pure. */

import type { Why } from './why';

export type Transport = 'mse' | 'webrtc' | 'hls';

/** One that the server offers, and where it begins. */
export interface Way {
  readonly transport: Transport;
  readonly path: string;
}

/** What this browser has for each. */
export type Means = Readonly<Record<Transport, boolean>>;

const TRANSPORTS: readonly Transport[] = ['mse', 'webrtc', 'hls'];

/** With these a way cannot work for this stream in this browser, however often it is tried. */
const HOPELESS: ReadonlySet<string> = new Set(['unsupported', 'noMse', 'unreached']);
/** These may be the way's fault: another one is tried after a second time in a row. */
const DOUBTFUL: ReadonlySet<string> = new Set(['lost', 'stalled', 'decode', 'quota', 'overflow', 'slow']);
const DOUBTS = 2;

/** The ways of a granted lease, in the server's order. One that is unknown here is left out. */
export function parseWays(body: Readonly<Record<string, unknown>>): readonly Way[] {
  const paths: Readonly<Record<Transport, unknown>> = { mse: body.ws, webrtc: body.webrtc, hls: body.hls };
  const named = Array.isArray(body.transports) ? body.transports : ['mse'];
  return named.flatMap((name: unknown) => {
    const transport = TRANSPORTS.find((known) => known === name);
    const path = transport === undefined ? undefined : paths[transport];
    return transport !== undefined && isPath(path) ? [{ transport, path }] : [];
  });
}

/** A path of this server, not `//other.host/…`. */
export function isPath(path: unknown): path is string {
  return typeof path === 'string' && /^\/[^/\\]/.test(path);
}

/** Remembers for one view what was tried. */
export class Ways {
  private readonly means: () => Means;
  private readonly dead = new Set<Transport>();
  private current: Transport | null = null;
  private doubts = 0;

  constructor(means: () => Means) {
    this.means = means;
  }

  /** Another camera or stream: everything may work again. */
  reset(): void {
    this.dead.clear();
    this.current = null;
    this.doubts = 0;
  }

  /** The way to take now; null when there is none that could work. */
  pick(offered: readonly Way[]): Way | null {
    const open = this.open(offered);
    const way = open.find(({ transport }) => transport === this.current) ?? open[0] ?? null;
    this.current = way?.transport ?? null;
    return way;
  }

  /** It plays. */
  well(): void {
    this.doubts = 0;
  }

  /** The way in use failed. True: another one is to be taken at once. */
  failed(why: Why, offered: readonly Way[]): boolean {
    const { current } = this;
    if (current === null) return false;
    const others = this.open(offered).filter(({ transport }) => transport !== current);
    if (HOPELESS.has(why.word)) {
      if (others.length === 0) return false;
      this.dead.add(current);
      this.turn(offered);
      return true;
    }
    if (DOUBTFUL.has(why.word) && others.length > 0) {
      this.doubts += 1;
      if (this.doubts >= DOUBTS) this.turn(offered);
    }
    return false;
  }

  /** To the next one in the server's order, after the last to the first. */
  private turn(offered: readonly Way[]): void {
    const at = offered.findIndex(({ transport }) => transport === this.current);
    const round = [...offered.slice(at + 1), ...offered.slice(0, at + 1)];
    this.current = this.open(round)[0]?.transport ?? null;
    this.doubts = 0;
  }

  private open(offered: readonly Way[]): readonly Way[] {
    const means = this.means();
    return offered.filter(({ transport }) => means[transport] && !this.dead.has(transport));
  }
}
