/** Whether a video element is heard. Every view begins silent: a wall that speaks by itself is none. */

/** Sound of a stream: it has none, or it is heard or not. */
export type Sound = 'none' | 'off' | 'on';

/** Whether a stream's MIME type names sound beside the picture. */
export function hasSound(mime: string): boolean {
  return /\bmp4a\b/.test(mime);
}

export class Loudspeaker {
  private readonly video: () => HTMLVideoElement;
  private readonly changed: (sound: Sound) => void;
  private wished = false;
  private offered = false;
  private told: Sound = 'none';

  constructor(video: () => HTMLVideoElement, changed: (sound: Sound) => void) {
    this.video = video;
    this.changed = changed;
  }

  get sound(): Sound {
    if (!this.offered) return 'none';
    return this.wished ? 'on' : 'off';
  }

  /** A stream begins, with sound or without. What was wished before still holds. */
  begins(offered: boolean): void {
    this.offered = offered;
    this.apply();
  }

  /** A person wants to hear it, or not. */
  wish(on: boolean): void {
    this.wished = on;
    this.apply();
  }

  /** Another view begins silent. */
  reset(): void {
    this.wished = false;
    this.begins(false);
  }

  private apply(): void {
    if (this.sound === this.told) return;
    this.told = this.sound;
    this.video().muted = this.told !== 'on';
    this.changed(this.told);
  }
}
