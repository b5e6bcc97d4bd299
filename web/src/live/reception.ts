/** One view's media on its way to a video element: the live socket, where the way has one, and the source behind it.
 * It ends once, in two steps, between which the element lets go. Decides nothing about what follows. */

import { socketUrl } from '../urls';
import { Cushion } from './edge';
import { Feed, quietly } from './feed';
import { codecName, isPlayable, parseText } from './media';
import { Peer } from './peer';
import { Playlist } from './playlist';
import { hasSound } from './sound';
import type { Source } from './source';
import type { Way } from './transport';
import { because, type Why, whyClosed } from './why';

export interface ReceptionEvents {
  /** A stream begins, or begins anew after the camera changed its parameters: the picture before goes now. */
  readonly begins: (hasSound: boolean) => void;
  /** The browser plays it only silently, until a person has touched the page. */
  readonly silenced: () => void;
  /** Media arrived. */
  readonly heard: () => void;
  readonly failed: (why: Why) => void;
}

export class Reception {
  private readonly way: Way;
  private readonly video: HTMLVideoElement;
  private readonly events: ReceptionEvents;
  private readonly listeners = new AbortController();
  private readonly cushion = new Cushion();
  /** HLS has none. Over WebRTC it carries only offer and answer, and the view lives as long as it is open. */
  private readonly socket: WebSocket | null;
  private source: Source | null = null;

  constructor(way: Way, video: HTMLVideoElement, events: ReceptionEvents) {
    this.way = way;
    this.video = video;
    this.events = events;
    const { transport, path } = way;
    const { signal } = this.listeners;
    this.socket = transport === 'hls' ? null : new WebSocket(socketUrl(path, location.href));
    if (this.socket !== null) this.listen(this.socket, signal);
    // No socket tells of this media.
    if (transport !== 'mse') video.addEventListener('timeupdate', () => events.heard(), { signal });
    // An HLS player says no more when its lease has ended.
    const broken = because(transport === 'hls' ? 'lost' : 'decode');
    video.addEventListener('error', () => video.error !== null && events.failed(broken), { signal });
    if (transport !== 'hls') return;
    this.source = new Playlist(video, path);
    this.play();
  }

  get behind(): number | null {
    return this.source?.behind ?? null;
  }

  follow(): void {
    this.source?.follow();
  }

  ranDry(): void {
    this.source?.ranDry();
  }

  /** Browsers pause a silent video of a hidden page, and may refuse to go on while it is hidden. */
  play(): void {
    const { video } = this;
    void video.play().catch((error: unknown) => {
      const isRefused = error instanceof DOMException && error.name === 'NotAllowedError';
      if (!isRefused || video.muted || this.listeners.signal.aborted) return;
      this.events.silenced();
      void video.play().catch(() => {});
    });
  }

  /** Nothing calls back any more. */
  close(): void {
    this.listeners.abort();
    quietly(() => this.socket?.close());
    this.source?.close();
  }

  /** The element has let go. */
  forget(): void {
    this.source?.forget();
    this.source = null;
  }

  private listen(socket: WebSocket, signal: AbortSignal): void {
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('message', ({ data }) => this.message(data), { signal });
    const { failed } = this.events;
    socket.addEventListener('close', ({ code, reason }) => failed(whyClosed(code, reason)), { signal });
    if (this.way.transport === 'webrtc') socket.addEventListener('open', () => this.meet(socket), { signal });
  }

  private meet(socket: WebSocket): void {
    this.source = new Peer(this.video, {
      offered: (value) => quietly(() => socket.send(JSON.stringify({ type: 'webrtc/offer', value }))),
      failed: this.events.failed,
    });
  }

  private message(data: unknown): void {
    if (data instanceof ArrayBuffer) {
      if (this.source instanceof Feed) this.source.push(data);
      if (!this.listeners.signal.aborted) this.events.heard();
    } else if (typeof data === 'string') this.text(data);
  }

  private text(text: string): void {
    if (this.source instanceof Peer) {
      const answer = parseText(text, 'webrtc/answer');
      if (answer !== null) void this.source.answer(answer);
      return;
    }
    const mime = this.way.transport === 'mse' ? parseText(text, 'mse') : null;
    if (mime === null) return;
    if (isPlayable(mime)) this.begin(mime);
    else this.events.failed(because('unsupported', codecName(mime)));
  }

  private begin(mime: string): void {
    this.events.begins(hasSound(mime));
    const before = this.source;
    before?.close();
    this.source = new Feed(this.video, mime, this.cushion, this.events.failed);
    before?.forget();
    this.play();
  }
}
