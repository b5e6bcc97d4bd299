import { makeEvent } from './event-log';
import { cameraName } from './fleet';
import { allowAll, bar, modal, open, pane, players, watch } from './live-page';
import { expect, test } from './wall';

test('the pane plays the suggested camera, follows it, and reconnects by itself', async ({
  wall: { server, page },
}) => {
  await allowAll(server, page);
  await expect(pane(page)).toBeVisible();
  expect(server.live.last('suggest').camera).toBe('cam-003');
  await page.evaluate(() => Object.assign(window, { first: document.querySelector('.now video') }));
  server.event({ ...makeEvent(0, 'vehicle', cameraName(3), Date.now()), frameId: 1003 });
  await expect(page.locator('.now h1')).toHaveText('Loading dock west', { timeout: 10_000 });
  await expect(pane(page)).toBeVisible();
  expect(
    await page.evaluate(() => document.querySelector('.now video') === Reflect.get(window, 'first')),
  ).toBe(true);
  await expect.poll(() => server.live.held.map(({ camera }) => camera)).toEqual(['cam-004']);
  server.live.end(server.live.last('suggest'), 4002, 'heartbeat');
  await expect(page.locator('.now .still')).toHaveClass(/stale/);
  await expect(page.locator('.now .tag').first()).toHaveText(/last seen \d\d:\d\d:\d\d · \d+ s ago/);
  await expect(pane(page)).toBeVisible();
  await expect(page.locator('.now .still')).not.toHaveClass(/stale/);
});

test('a refused pane shows stills with a quiet word', async ({ wall: { server, page } }) => {
  await expect(page.locator('.now .word')).toHaveText('All live views are in use. Still pictures instead.');
  await expect(page.locator('.now .still')).not.toHaveClass(/stale/);
  expect(server.live.leases).toHaveLength(0);
});

test.describe('still=1', () => {
  test.use({ path: '?still=1' });
  test('asks for no live view until a camera is opened', async ({ wall: { server, page } }) => {
    await expect(page.locator('.now .word')).toHaveCount(0);
    await expect(page.locator('video')).toHaveCount(0);
    await watch(server, page);
  });
});

test('an event opens its camera, by pointer and by key', async ({ wall: { page } }) => {
  await page.locator('.event').first().click();
  await expect(page.getByRole('dialog', { name: 'Loading dock east' })).toBeVisible();
  await page.keyboard.press('Escape');
  await page.getByRole('log').focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog', { name: 'Silo' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.locator('.event .source').nth(1)).toBeFocused();
});

test('a page that is hidden gives the open view back at once and the pane goes on', async ({
  wall: { server, page },
}) => {
  await allowAll(server, page);
  await open(page);
  await expect(modal(page)).toBeVisible();
  await expect(pane(page)).toBeAttached();
  const hide = (hidden: boolean) =>
    page.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  await hide(true);
  await expect.poll(() => server.live.held.map(({ kind }) => kind)).toEqual(['suggest']);
  await expect(bar(page)).toContainText('Stopped while the page was hidden.');
  await hide(false);
  await page.waitForTimeout(500);
  expect(server.live.held).toHaveLength(1);
  await page.getByRole('button', { name: 'Reconnect' }).click();
  await expect(modal(page)).toBeVisible();
});

test('a page that goes away gives everything back', async ({ wall: { server, page } }) => {
  await allowAll(server, page);
  await open(page);
  await expect(modal(page)).toBeVisible();
  expect(server.live.held).toHaveLength(2);
  await page.goto('about:blank');
  await expect.poll(() => server.live.held).toHaveLength(0);
  await expect.poll(() => server.live.open).toBe(0);
});

test('without input for 5 minutes the open view is given back', async ({ wall: { server, page } }) => {
  server.live.options = { ttl: 3_600_000, heartbeatSeconds: 30 };
  await page.clock.install();
  await page.goto(server.url);
  await watch(server, page);
  await page.clock.fastForward(200_000);
  await page.mouse.move(300, 300);
  await page.clock.fastForward(200_000);
  await page.waitForTimeout(300);
  expect(server.live.held).toHaveLength(1);
  await page.clock.fastForward(110_000);
  await expect(bar(page)).toContainText('Stopped after 5 minutes without input.');
  await expect.poll(() => server.live.held).toHaveLength(0);
});

test('a camera that leaves the manifests takes its view along', async ({ wall: { server, page } }) => {
  await watch(server, page);
  server.cameras.delete('cam-001');
  server.send({ type: 'cameraRemoved', name: 'cam-001' });
  await expect(page.getByRole('dialog')).toContainText('no longer in the manifests');
  await expect.poll(() => server.live.held).toHaveLength(0);
  expect(await players(page)).toBe(0);
});

test('a server that restarts finds the viewers again', async ({ wall: { server, page, restart } }) => {
  await watch(server, page);
  const next = await restart();
  next.live.refuse = (kind) => (kind === 'modal' ? null : { status: 503, code: 'OVER_CAPACITY' });
  // The new server does not know the lease: the view says so and waits.
  await expect(bar(page)).toContainText('The server no longer knows this view.', { timeout: 10_000 });
  await page.getByRole('button', { name: 'Reconnect' }).click();
  await expect(modal(page)).toBeVisible();
});
