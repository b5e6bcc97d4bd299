/** What this browser can play, and how. */

import type { Means } from './transport';

export type SourceConstructor = typeof MediaSource;

interface ManagedWindow {
  readonly ManagedMediaSource?: SourceConstructor;
}

/** H.264 and H.265 as cameras send them, small to large, and the sound that may come with it. */
const CODECS: readonly string[] = [
  'avc1.42E01E',
  'avc1.4D401F',
  'avc1.640028',
  'avc1.640029',
  'avc1.64002A',
  'avc1.640033',
  'hvc1.1.6.L93.B0',
  'hvc1.1.6.L120.B0',
  'hvc1.1.6.L153.B0',
  'mp4a.40.2',
];

/** Without the sound: what is never heard need not come, nor be waited for. */
export function silentCodecs(): readonly string[] {
  return playableCodecs().filter((codec) => !codec.startsWith('mp4a'));
}

/** Safari on telephones has only the managed kind; null where there is neither. */
export function sourceConstructor(): SourceConstructor | null {
  return globalThis.MediaSource ?? (globalThis as ManagedWindow).ManagedMediaSource ?? null;
}

let known: readonly string[] | null = null;

export function playableCodecs(): readonly string[] {
  const Source = sourceConstructor();
  known ??= Source === null ? [] : CODECS.filter((codec) => Source.isTypeSupported(mimeOf(codec)));
  return known;
}

/** The ways in which media can come to a video element of this browser. */
export function meansOf(video: HTMLVideoElement): Means {
  return {
    mse: sourceConstructor() !== null,
    webrtc: 'RTCPeerConnection' in globalThis,
    hls: video.canPlayType('application/vnd.apple.mpegurl') !== '',
  };
}

export function isPlayable(mime: string): boolean {
  return sourceConstructor()?.isTypeSupported(mime) ?? false;
}

/** The stream's codec as people call it: "H.265"; the type itself where it is not known. */
export function codecName(mime: string): string {
  if (/\b(hvc1|hev1)\b/.test(mime)) return 'H.265';
  if (/\bavc[13]\b/.test(mime)) return 'H.264';
  return /codecs="?([^"]+)/.exec(mime)?.[1] ?? mime;
}

/** What a text of the live socket holds: the MIME type of a stream that begins (`mse`), or the answer to an offer
 * (`webrtc/answer`). Null for any other. */
export function parseText(text: string, wanted: 'mse' | 'webrtc/answer'): string | null {
  try {
    const said: unknown = JSON.parse(text);
    if (typeof said !== 'object' || said === null) return null;
    const { type, value } = said as Record<string, unknown>;
    return type === wanted && typeof value === 'string' ? value : null;
  } catch {
    return null;
  }
}

function mimeOf(codec: string): string {
  return `${codec.startsWith('mp4a') ? 'audio' : 'video'}/mp4; codecs="${codec}"`;
}
