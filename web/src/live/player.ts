/** Plays one live view at a time in one video element that is never replaced, whichever way its media comes. It frees
 * everything when it stops. It knows no leases and does not connect again by itself: `session.ts` decides that. */

import { type Cancel, every, now } from '../schedule';
import { socketUrl } from '../urls';
import { Cushion } from './edge';
import { Feed, quietly } from './feed';
import { codecName, isPlayable, parseText } from './media';
import { Peer } from './peer';
import { Playlist } from './playlist';
import { Screen } from './screen';
import type { Source } from './source';
import type { Transport, Way } from './transport';
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
  readonly transport: Transport;
  /** HLS has none. */
  readonly socket: WebSocket | null;
  readonly cushion: Cushion;
  source: Source | null;
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

  play(way: Way): void {
    this.end();
    this.connect(way);
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
    return this.run?.shown === true ? (this.run.source?.behind ?? null) : null;
  }

  /** When the frozen picture was live, local milliseconds; null while none is shown. */
  get frozenAt(): number | null {
    return this.screen.keptAt;
  }

  private connect({ transport, path }: Way): void {
    const abort = new AbortController();
    const { signal } = abort;
    const socket = transport === 'hls' ? null : new WebSocket(socketUrl(path, location.href));
    const run: Run = {
      abort,
      transport,
      socket,
      cushion: new Cushion(),
      source: null,
      stopLooking: every(LOOK_MS, () => this.look(run)),
      movedAt: now(),
      position: 0,
      shown: false,
    };
    this.run = run;
    running.add(this);
    if (socket !== null) this.converse(run, socket);
    const { video } = this.screen;
    video.addEventListener('loadeddata', () => this.pictured(run), { signal });
    video.addEventListener('waiting', () => run.shown && run.source?.ranDry(), { signal });
    // An HLS player says no more when its lease has ended.
    const broken = because(transport === 'hls' ? 'lost' : 'decode');
    video.addEventListener('error', () => video.error !== null && this.fail(broken), { signal });
    if (transport !== 'mse') video.addEventListener('timeupdate', () => this.moved(run), { signal });
    if (transport !== 'hls') return;
    run.source = new Playlist(video, path);
    this.resume();
  }

  private converse(run: Run, socket: WebSocket): void {
    const { signal } = run.abort;
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('message', ({ data }) => this.message(run, data), { signal });
    socket.addEventListener('close', ({ code, reason }) => this.fail(whyClosed(code, reason)), { signal });
    if (run.transport === 'webrtc') socket.addEventListener('open', () => this.meet(run, socket), { signal });
  }

  /** The offer goes through the socket, which stays open as long as the view. */
  private meet(run: Run, socket: WebSocket): void {
    run.source = new Peer(this.screen.video, {
      offered: (value) => quietly(() => socket.send(JSON.stringify({ type: 'webrtc/offer', value }))),
      failed: (why) => this.fail(why),
    });
  }

  /** Media came that no socket tells of. */
  private moved(run: Run): void {
    if (document.hidden) run.movedAt = now();
    this.events.heard();
  }

  private message(run: Run, data: unknown): void {
    if (data instanceof ArrayBuffer) {
      if (document.hidden) run.movedAt = now();
      if (run.source instanceof Feed) run.source.push(data);
      if (this.run === run) this.events.heard();
      return;
    }
    if (typeof data !== 'string') return;
    if (run.source instanceof Peer) {
      const answer = parseText(data, 'webrtc/answer');
      if (answer !== null) void run.source.answer(answer);
      return;
    }
    const mime = parseText(data, 'mse');
    if (mime === null || run.transport !== 'mse') return;
    if (isPlayable(mime)) this.start(run, mime);
    else this.fail(because('unsupported', codecName(mime)));
  }

  /** A stream begins, or begins anew after the camera changed its parameters. */
  private start(run: Run, mime: string): void {
    if (run.shown && this.screen.keep()) this.screen.show('frozen');
    const before = run.source;
    before?.close();
    run.shown = false;
    run.movedAt = now();
    run.source = new Feed(this.screen.video, mime, run.cushion, (why) => this.fail(why));
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
      run.source?.follow();
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
    quietly(() => run.socket?.close());
    run.source?.close();
    quietly(() => video.pause());
    quietly(() => video.removeAttribute('src'));
    quietly(() => video.load());
    run.source?.forget();
    run.source = null;
    running.delete(this);
  }
}
