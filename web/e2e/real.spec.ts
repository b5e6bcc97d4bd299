/** Live video from camera to screen, with nothing between that is not the real thing. */

import { test as base, expect, type Page } from '@playwright/test';
import { bar, modal, open, pane, players } from './live-page';
import { GOP_SECONDS, RealServer } from './real-server';

/** From the camera's clock to the screen. */
const LAG_MS = 1000;
/** After a start the player may still be looking for its distance. */
const SETTLE_MS = 3000;
/** From the last viewer to the end of the camera's connection. */
const GONE_MS = 6_000;
/** More than the pictures need, since the machine of the tests may be busy. */
const BUSY_MS = 2_000;

const test = base.extend<{ wall: Page }, { real: RealServer }>({
  real: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the first parameter's pattern.
    async ({}, use) => {
      const real = await RealServer.start();
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
    await idle(real);
    expect(errors, 'errors of the page').toEqual([]);
  },
});

test.setTimeout(90_000);

function watchErrors(page: Page): string[] {
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  return errors;
}

async function load(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await expect(page.locator('.link')).toHaveClass(/connected/);
  await expect(page.locator('[data-camera]')).toHaveCount(4);
}

/** Nobody watches: no view is in force, and no connection to a camera is taken. */
async function idle(real: RealServer): Promise<void> {
  await expect.poll(() => real.items('leases'), { timeout: GONE_MS + BUSY_MS }).toEqual([]);
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

/** How far the picture on the screen is behind the camera, several times. */
async function lags(real: RealServer, page: Page, where: string, camera: string): Promise<number[]> {
  await page.waitForTimeout(SETTLE_MS);
  const found: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const { jpeg, at } = await shot(page, where);
    const stamp = real.stamp(jpeg);
    expect(stamp.camera).toBe(camera);
    found.push(at - stamp.sentAt);
    await page.waitForTimeout(400);
  }
  return found;
}

/** Milliseconds from the click on a camera to its first live picture. */
function clickToPicture(page: Page, camera: string): Promise<number> {
  return page.evaluate((name) => {
    const began = performance.now();
    document.querySelector<HTMLElement>(`[data-camera="${name}"]`)?.click();
    return new Promise<number>((resolve) => {
      const look = () => {
        const shown = document.querySelector('dialog .screen[data-picture="live"]') !== null;
        if (shown) resolve(performance.now() - began);
        else setTimeout(look, 5);
      };
      look();
    });
  }, camera);
}

/** Bytes of sound that were decoded; silent all the same, as long as nobody asks. */
function soundBytes(page: Page): Promise<number> {
  return page.locator('dialog video').evaluate((element) => {
    const video = element as HTMLVideoElement & { readonly webkitAudioDecodedByteCount: number };
    return video.muted ? video.webkitAudioDecodedByteCount : -1;
  });
}

function say(what: string): void {
  process.stdout.write(`${what}\n`);
}

test('an opened camera plays close behind its clock, and is left alone when closed', async ({
  real,
  wall,
}) => {
  await open(wall, 'cam-001');
  await expect(modal(wall)).toBeVisible({ timeout: 15_000 });
  const behind = await lags(real, wall, 'dialog', 'cam-001');
  say(`small stream behind the camera: ${behind.join(' ')} ms`);
  expect(Math.max(...behind)).toBeLessThanOrEqual(LAG_MS);
  expect(Math.min(...behind)).toBeGreaterThanOrEqual(0);
  expect(await soundBytes(wall)).toBeGreaterThan(1000);
  expect((await real.counted('cam-001')).connections).toBe(1);
  await wall.keyboard.press('Escape');
  const closedAt = Date.now();
  await expect.poll(() => players(wall)).toBe(0);
  const left = async () => (await real.counted('cam-001')).connections;
  await expect.poll(left, { timeout: GONE_MS, intervals: [100] }).toBe(0);
  say(`the camera's connection is gone ${Date.now() - closedAt} ms after closing`);
  expect((await real.items('leases')).filter(({ quality }) => quality)).toEqual([]);
});

test('the large stream takes the place of the small one on the only connection', async ({ real, wall }) => {
  await open(wall, 'cam-002');
  await expect(modal(wall)).toBeVisible({ timeout: 15_000 });
  const width = () =>
    wall.locator('dialog video').evaluate((video) => (video as HTMLVideoElement).videoWidth);
  for (const [words, pixels] of [
    ['Live, large stream.', 1280],
    ['Live, small stream.', 640],
  ] as const) {
    const before = Date.now();
    await wall.keyboard.press('h');
    await expect(bar(wall)).toContainText(words, { timeout: 15_000 });
    await expect.poll(width).toBe(pixels);
    say(`${pixels} pixels ${Date.now() - before} ms after the key`);
    const behind = await lags(real, wall, 'dialog', 'cam-002');
    say(`${words} ${behind.join(' ')} ms behind the camera`);
    expect(Math.max(...behind)).toBeLessThanOrEqual(LAG_MS);
  }
  expect(await real.counted('cam-002')).toMatchObject({ connectionsMost: 1, refused: 0 });
});

test('the first picture comes at once where somebody watches already', async ({ real, wall, browser }) => {
  const cold: number[] = [];
  const warm: number[] = [];
  const other = await browser.newContext();
  const second = await other.newPage();
  await load(second, `${real.url}?still=1`);
  for (const camera of ['cam-001', 'cam-003', 'cam-004']) {
    await idle(real);
    cold.push(Math.round(await clickToPicture(second, camera)));
    warm.push(Math.round(await clickToPicture(wall, camera)));
    expect((await real.counted(camera)).connections).toBe(1);
    for (const page of [wall, second]) await page.keyboard.press('Escape');
  }
  say(`click to first picture: cold ${cold.join(' ')} ms, warm ${warm.join(' ')} ms`);
  expect(Math.max(...cold)).toBeLessThanOrEqual(GOP_SECONDS * 1000 + BUSY_MS);
  expect(Math.max(...warm)).toBeLessThanOrEqual(BUSY_MS);
  await other.close();
});

test('the pane plays the suggested camera, and a page that leaves gives all back', async ({ real, page }) => {
  const errors = watchErrors(page);
  await load(page, real.url);
  await expect(pane(page)).toBeVisible({ timeout: 30_000 });
  const [view] = (await real.items('leases')).filter(({ kind }) => kind === 'suggest');
  const camera = String(view?.camera);
  const behind = await lags(real, page, '.now', camera);
  say(`pane behind the camera: ${behind.join(' ')} ms`);
  expect(Math.max(...behind)).toBeLessThanOrEqual(LAG_MS);
  await page.goto('about:blank');
  await expect.poll(() => real.items('leases'), { timeout: GONE_MS + BUSY_MS }).toEqual([]);
  expect(errors, 'errors of the page').toEqual([]);
});
