/** WebRTC and HLS from camera to screen, through the real go2rtc that `GO2RTC` names. */

import { test as base, expect, type Page } from '@playwright/test';
import { bar, modal, open, players } from './live-page';
import { load } from './peers';
import { RealServer } from './real-server';

const GO2RTC = process.env.GO2RTC;
/** From the camera's clock to the screen: WebRTC as close as MSE, HLS some seconds behind. */
const LAG_MS = { webrtc: 1_000, hls: 12_000 };
/** The camera's connection ends with the last right to the stream. */
const CUT_MS = 2_000;

const test = base.extend<object, { real: RealServer }>({
  real: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the first parameter's pattern.
    async ({}, use) => {
      const spec = { live: { engine: 'go2rtc', webrtc: true, hls: true }, gateway: { binary: GO2RTC } };
      const engine = { name: 'go2rtc', spec } as const;
      const real = await RealServer.start({ engine, cameras: 4, gopSeconds: 2, network: 8 });
      await use(real);
      await real.stop();
    },
    { scope: 'worker', timeout: 240_000 },
  ],
  page: async ({ page }, use) => {
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    await use(page);
    expect(errors, 'errors of the page').toEqual([]);
  },
});
test.skip(GO2RTC === undefined, 'SKIPPED: GO2RTC names no go2rtc');
test.setTimeout(90_000);

/** How far the picture on the screen is behind the camera. */
async function lag(real: RealServer, page: Page, camera: string): Promise<number> {
  const { url, at } = await page.locator('dialog video').evaluate((element) => {
    const video = element as HTMLVideoElement;
    const canvas = document.createElement('canvas');
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext('2d')?.drawImage(video, 0, 0);
    return { at: Date.now(), url: canvas.toDataURL('image/jpeg', 0.95) };
  });
  const stamp = real.stamp(Buffer.from(url.slice(url.indexOf(',') + 1), 'base64'));
  expect(stamp.camera).toBe(camera);
  return at - stamp.sentAt;
}

/** Plays on, close enough, and moves. */
async function plays(real: RealServer, page: Page, camera: string, most: number): Promise<void> {
  await page.waitForTimeout(3_000);
  const lags: number[] = [];
  for (let round = 0; round < 4; round += 1) {
    lags.push(await lag(real, page, camera));
    await page.waitForTimeout(700);
  }
  process.stdout.write(`${camera} behind the camera: ${lags.join(' ')} ms\n`);
  expect(Math.max(...lags)).toBeLessThanOrEqual(most);
}

async function connections(real: RealServer, camera: string): Promise<number> {
  return (await real.counted(camera)).connections;
}

/** Nothing is left of a view: neither here nor at the camera. */
async function freed(real: RealServer, page: Page, camera: string, within: number): Promise<void> {
  await expect.poll(() => connections(real, camera), { timeout: within, intervals: [100] }).toBe(0);
  expect(await players(page)).toBe(0);
  const left = await page.evaluate(() => ({
    open: window.peers?.filter(({ connectionState }) => connectionState !== 'closed').length ?? 0,
    media: [...document.querySelectorAll('video')].filter(
      ({ srcObject, src }) => srcObject !== null || src !== '',
    ).length,
  }));
  expect(left).toEqual({ open: 0, media: 0 });
}

test('without MSE a camera plays over WebRTC, and nothing of it is left', async ({ real, page }) => {
  await load(page, real, ['MediaSource', 'ManagedMediaSource']);
  await open(page, 'cam-001');
  await expect(modal(page)).toBeVisible({ timeout: 15_000 });
  await expect(bar(page)).toContainText('Over WebRTC.');
  await plays(real, page, 'cam-001', LAG_MS.webrtc);
  expect(await connections(real, 'cam-001')).toBe(1);
  await page.keyboard.press('Escape');
  await freed(real, page, 'cam-001', CUT_MS);
  // At once again: what is left in go2rtc of the view before does not stand in the way.
  await open(page, 'cam-001');
  await expect(modal(page)).toBeVisible({ timeout: 15_000 });
  const [lease] = (await real.items('leases')).filter(({ kind }) => kind === 'modal');
  const revoked = await fetch(`${real.url}api/v1/leases/${lease?.id}`, { method: 'DELETE' });
  expect(revoked.status).toBe(204);
  await expect(bar(page).getByRole('status')).toHaveText(/operator ended/);
  await freed(real, page, 'cam-001', CUT_MS);
});

test('a browser that cannot reach the video port turns to HLS', async ({ real, page }) => {
  await page.addInitScript(() => {
    const { setRemoteDescription } = RTCPeerConnection.prototype;
    const set = setRemoteDescription as (answer: RTCSessionDescriptionInit) => Promise<void>;
    RTCPeerConnection.prototype.setRemoteDescription = function (answer) {
      const sdp = (answer.sdp ?? '').replace(/a=candidate:.*\r\n/g, '');
      return set.call(this, { type: 'answer', sdp });
    };
  });
  await load(page, real, ['MediaSource', 'ManagedMediaSource']);
  await open(page, 'cam-002');
  await expect(modal(page)).toBeVisible({ timeout: 40_000 });
  await expect(bar(page)).toContainText('Over HLS');
  await plays(real, page, 'cam-002', LAG_MS.hls);
  await page.keyboard.press('Escape');
  await freed(real, page, 'cam-002', 8_000);
});

/** Bytes of video that the page's peer connections have received. */
function received(page: Page): Promise<number> {
  return page.evaluate(async () => {
    let bytes = 0;
    for (const peer of window.peers ?? []) {
      for (const [, report] of await peer.getStats()) {
        if (report.type === 'inbound-rtp') bytes += report.bytesReceived;
      }
    }
    return bytes;
  });
}

async function gateway(real: RealServer): Promise<unknown> {
  const all = await real.items('processes');
  return all.find(({ kind, state }) => kind === 'gateway' && state !== 'Z')?.pid;
}

test('a browser that never hangs up sees nothing more once it has no right', async ({
  real,
  page,
  browser,
}) => {
  await page.addInitScript(() => {
    RTCPeerConnection.prototype.close = () => {};
  });
  await load(page, real, ['MediaSource', 'ManagedMediaSource']);
  const context = await browser.newContext();
  const other = await context.newPage();
  await load(other, real, []);
  const receives = async () => {
    const before = await received(page);
    await page.waitForTimeout(700);
    return (await received(page)) - before;
  };
  // The last right to the stream: cut at once, and not in the way of the next viewer.
  await open(page, 'cam-004');
  await expect(modal(page)).toBeVisible({ timeout: 15_000 });
  expect(await receives()).toBeGreaterThan(0);
  await page.keyboard.press('Escape');
  await expect.poll(() => connections(real, 'cam-004'), { timeout: CUT_MS, intervals: [100] }).toBe(0);
  // What was on its way may still come.
  await expect.poll(receives, { timeout: CUT_MS }).toBe(0);
  await open(other, 'cam-004');
  await expect(modal(other)).toBeVisible({ timeout: 15_000 });
  expect(await receives()).toBe(0);
  // Beside others: a ghost, which a restart ends; the others go on.
  await open(page, 'cam-004');
  await expect(modal(page)).toBeVisible({ timeout: 15_000 });
  const pid = await gateway(real);
  await page.keyboard.press('Escape');
  expect(await receives()).toBeGreaterThan(0);
  const endedAt = Date.now();
  await expect.poll(() => gateway(real), { timeout: 40_000 }).not.toBe(pid);
  process.stdout.write(`the ghost is gone after ${Date.now() - endedAt} ms\n`);
  expect(await receives()).toBe(0);
  await expect.poll(() => gateway(real), { timeout: 15_000 }).toBeTruthy();
  await plays(real, other, 'cam-004', LAG_MS.webrtc);
  expect((await real.counted('cam-004')).connectionsMost).toBe(1);
  await context.close();
});
