/** The page's one picture loader, and which places on screen are visible. */

import { after } from '../schedule';
import { PictureLoader } from '../thumbs';
import { freeStills, loadStill } from './still';

/** Pictures just below the edge are loaded before they scroll in. */
const MARGIN = '120px';
/** Marks the address of a picture whose memory is freed with its place; known only here. */
const OWNED = '#owned';

const loader = new PictureLoader<HTMLElement>({
  load: (url, signal) =>
    url.endsWith(OWNED) ? loadStill(url.slice(0, -OWNED.length), signal) : load(url, signal),
  after,
});
const observer = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) loader.setVisible(entry.target, entry.isIntersecting);
  },
  { rootMargin: MARGIN },
);

export type PlaceState = 'blank' | 'filled' | 'failed';

/** `place` will show each picture wanted for it, once decoded, in place of the one before. */
export function addPlace(place: HTMLElement, changed: (state: PlaceState) => void): () => void {
  loader.add(place, {
    show: (picture) => {
      freeStills(place);
      place.replaceChildren(picture);
      changed('filled');
    },
    failed: () => changed('failed'),
  });
  observer.observe(place);
  return () => {
    observer.unobserve(place);
    loader.forget(place);
    freeStills(place);
    place.replaceChildren();
  };
}

export function retryPictures(): void {
  loader.retryNow();
}

/** `owned`: for pictures that are looked at for a moment, and followed by others without end. */
export function wantPicture(place: HTMLElement, url: string | null, owned: boolean): void {
  loader.want(place, owned && url !== null ? url + OWNED : url);
}

async function load(url: string, signal: AbortSignal): Promise<HTMLImageElement> {
  const image = new Image();
  image.decoding = 'async';
  image.alt = '';
  image.draggable = false;
  image.src = url;
  const done = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener(
      'abort',
      () => {
        image.src = '';
        reject(signal.reason);
      },
      { once: true, signal: done.signal },
    );
  });
  try {
    await Promise.race([image.decode(), aborted]);
    return image;
  } finally {
    done.abort();
  }
}
