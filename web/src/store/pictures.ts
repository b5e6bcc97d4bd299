/** The page's one picture loader, and which places on screen are visible. */

import { after } from '../schedule';
import { PictureLoader } from '../thumbs';

/** Pictures just below the edge are loaded before they scroll in. */
const MARGIN = '120px';

const loader = new PictureLoader<HTMLImageElement>({ load, after });
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
      place.replaceChildren(picture);
      changed('filled');
    },
    failed: () => changed('failed'),
  });
  observer.observe(place);
  return () => {
    observer.unobserve(place);
    loader.forget(place);
    place.replaceChildren();
  };
}

export function retryPictures(): void {
  loader.retryNow();
}

export function wantPicture(place: HTMLElement, url: string | null): void {
  loader.want(place, url);
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
