import { CLIP_FRAMES } from './clip';
import { bar, modal, numberShown, open, players, watch } from './live-page';
import { expect, test } from './wall';

test('a camera that is opened plays, close behind the camera', async ({ wall: { server, page } }) => {
  await watch(server, page);
  expect(server.live.last('modal')).toMatchObject({ camera: 'cam-001', quality: 'sub' });
  expect(server.live.last('modal').codecs).toContain('avc1.640028');
  await expect(bar(page)).toContainText('Live, small stream.');
  await expect(page.locator('dialog').locator('.tag.live')).toHaveText(/live · \d\.\d s behind/);
  await page.waitForTimeout(1500);
  const ages: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const number = await numberShown(page, 'dialog');
    ages.push(Date.now() - server.live.sentAt(number, CLIP_FRAMES));
    await page.waitForTimeout(300);
  }
  test.info().annotations.push({ type: 'ms behind the camera', description: ages.join(' ') });
  expect(Math.max(...ages)).toBeLessThanOrEqual(1000);
  expect(await players(page)).toBe(1);
});

test('closing by key, button and backdrop gives the lease back and frees all', async ({
  wall: { server, page },
}) => {
  for (const close of [
    () => page.keyboard.press('Escape'),
    () => page.getByRole('button', { name: 'Close' }).click(),
    () => page.mouse.click(5, 5),
  ]) {
    await watch(server, page);
    await close();
    await expect.poll(() => server.live.open).toBe(0);
    expect(server.live.last('modal').ended).toBe('released');
    expect(await players(page)).toBe(0);
    await expect(page.locator('[data-camera="cam-001"]')).toBeFocused();
  }
});

test('HD breaks before it makes, and keeps the last picture meanwhile', async ({
  wall: { server, page },
}) => {
  await watch(server, page);
  const small = server.live.last('modal');
  let heldWhenAsked = -1;
  server.live.refuse = () => {
    heldWhenAsked = server.live.held.length;
    return null;
  };
  await page.keyboard.press('h');
  await expect(bar(page)).toContainText('Live, large stream.');
  await expect(page.getByRole('button', { name: 'HD' })).toHaveAttribute('aria-pressed', 'true');
  expect(small.ended).toBe('released');
  expect(server.live.last('modal').quality).toBe('main');
  expect(heldWhenAsked).toBe(server.live.held.filter(({ kind }) => kind === 'suggest').length);
  expect(await page.locator('dialog video').evaluate((video) => (video as HTMLVideoElement).videoWidth)).toBe(
    640,
  );
  server.live.silent = true;
  await page.getByRole('button', { name: 'HD' }).click();
  await expect(page.locator('dialog .screen[data-picture="frozen"]')).toBeVisible();
  await expect(page.locator('dialog').locator('.tag')).toContainText('last live picture');
});

test('near its end the viewer is asked, and confirming goes on', async ({ wall: { server, page } }) => {
  server.live.options = { ttl: 58_000, heartbeatSeconds: 1 };
  await watch(server, page);
  await expect(page.getByRole('timer')).toHaveText(/Ends in 5\d s\./);
  server.live.options = { ttl: 300_000, heartbeatSeconds: 1 };
  await page.getByRole('button', { name: 'Keep watching' }).click();
  await expect(page.getByRole('timer')).toHaveCount(0);
  await expect.poll(() => server.live.last('modal').beats).toBeGreaterThan(1);
  await expect(modal(page)).toBeVisible();
});

const CLOSES: readonly (readonly [number, string, RegExp])[] = [
  [4001, 'expired', /time for this view is over/],
  [4002, 'heartbeat', /did not hear from this page/],
  [4004, 'revoked', /operator ended/],
  [4005, 'camera_removed', /no longer in the manifests/],
  [4006, 'preempted', /another window/],
];

for (const [code, reason, text] of CLOSES) {
  test(`the server ends the view with ${code}: it says why and waits`, async ({ wall: { server, page } }) => {
    await watch(server, page);
    server.live.end(server.live.last('modal'), code, reason);
    await expect(bar(page).getByRole('status')).toHaveText(text);
    await expect(page.locator('dialog .screen[data-picture="frozen"]')).toBeVisible();
    expect(await players(page)).toBe(0);
    if (code === 4005) return;
    await page.getByRole('button', { name: 'Reconnect' }).click();
    await expect(modal(page)).toBeVisible();
    expect(server.live.held).toHaveLength(1);
  });
}

test('a stream that breaks comes back on the same lease; three quick failures wait for the viewer', async ({
  wall: { server, page },
}) => {
  await watch(server, page);
  const lease = server.live.last('modal');
  server.live.close(lease);
  await expect(bar(page)).toContainText(/The connection was lost\. Next try/);
  await expect(modal(page)).toBeVisible();
  expect(server.live.held).toEqual([lease]);
  server.live.close(lease, 4008, 'engine');
  await expect(bar(page)).toContainText('The live stream of the camera failed.');
  await expect(modal(page)).toBeVisible();
  server.live.close(lease, 4007, 'slow');
  await expect(bar(page)).toContainText('This connection is too slow for the stream.');
  await expect(page.locator('.live-bar p')).not.toContainText('Next try');
  await expect.poll(() => lease.ended).toBe('released');
  await page.keyboard.press('r');
  await expect(modal(page)).toBeVisible();
});

test('a user with a view elsewhere may take over', async ({ wall: { server, page } }) => {
  server.live.refuse = (kind, _, takeOver) =>
    kind === 'modal' && takeOver ? null : { status: 409, code: 'USER_ALREADY_HAS_MODAL' };
  await open(page);
  await expect(bar(page)).toContainText('You are watching a camera in another window.');
  await page.getByRole('button', { name: 'Watch here instead' }).click();
  await expect(modal(page)).toBeVisible();
});

test('a codec that the browser cannot play is named', async ({ wall: { server, page } }) => {
  server.live.mime = 'video/mp4; codecs="hvc1.9.9.L999.B0"';
  server.live.refuse = (kind) => (kind === 'modal' ? null : { status: 503, code: 'NO_SLOT' });
  await open(page);
  await expect(bar(page)).toContainText('This browser cannot play this stream. (H.265)');
  await expect.poll(() => server.live.held.length).toBe(0);
  await page.getByRole('button', { name: 'HD' }).click();
  await expect(page.getByRole('button', { name: 'Use the small stream' })).toBeVisible();
});

test('a camera that begins anew goes on playing', async ({ wall: { server, page } }) => {
  await watch(server, page);
  server.live.restart(server.live.last('modal'));
  const width = () =>
    page.locator('dialog video').evaluate((video) => (video as HTMLVideoElement).videoWidth);
  await expect.poll(width).toBe(480);
  await expect(modal(page)).toBeVisible();
  expect(server.live.leases).toHaveLength(1);
});
