/** What the tests of the live views share: where to look, and the number that a picture carries. */

import type { Locator, Page } from '@playwright/test';
import { BITS } from './clip';
import type { FakeServer } from './fake-server';
import { expect } from './wall';

export const modal = (page: Page): Locator => page.locator('dialog .screen[data-picture="live"]');
export const pane = (page: Page): Locator => page.locator('.now .screen[data-picture="live"]');
export const bar = (page: Page): Locator => page.locator('.live-bar');

export async function open(page: Page, camera = 'cam-001'): Promise<void> {
  await page.locator(`[data-camera="${camera}"]`).click();
}

export async function watch(server: FakeServer, page: Page): Promise<void> {
  server.live.refuse = (kind) => (kind === 'modal' ? null : { status: 503, code: 'OVER_CAPACITY' });
  await open(page);
  await expect(modal(page)).toBeVisible();
}

/** Begins the page anew with live views. A page that left while it asked would leave a lease to its heartbeat. */
export async function allowAll(server: FakeServer, page: Page): Promise<void> {
  await expect(page.locator('.now .word')).toContainText('Still pictures instead.');
  server.live.refuse = () => null;
  await page.goto(server.url);
}

/** The number that the picture on the screen carries. */
export async function numberShown(page: Page, where: string): Promise<number> {
  return page.locator(`${where} video`).evaluate((element, bits) => {
    const video = element as HTMLVideoElement;
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    const context = canvas.getContext('2d', {
      willReadFrequently: true,
    }) as OffscreenCanvasRenderingContext2D;
    context.drawImage(video, 0, 0);
    let number = 0;
    for (let bit = 0; bit < bits; bit += 1) {
      const x = ((bit + 0.5) * video.videoWidth) / bits;
      number = number * 2 + ((context.getImageData(x, 8, 1, 1).data[0] ?? 0) > 128 ? 1 : 0);
    }
    return number;
  }, BITS);
}

/** The page's players that hold media now. */
export function players(page: Page): Promise<number | undefined> {
  return page.evaluate(() => window.__camserver?.players());
}
