/** Live video from camera to screen through each engine, with nothing between that is not the real thing. */

import type { Page } from '@playwright/test';
import { bar, modal, open, pane, players } from './live-page';
import {
  BUSY_MS,
  clickToPicture,
  expect,
  GONE_MS,
  GOP_SECONDS,
  lags,
  load,
  say,
  test,
  views,
  watchErrors,
} from './real-page';

/** From the camera's clock to the screen. */
const LAG_MS = 1000;

test.setTimeout(90_000);

/** Bytes of sound that were decoded, and whether nobody hears them. */
function sound(page: Page): Promise<readonly [number, boolean]> {
  return page.locator('dialog video').evaluate((element) => {
    const video = element as HTMLVideoElement & { readonly webkitAudioDecodedByteCount: number };
    return [video.webkitAudioDecodedByteCount, video.muted] as const;
  });
}

/** Heard when somebody asks for it and no earlier; another stream of the camera goes on to be heard. */
async function listens(wall: Page): Promise<void> {
  const [bytes, muted] = await sound(wall);
  expect(bytes).toBeGreaterThan(1000);
  expect(muted).toBe(true);
  const button = wall.getByRole('button', { name: 'Sound' });
  await expect(button).toHaveAttribute('aria-pressed', 'false');
  await button.click();
  await expect(button).toHaveAttribute('aria-pressed', 'true');
  expect((await sound(wall))[1]).toBe(false);
  await wall.keyboard.press('m');
  await expect(button).toHaveAttribute('aria-pressed', 'false');
  expect((await sound(wall))[1]).toBe(true);
  await button.click();
  // With the focus on the button, the keys go on to work.
  for (const words of ['Live, large stream.', 'Live, small stream.']) {
    await wall.keyboard.press('h');
    await expect(bar(wall)).toContainText(words, { timeout: 15_000 });
    await expect(button).toHaveAttribute('aria-pressed', 'true');
  }
}

test('an opened camera plays close behind its clock, and is left alone when closed', async ({
  engine,
  real,
  wall,
}) => {
  await open(wall, 'cam-001');
  await expect(modal(wall)).toBeVisible({ timeout: 15_000 });
  const behind = await lags(real, wall, 'dialog', 'cam-001');
  say(`small stream behind the camera: ${behind.join(' ')} ms`);
  expect(Math.max(...behind)).toBeLessThanOrEqual(LAG_MS);
  expect(Math.min(...behind)).toBeGreaterThanOrEqual(0);
  // Gateways pass no sound on.
  if (engine.name === 'native') await listens(wall);
  else await expect(wall.getByRole('button', { name: 'Sound' })).toHaveCount(0);
  expect((await real.counted('cam-001')).connections).toBe(1);
  await wall.keyboard.press('Escape');
  const closedAt = Date.now();
  await expect.poll(() => players(wall)).toBe(0);
  const gone = (await real.left('cam-001', GONE_MS)) - closedAt;
  say(`the camera's connection is gone ${gone} ms after closing`);
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

test('the first picture comes in time, cold and where somebody watches already', async ({
  real,
  wall,
  browser,
}) => {
  const cold: number[] = [];
  const warm: number[] = [];
  const other = await browser.newContext();
  const second = await other.newPage();
  await load(second, `${real.url}?still=1`);
  for (const camera of ['cam-001', 'cam-003', 'cam-004']) {
    cold.push(await clickToPicture(second, camera));
    warm.push(await clickToPicture(wall, camera));
    expect((await real.counted(camera)).connections).toBe(1);
    for (const page of [wall, second]) {
      await page.keyboard.press('Escape');
      await expect(page.locator('dialog[open]')).toHaveCount(0);
    }
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
  const [view] = await views(real);
  const camera = String(view?.camera);
  const behind = await lags(real, page, '.now', camera);
  say(`pane behind the camera: ${behind.join(' ')} ms`);
  expect(Math.max(...behind)).toBeLessThanOrEqual(LAG_MS);
  await page.goto('about:blank');
  await expect.poll(() => real.items('leases'), { timeout: GONE_MS + BUSY_MS }).toEqual([]);
  expect(errors, 'errors of the page').toEqual([]);
});
