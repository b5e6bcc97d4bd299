/** Plays one live view at a time in one video element that is never replaced, whichever way its media comes. It frees
 * everything when it stops. It knows no leases and does not connect again by itself: `session.ts` decides that. */

import { type Cancel, every, now } from '../schedule';
import { quietly } from './feed';
import { meansOf } from './media';
import { Reception } from './reception';
import { Screen } from './screen';
import { Loudspeaker, type Sound } from './sound';
import type { Means, Way } from './transport';
import { because, type Why } from './why';

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
  /** Whether there is something to be heard, and is. */
  readonly sound?: (sound: Sound) => void;
}

interface Run {
  readonly abort: AbortController;
  readonly reception: Reception;
  readonly stopLooking: Cancel;
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
  private readonly speaker: Loudspeaker;
  private run: Run | null = null;

  constructor(events: PlayerEvents) {
    this.events = events;
    this.speaker = new Loudspeaker(
      () => this.screen.video,
      (sound) => events.sound?.(sound),
    );
  }

  /** Lets the stream be heard, where it has sound, until the player stops. */
  listen(on: boolean): void {
    this.speaker.wish(on);
  }

  /** Shows its pictures in `place`, which must have no other content, until the answer is called. */
  attach(place: HTMLElement): () => void {
    this.screen.put(place);
    return () => {
      if (this.screen.take(place)) this.stop();
    };
  }

  /** The ways in which media can come to this browser at all. */
  get means(): Means {
    return meansOf(this.screen.video);
  }

  play(way: Way): void {
    this.end();
    this.connect(way);
  }

  /** Frees everything; the frozen picture too. May be called at any time, any number of times. */
  stop(): void {
    this.end();
    this.speaker.reset();
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
    return this.run?.shown === true ? this.run.reception.behind : null;
  }

  /** When the frozen picture was live, local milliseconds; null while none is shown. */
  get frozenAt(): number | null {
    return this.screen.keptAt;
  }

  private connect(way: Way): void {
    const { video } = this.screen;
    const abort = new AbortController();
    const { signal } = abort;
    const run: Run = {
      abort,
      reception: new Reception(way, video, {
        begins: (hasSound) => this.begins(run, hasSound),
        silenced: () => this.speaker.wish(false),
        heard: () => this.heard(run),
        failed: (why) => this.fail(why),
      }),
      stopLooking: every(LOOK_MS, () => this.look(run)),
      movedAt: now(),
      position: 0,
      shown: false,
    };
    this.run = run;
    running.add(this);
    video.addEventListener('loadeddata', () => this.pictured(run), { signal });
    video.addEventListener('waiting', () => run.shown && run.reception.ranDry(), { signal });
  }

  private begins(run: Run, hasSound: boolean): void {
    this.speaker.begins(hasSound);
    if (run.shown && this.screen.keep()) this.screen.show('frozen');
    run.shown = false;
    run.movedAt = now();
  }

  private heard(run: Run): void {
    if (document.hidden) run.movedAt = now();
    this.events.heard();
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
      run.reception.follow();
      if (video.paused && !document.hidden) run.reception.play();
    }
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
    run.reception.close();
    quietly(() => video.pause());
    quietly(() => video.removeAttribute('src'));
    quietly(() => video.load());
    run.reception.forget();
    running.delete(this);
  }
}
