/** What this browser can play. */

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

export function isPlayable(mime: string): boolean {
  return sourceConstructor()?.isTypeSupported(mime) ?? false;
}

/** The stream's codec as people call it: "H.265"; the type itself where it is not known. */
export function codecName(mime: string): string {
  if (/\b(hvc1|hev1)\b/.test(mime)) return 'H.265';
  if (/\bavc[13]\b/.test(mime)) return 'H.264';
  return /codecs="?([^"]+)/.exec(mime)?.[1] ?? mime;
}

/** The MIME type of a stream's first message; null for what is no such message. */
export function parseStart(text: string): string | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return null;
    const { type, value: mime } = value as Record<string, unknown>;
    return type === 'mse' && typeof mime === 'string' ? mime : null;
  } catch {
    return null;
  }
}

function mimeOf(codec: string): string {
  return `${codec.startsWith('mp4a') ? 'audio' : 'video'}/mp4; codecs="${codec}"`;
}
