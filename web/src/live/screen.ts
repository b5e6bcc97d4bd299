/** The elements that a player draws on: one video, one canvas for the last picture. The only place of the wall
 * that makes either; they are made when first needed, once, and kept. */

import { now } from '../schedule';

/** `frozen`: the canvas shows the last picture of a stream that ended. */
type Picture = 'none' | 'frozen' | 'live';

export class Screen {
  private made: { readonly video: HTMLVideoElement; readonly canvas: HTMLCanvasElement } | null = null;
  private place: HTMLElement | null = null;
  private picture: Picture = 'none';
  /** When the frozen picture was live. */
  keptAt: number | null = null;

  get video(): HTMLVideoElement {
    return this.elements().video;
  }

  get canvas(): HTMLCanvasElement {
    return this.elements().canvas;
  }

  /** Which of the two is seen is the place's `data-picture`. */
  put(place: HTMLElement): void {
    this.place = place;
    place.replaceChildren(...(this.made === null ? [] : [this.made.canvas, this.made.video]));
    place.dataset.picture = this.picture;
  }

  /** False when the screen hangs elsewhere by now. */
  take(place: HTMLElement): boolean {
    if (this.place !== place) return false;
    this.place = null;
    place.replaceChildren();
    return true;
  }

  show(picture: Picture): void {
    this.picture = picture;
    if (this.place !== null) this.place.dataset.picture = picture;
    if (picture === 'frozen') return;
    this.keptAt = null;
    // A canvas without pixels holds no memory.
    if (this.made !== null) this.made.canvas.width = 0;
  }

  /** Keeps the picture of the video; false when it has none. */
  keep(): boolean {
    const { video, canvas } = this;
    if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA || video.videoWidth === 0) return false;
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext('2d')?.drawImage(video, 0, 0);
    this.keptAt = now();
    return true;
  }

  private elements() {
    if (this.made === null) {
      this.made = { video: makeVideo(), canvas: document.createElement('canvas') };
      this.place?.replaceChildren(this.made.canvas, this.made.video);
    }
    return this.made;
  }
}

function makeVideo(): HTMLVideoElement {
  const video = document.createElement('video');
  video.muted = true;
  video.playsInline = true;
  video.disablePictureInPicture = true;
  // Without this Safari opens no managed source.
  video.disableRemotePlayback = true;
  video.tabIndex = -1;
  return video;
}
