/** One media source behind a video element: takes fragments in, keeps the picture near the live edge, drops what
 * is old. Knows no socket; a stream that begins anew gets a new feed. */

import { now } from '../schedule';
import { Backlog } from './backlog';
import { type Cushion, chase, type Spans, trimTo } from './edge';
import { type SourceConstructor, sourceConstructor } from './media';
import type { Source } from './source';
import { because, type Why } from './why';

/** So long after the first media a burst of kept pictures may still be arriving. */
const SETTLE_MS = 2_000;
/** What stays behind the picture, in seconds, when the browser has no more room. */
const KEEP_LEAST = 1;

export class Feed implements Source {
  private readonly video: HTMLVideoElement;
  private readonly mime: string;
  private readonly failed: (why: Why) => void;
  private readonly cushion: Cushion;
  private readonly backlog = new Backlog();
  private readonly listeners = new AbortController();
  private readonly url: string;
  private source: MediaSource | null;
  private buffer: SourceBuffer | null = null;
  /** Was refused for want of room, and is tried once more after a removal. */
  private refused: Uint8Array<ArrayBuffer> | null = null;
  private firstAt: number | null = null;

  constructor(video: HTMLVideoElement, mime: string, cushion: Cushion, failed: (why: Why) => void) {
    this.video = video;
    this.mime = mime;
    this.cushion = cushion;
    this.failed = failed;
    const Source = sourceConstructor() as SourceConstructor;
    this.source = new Source();
    const { signal } = this.listeners;
    this.source.addEventListener('sourceopen', () => this.open(signal), { once: true, signal });
    document.addEventListener('visibilitychange', () => document.hidden || this.catchUp(), { signal });
    this.url = URL.createObjectURL(this.source);
    video.src = this.url;
  }

  push(data: ArrayBuffer): void {
    if (this.backlog.push(data)) this.pump();
    else this.failed(because('overflow'));
  }

  /** Seconds between the picture and the newest one that arrived. */
  get behind(): number | null {
    const end = this.spans().at(-1)?.[1];
    return end === undefined ? null : Math.max(0, end - this.video.currentTime);
  }

  /** Also called once a second, for a picture that stands still because nothing arrives in time. */
  follow(): void {
    if (this.firstAt === null) return;
    const { video } = this;
    const cushion = this.cushion.seconds(now());
    const edge = chase(this.spans(), video.currentTime, video.playbackRate, cushion, this.settling);
    if (edge.rate !== video.playbackRate) video.playbackRate = edge.rate;
    if (edge.seek !== null) video.currentTime = edge.seek;
  }

  /** The page is seen again: a jump disturbs nobody, as at the beginning. */
  private catchUp(): void {
    if (this.firstAt === null) return;
    this.firstAt = now();
    this.follow();
  }

  /** The picture stands still for want of media. At the beginning that says nothing of the deliveries: it plays
   * from the first picture on, and has no distance yet. */
  ranDry(): void {
    if (this.firstAt !== null && !this.settling) this.cushion.ranDry(now());
  }

  private get settling(): boolean {
    return this.firstAt !== null && now() - this.firstAt < SETTLE_MS;
  }

  /** The source's part of a teardown; the element's own follows, then `forget`. */
  close(): void {
    this.listeners.abort();
    this.backlog.clear();
    this.refused = null;
    const { buffer, source } = this;
    this.buffer = null;
    this.source = null;
    if (source?.readyState !== 'open') return;
    if (buffer !== null) quietly(() => buffer.abort());
    quietly(() => source.endOfStream());
  }

  /** Lets the browser free the source. */
  forget(): void {
    quietly(() => URL.revokeObjectURL(this.url));
  }

  private open(signal: AbortSignal): void {
    try {
      const buffer = this.source?.addSourceBuffer(this.mime) ?? null;
      this.buffer = buffer;
      buffer?.addEventListener('updateend', () => this.updated(), { signal });
      buffer?.addEventListener('error', () => this.failed(because('decode')), { signal });
      this.pump();
    } catch {
      this.failed(because('unsupported', this.mime));
    }
  }

  private updated(): void {
    this.firstAt ??= this.spans().length > 0 ? now() : null;
    this.follow();
    this.pump();
  }

  private pump(): void {
    const { buffer, source } = this;
    if (buffer === null || buffer.updating || source?.readyState !== 'open') return;
    const trim = trimTo(this.spans(), this.video.currentTime);
    const again = this.refused;
    const piece = again ?? (trim === null ? this.backlog.take() : null);
    this.refused = null;
    if (piece !== null) this.append(buffer, piece, again !== null);
    else if (trim !== null) buffer.remove(0, trim);
  }

  private append(buffer: SourceBuffer, piece: Uint8Array<ArrayBuffer>, again: boolean): void {
    try {
      buffer.appendBuffer(piece);
    } catch (error) {
      const full = error instanceof DOMException && error.name === 'QuotaExceededError';
      if (full && !again) this.makeRoom(buffer, piece);
      else this.failed(because(full ? 'quota' : 'decode'));
    }
  }

  private makeRoom(buffer: SourceBuffer, piece: Uint8Array<ArrayBuffer>): void {
    this.refused = piece;
    quietly(() => buffer.remove(0, Math.max(this.video.currentTime - KEEP_LEAST, KEEP_LEAST)));
    // Without a removal no `updateend` will come.
    if (!buffer.updating) this.failed(because('quota'));
  }

  private spans(): Spans {
    const ranges = this.buffer?.buffered;
    if (ranges === undefined) return [];
    return Array.from({ length: ranges.length }, (_, index) => [ranges.start(index), ranges.end(index)]);
  }
}

/** A teardown goes on, whatever a browser throws at one of its steps. */
export function quietly(step: () => void): void {
  try {
    step();
  } catch {
    return;
  }
}
