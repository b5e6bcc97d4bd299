/** The page's one picture loader, and which places on screen are visible. */

import { PictureLoader } from '../thumbs';
import { after } from '../schedule';

/** Pictures just below the edge are loaded before they scroll in. */
const MARGIN = '120px';

const loader = new PictureLoader<HTMLImageElement>({ load, after });
const observer = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) loader.setVisible(entry.target, entry.isIntersecting);
  },
  { rootMargin: MARGIN },
);

/** `place` will show each picture wanted for it, once decoded, in place of the one before. */
export function addPlace(place: HTMLElement, shown: () => void): () => void {
  loader.add(place, (picture) => {
    place.replaceChildren(picture);
    shown();
  });
  observer.observe(place);
  return () => {
    observer.unobserve(place);
    loader.forget(place);
    place.replaceChildren();
  };
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
