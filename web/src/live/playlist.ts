/** Media as HLS, by the browser's own player. It keeps the distance that it likes, some seconds. */

import type { Source } from './source';

export class Playlist implements Source {
  private readonly video: HTMLVideoElement;

  constructor(video: HTMLVideoElement, path: string) {
    this.video = video;
    video.src = path;
  }

  get behind(): number | null {
    const { seekable, currentTime } = this.video;
    return seekable.length === 0 ? null : Math.max(0, seekable.end(seekable.length - 1) - currentTime);
  }

  follow(): void {}

  ranDry(): void {}

  /** The element's own part of the teardown takes the address away, and with it all that was loaded. */
  close(): void {}

  forget(): void {}
}
