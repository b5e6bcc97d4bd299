/** What tests in front of the real server share: the wall in a browser, and how to measure its pictures. */

import { test as base, expect, type Page } from '@playwright/test';
import { type Engine, NATIVE } from './engines';
import { RealServer, type Setup } from './real-server';

/** Seconds from one key picture to the next. */
export const GOP_SECONDS = 2;
/** From the last viewer to the end of the camera's connection. */
export const GONE_MS = 6_000;
/** More than anything needs, since the machine of the tests may be busy. */
export const BUSY_MS = 2_000;
/** After a start the player may still be looking for its distance. */
const SETTLE_MS = 3_000;

type Cameras = Omit<Setup, 'engine'>;

export const test = base.extend<{ wall: Page }, { engine: Engine; cameras: Cameras; real: RealServer }>({
  engine: [NATIVE, { option: true, scope: 'worker' }],
  cameras: [
    { cameras: 4, gopSeconds: GOP_SECONDS },
    { option: true, scope: 'worker' },
  ],
  real: [
    async ({ engine, cameras }, use) => {
      const real = await RealServer.start({ engine, ...cameras });
      await use(real);
      await real.stop();
    },
    { scope: 'worker', timeout: 240_000 },
  ],
  /** Without the pane: only what is opened plays. */
  wall: async ({ page, real }, use) => {
    const errors = watchErrors(page);
    await load(page, `${real.url}?still=1`);
    await use(page);
    await page.goto('about:blank');
    await expect.poll(() => views(real)).toEqual([]);
    expect(errors, 'errors of the page').toEqual([]);
  },
});

export { expect };

export function watchErrors(page: Page): string[] {
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  return errors;
}

export async function load(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await expect(page.locator('.link')).toHaveClass(/connected/);
  await expect(page.locator('[data-camera]')).not.toHaveCount(0);
}

/** The live views in force. */
export async function views(real: RealServer): Promise<readonly Readonly<Record<string, unknown>>[]> {
  return (await real.items('leases')).filter(({ quality }) => quality);
}

/** How far the picture on the screen is behind the camera, several times. */
export async function lags(real: RealServer, page: Page, where: string, camera: string): Promise<number[]> {
  await page.waitForTimeout(SETTLE_MS);
  const found: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const { jpeg, at } = await shot(page, where);
    const stamp = real.stamp(jpeg);
    expect(stamp.camera).toBe(camera);
    found.push(at - stamp.sentAt);
    await page.waitForTimeout(300);
  }
  return found;
}

/** The picture on the screen as a JPEG, and when it was taken from there. */
async function shot(page: Page, where: string): Promise<{ jpeg: Buffer; at: number }> {
  const { url, at } = await page.locator(`${where} video`).evaluate((element) => {
    const video = element as HTMLVideoElement;
    const canvas = document.createElement('canvas');
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext('2d')?.drawImage(video, 0, 0);
    const at = Date.now();
    return { url: canvas.toDataURL('image/jpeg', 0.95), at };
  });
  return { jpeg: Buffer.from(url.slice(url.indexOf(',') + 1), 'base64'), at };
}

/** Milliseconds from the click on a camera to its first live picture. */
export function clickToPicture(page: Page, camera: string): Promise<number> {
  return page.evaluate((name) => {
    const began = performance.now();
    document.querySelector<HTMLElement>(`[data-camera="${name}"]`)?.click();
    return new Promise<number>((resolve) => {
      const look = () => {
        const shown = document.querySelector('dialog .screen[data-picture="live"]') !== null;
        if (shown) resolve(Math.round(performance.now() - began));
        else setTimeout(look, 5);
      };
      look();
    });
  }, camera);
}

export function say(what: string): void {
  process.stdout.write(`${what}\n`);
}
