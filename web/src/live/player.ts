/** Plays one live socket at a time in one video element that is never replaced. It frees everything when it
 * stops. It knows no leases and does not connect again by itself: `session.ts` decides that. */

import { type Cancel, every, now } from '../schedule';
import { socketUrl } from '../urls';
import { Cushion } from './edge';
import { Feed, quietly } from './feed';
import { codecName, isPlayable, parseStart, sourceConstructor } from './media';
import { Screen } from './screen';
import { because, type Why, whyClosed } from './why';

/** From the start to the first picture: a sleeping camera may need a whole group of pictures. */
const FIRST_PICTURE_MS = 20_000;
/** A picture that stands still for longer is not live. */
const STALL_MS = 5_000;
const LOOK_MS = 1_000;

export interface PlayerEvents {
  /** The first picture is on the screen. */
  readonly shown: () => void;
  /** The stream is of no use any more. Stops the player, unless this freezes or stops it. */
  readonly failed: (why: Why) => void;
  /** Media arrived: also in a hidden page, whose timers sleep. */
  readonly heard: () => void;
}

interface Run {
  readonly abort: AbortController;
  readonly socket: WebSocket;
  readonly cushion: Cushion;
  feed: Feed | null;
  stopLooking: Cancel;
  /** When the connection began, then when the picture last moved, or media came for a hidden page. */
  movedAt: number;
  position: number;
  shown: boolean;
}

const running = new Set<LivePlayer>();

declare global {
  interface Window {
    /** For tests from outside: how many players hold media now. */
    __camserver?: { readonly players: () => number };
  }
}
if (typeof window !== 'undefined') window.__camserver = { players: () => running.size };

export class LivePlayer {
  private readonly events: PlayerEvents;
  private readonly screen = new Screen();
  private run: Run | null = null;

  constructor(events: PlayerEvents) {
    this.events = events;
  }

  /** Shows its pictures in `place`, which must have no other content, until the answer is called. */
  attach(place: HTMLElement): () => void {
    this.screen.put(place);
    return () => {
      if (this.screen.take(place)) this.stop();
    };
  }

  play(path: string): void {
    this.end();
    if (sourceConstructor() === null) this.events.failed(because('noMse'));
    else this.connect(path);
  }

  /** Frees everything; the frozen picture too. May be called at any time, any number of times. */
  stop(): void {
    this.end();
    this.screen.show('none');
  }

  /** As `stop`, but the last picture stays on the screen, also one that was frozen before. */
  freeze(): void {
    const { run } = this;
    const kept = run?.shown === true && this.screen.keep();
    this.end();
    if (kept) this.screen.show('frozen');
    else if (run?.shown === true) this.screen.show('none');
  }

  /** Seconds between the picture and the newest one that arrived; null while there is no picture. */
  get behind(): number | null {
    return this.run?.shown === true ? (this.run.feed?.behind ?? null) : null;
  }

  /** When the frozen picture was live, local milliseconds; null while none is shown. */
  get frozenAt(): number | null {
    return this.screen.keptAt;
  }

  private connect(path: string): void {
    const abort = new AbortController();
    const { signal } = abort;
    const socket = new WebSocket(socketUrl(path, location.href));
    socket.binaryType = 'arraybuffer';
    const run: Run = {
      abort,
      socket,
      cushion: new Cushion(),
      feed: null,
      stopLooking: every(LOOK_MS, () => this.look(run)),
      movedAt: now(),
      position: 0,
      shown: false,
    };
    this.run = run;
    running.add(this);
    socket.addEventListener('message', ({ data }) => this.message(run, data), { signal });
    socket.addEventListener('close', ({ code, reason }) => this.fail(whyClosed(code, reason)), { signal });
    const { video } = this.screen;
    video.addEventListener('loadeddata', () => this.pictured(run), { signal });
    video.addEventListener('waiting', () => run.shown && run.feed?.ranDry(), { signal });
    video.addEventListener('error', () => video.error !== null && this.fail(because('decode')), { signal });
  }

  private message(run: Run, data: unknown): void {
    if (data instanceof ArrayBuffer) {
      if (document.hidden) run.movedAt = now();
      run.feed?.push(data);
      if (this.run === run) this.events.heard();
      return;
    }
    const mime = typeof data === 'string' ? parseStart(data) : null;
    if (mime === null) return;
    if (isPlayable(mime)) this.start(run, mime);
    else this.fail(because('unsupported', codecName(mime)));
  }

  /** A stream begins, or begins anew after the camera changed its parameters. */
  private start(run: Run, mime: string): void {
    if (run.shown && this.screen.keep()) this.screen.show('frozen');
    const before = run.feed;
    before?.close();
    run.shown = false;
    run.movedAt = now();
    run.feed = new Feed(this.screen.video, mime, run.cushion, (why) => this.fail(why));
    before?.forget();
    this.resume();
  }

  private pictured(run: Run): void {
    if (run.shown) return;
    run.shown = true;
    run.movedAt = now();
    this.screen.show('live');
    this.events.shown();
  }

  /** Once a second: does the picture move, and is it near enough? */
  private look(run: Run): void {
    const { video } = this.screen;
    if (video.currentTime !== run.position) {
      run.position = video.currentTime;
      run.movedAt = now();
    }
    const stalled = now() - run.movedAt > (run.shown ? STALL_MS : FIRST_PICTURE_MS);
    if (stalled) this.fail(because('stalled'));
    else {
      run.feed?.follow();
      if (video.paused && !document.hidden) this.resume();
    }
  }

  /** Browsers pause a silent video of a hidden page, and may refuse to go on while it is hidden. */
  private resume(): void {
    void this.screen.video.play().catch(() => {});
  }

  private fail(why: Why): void {
    const { run } = this;
    if (run === null) return;
    this.events.failed(why);
    if (this.run === run) this.stop();
  }

  /** The order matters: nothing may call back into what is already gone. */
  private end(): void {
    const { run } = this;
    this.run = null;
    if (run === null) return;
    const { video } = this.screen;
    run.stopLooking();
    run.abort.abort();
    quietly(() => run.socket.close());
    run.feed?.close();
    quietly(() => video.pause());
    quietly(() => video.removeAttribute('src'));
    quietly(() => video.load());
    run.feed?.forget();
    run.feed = null;
    running.delete(this);
  }
}
