/** One pane's live view from the wish to the picture: a lease, the player on it, the next try, the end. It decides
 * by `why.ts`, draws nothing, and reads no clock of its own. */

import { LeaseKeeper } from './keeper';
import type { Lease, Quality } from './lease';
import type { Leases } from './leases';
import { type Means, type Transport, type Way, Ways } from './transport';
import { because, endsLease, HEALTHY_MS, isRefusal, nextTry, type ViewKind, type Why } from './why';

export type Phase =
  | { readonly kind: 'idle' }
  /** A lease is asked for. */
  | { readonly kind: 'asking' }
  /** The stream is opened. */
  | { readonly kind: 'opening' }
  | { readonly kind: 'playing' }
  /** Tries again by itself at `retryAt`. */
  | { readonly kind: 'waiting'; readonly why: Why; readonly retryAt: number }
  /** Only a person, or another camera, begins again. */
  | { readonly kind: 'stopped'; readonly why: Why };

export interface View {
  readonly camera: string | null;
  readonly quality: Quality;
  readonly phase: Phase;
  readonly lease: Lease | null;
  /** The way that media comes, or last came. */
  readonly transport: Transport | null;
}

export interface SessionPorts {
  readonly leases: Leases;
  readonly player: { play(way: Way): void; stop(): void; freeze(): void };
  readonly codecs: () => readonly string[];
  readonly means: () => Means;
  readonly now: () => number;
  readonly after: (ms: number, run: () => void) => () => void;
  readonly random: () => number;
  readonly changed: (view: View) => void;
}

export class LiveSession {
  view: View = { camera: null, quality: 'sub', phase: { kind: 'idle' }, lease: null, transport: null };
  private readonly kind: ViewKind;
  private readonly ports: SessionPorts;
  private readonly keeper: LeaseKeeper;
  private readonly ways: Ways;
  /** Grows with every new beginning: an answer to an older one is no longer wanted. */
  private turn = 0;
  private failures = 0;
  private shownAt: number | null = null;
  private cancelRetry: () => void = () => {};

  constructor(kind: ViewKind, ports: SessionPorts) {
    this.kind = kind;
    this.ports = ports;
    this.ways = new Ways(ports.means);
    this.keeper = new LeaseKeeper({
      ...ports,
      changed: (lease) => this.set({ lease }),
      ended: (why) => this.failed(why),
    });
  }

  open(camera: string, quality: Quality = 'sub'): void {
    // Not frozen first: each picture that is kept costs memory in the browser for some time.
    this.ports.player.stop();
    this.end();
    this.ways.reset();
    this.set({ camera, quality });
    this.begin();
  }

  /** The other stream of the same camera: the old one is given back first, its last picture stays. */
  setQuality(quality: Quality): void {
    if (this.view.camera === null || quality === this.view.quality) return;
    this.ways.reset();
    this.set({ quality });
    this.reconnect();
  }

  /** A person asks to go on; `takeOver` ends the same user's view elsewhere. */
  reconnect(takeOver = false): void {
    if (this.view.camera === null) return;
    this.end();
    this.begin(takeOver);
  }

  /** Gives the view back and shows no picture. */
  close(): void {
    this.ports.player.stop();
    this.end();
    this.set({ camera: null, quality: 'sub', phase: { kind: 'idle' } });
  }

  /** Gives the view back; its last picture stays until somebody asks to go on. */
  giveBack(word: string): void {
    const { kind } = this.view.phase;
    if (kind === 'idle' || kind === 'stopped') return;
    this.end();
    this.set({ phase: { kind: 'stopped', why: because(word) } });
  }

  /** The network or the page is back: do not wait for the timer. A refusal is not asked about sooner. */
  wake(): void {
    const { phase } = this.view;
    if (phase.kind === 'waiting' && !isRefusal(phase.why)) void this.resume();
  }

  renew(): void {
    void this.keeper.renew();
  }

  /** From the player. */
  shown(): void {
    this.shownAt = this.ports.now();
    this.set({ phase: { kind: 'playing' } });
  }

  /** From the player: media arrives. */
  heard(): void {
    this.keeper.heard();
    if (this.shownAt === null || this.ports.now() - this.shownAt <= HEALTHY_MS) return;
    this.failures = 0;
    this.ways.well();
  }

  /** From the player, which has stopped; or about the lease. */
  failed(why: Why): void {
    this.cancelRetry();
    this.shownAt = null;
    this.ports.player.freeze();
    // Another way, on the same lease.
    if (this.ways.failed(why, this.view.lease?.ways ?? [])) {
      this.go(this.turn, null);
      return;
    }
    this.failures += 1;
    if (endsLease(why)) this.keeper.forget();
    const wait = nextTry(this.kind, why, this.failures, this.ports.random());
    if (wait === null) {
      this.turn += 1;
      this.keeper.release();
      this.set({ phase: { kind: 'stopped', why } });
    } else {
      this.cancelRetry = this.ports.after(wait, () => void this.resume());
      this.set({ phase: { kind: 'waiting', why, retryAt: this.ports.now() + wait } });
    }
  }

  private begin(takeOver = false): void {
    this.failures = 0;
    void this.ask(takeOver);
  }

  private async ask(takeOver: boolean): Promise<void> {
    const { camera, quality } = this.view;
    if (camera === null) return;
    this.turn += 1;
    const [turn, codecs] = [this.turn, this.ports.codecs()];
    this.set({ phase: { kind: 'asking' } });
    this.go(turn, await this.keeper.acquire({ camera, quality, codecs, takeOver }, () => turn === this.turn));
  }

  /** The next try: on the lease if it is still there. */
  private async resume(): Promise<void> {
    this.cancelRetry();
    if (this.view.lease === null) return this.ask(false);
    const { turn } = this;
    this.set({ phase: { kind: 'opening' } });
    this.go(turn, await this.keeper.check());
  }

  private go(turn: number, why: Why | null): void {
    if (turn !== this.turn) return;
    const { lease, quality } = this.view;
    const way = this.ways.pick(lease?.ways ?? []);
    // The small stream is only a guess: a camera may have none but the large one.
    if (why?.word === 'STREAM_NOT_DECLARED' && quality === 'sub') this.setQuality('main');
    else if (why !== null) this.failed(why);
    else if (way !== null) {
      this.set({ phase: { kind: 'opening' }, transport: way.transport });
      this.ports.player.play(way);
    } else if (lease !== null) this.failed(because('noMse'));
  }

  /** Everything of the present view ends, but for its last picture. */
  private end(): void {
    this.turn += 1;
    this.cancelRetry();
    this.shownAt = null;
    this.ports.player.freeze();
    this.keeper.release();
  }

  private set(change: Partial<View>): void {
    this.view = { ...this.view, ...change };
    this.ports.changed(this.view);
  }
}
