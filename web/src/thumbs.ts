/** Loads pictures: only those on screen, few at a time, each again after a failure with growing pauses.
 * It knows neither the DOM nor the network: what a picture is and how it loads is given to it. */

export const MOST_LOADS = 4;
export const LOAD_TIMEOUT_MS = 20_000;
const RETRY_FIRST_MS = 2_000;
const RETRY_MOST_MS = 60_000;

export interface LoaderPorts<Picture> {
  /** Resolves when the picture is decoded and can be shown without a flash. */
  readonly load: (url: string, signal: AbortSignal) => Promise<Picture>;
  readonly after: (ms: number, run: () => void) => () => void;
}

interface Entry<Picture> {
  wanted: string | null;
  shown: string | null;
  visible: boolean;
  failures: number;
  loading: AbortController | null;
  cancelRetry: (() => void) | null;
  readonly place: PlacePorts<Picture>;
}

export interface PlacePorts<Picture> {
  readonly show: (picture: Picture) => void;
  /** The last load failed; another follows by itself. */
  readonly failed: () => void;
}

export class PictureLoader<Picture> {
  private readonly ports: LoaderPorts<Picture>;
  /** Insertion order is the order of loading; an entry moves to the end when it has loaded. */
  private readonly entries = new Map<object, Entry<Picture>>();
  private running = 0;

  constructor(ports: LoaderPorts<Picture>) {
    this.ports = ports;
  }

  /** One place on screen that shows pictures, known by `key` until `forget`. */
  add(key: object, place: PlacePorts<Picture>): void {
    this.forget(key);
    this.entries.set(key, {
      wanted: null,
      shown: null,
      visible: false,
      failures: 0,
      loading: null,
      cancelRetry: null,
      place,
    });
  }

  want(key: object, url: string | null): void {
    const entry = this.entries.get(key);
    if (entry === undefined || entry.wanted === url) return;
    entry.wanted = url;
    entry.failures = 0;
    this.endRetry(entry);
    this.pump();
  }

  setVisible(key: object, visible: boolean): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    entry.visible = visible;
    this.pump();
  }

  forget(key: object): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    this.entries.delete(key);
    this.endRetry(entry);
    entry.loading?.abort();
  }

  /** The server is back: nothing waits any longer. */
  retryNow(): void {
    for (const entry of this.entries.values()) this.endRetry(entry);
    this.pump();
  }

  /** Loads under way; never more than `MOST_LOADS`. */
  get active(): number {
    return this.running;
  }

  private pump(): void {
    for (const [key, entry] of this.entries) {
      if (this.running >= MOST_LOADS) return;
      const idle = entry.loading === null && entry.cancelRetry === null;
      if (idle && entry.visible && entry.wanted !== null && entry.wanted !== entry.shown) {
        void this.run(key, entry, entry.wanted);
      }
    }
  }

  private async run(key: object, entry: Entry<Picture>, url: string): Promise<void> {
    const controller = new AbortController();
    const endTimeout = this.ports.after(LOAD_TIMEOUT_MS, () => controller.abort());
    entry.loading = controller;
    this.running += 1;
    const picture = await this.ports.load(url, controller.signal).catch(() => null);
    endTimeout();
    this.running -= 1;
    entry.loading = null;
    if (this.entries.get(key) === entry) {
      if (picture === null) this.failed(entry);
      else this.loaded(key, entry, picture, url);
    }
    this.pump();
  }

  private loaded(key: object, entry: Entry<Picture>, picture: Picture, url: string): void {
    entry.failures = 0;
    entry.shown = url;
    this.entries.delete(key);
    this.entries.set(key, entry);
    entry.place.show(picture);
  }

  private failed(entry: Entry<Picture>): void {
    entry.failures += 1;
    entry.place.failed();
    const wait = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** (entry.failures - 1));
    entry.cancelRetry = this.ports.after(wait, () => {
      entry.cancelRetry = null;
      this.pump();
    });
  }

  private endRetry(entry: Entry<Picture>): void {
    entry.cancelRetry?.();
    entry.cancelRetry = null;
  }
}
