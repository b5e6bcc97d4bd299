/** Stills drawn on canvases that own their pixels: Chromium keeps the last thousand images that it decoded, and
 * with each opened camera there would be some more of them. */

/** Resolves when the still can be shown without a flash. */
export async function loadStill(url: string, signal: AbortSignal): Promise<HTMLCanvasElement> {
  const response = await fetch(url, { cache: 'no-store', signal });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  const bitmap = await createImageBitmap(await response.blob());
  const canvas = document.createElement('canvas');
  canvas.dataset.src = url;
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext('bitmaprenderer')?.transferFromImageBitmap(bitmap);
  return canvas;
}

/** A canvas without pixels holds no memory; others do until the browser looks for rubbish. */
export function freeStills(place: HTMLElement): void {
  for (const canvas of place.querySelectorAll('canvas')) canvas.width = 0;
}
