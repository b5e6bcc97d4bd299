import { makeEvent } from './event-log';
import { cameraName } from './fleet';
import { expect, test } from './wall';

const vehicle = (camera: number) => makeEvent(0, 'vehicle', cameraName(camera), Date.now());

test('a gap in the numbers brings a reconnect that misses nothing', async ({ wall: { server, page } }) => {
  server.event(vehicle(10), true);
  server.event(vehicle(11));
  await expect.poll(() => server.sinces).toEqual([null, '13']);
  await expect(page.locator('.event').nth(0)).toContainText('Workshop');
  await expect(page.locator('.event').nth(1)).toContainText('Silo');
  await expect(page.locator('.banner')).toHaveCount(0);
});

test('a slow client takes a fresh snapshot when told to', async ({ wall: { server, page } }) => {
  server.send({ type: 'resync', reason: 'slow' });
  await expect.poll(() => server.sinces).toEqual([null, '13']);
  await expect(page.locator('.link')).toHaveClass(/connected/);
});

test('the server dies: banner, countdown, grey; it returns: all is well', async ({
  wall: { server, page, restart },
}) => {
  await expect(page.locator('.cameras .pic.filled')).toHaveCount(29);
  await server.stop();
  const banner = page.locator('.banner');
  await expect(banner).toContainText(/No connection to the server since \d\d:\d\d:\d\d/);
  await expect(page.locator('.link')).toHaveText(/reconnecting in \d+ s/);
  await expect(page.locator('main')).toHaveClass(/outdated/);
  await expect(page.locator('[data-camera]')).toHaveCount(30);
  await expect(page.locator('.cameras .pic.filled')).toHaveCount(29);
  await expect(banner).toContainText(/Next try in \d+ s/);
  await restart();
  await expect(banner).toHaveCount(0, { timeout: 12_000 });
  await expect(page.locator('main')).not.toHaveClass(/outdated/);
});

test('after five failures the banner offers to reload', async ({ wall: { server, page } }) => {
  await page.clock.install();
  await server.stop();
  await expect(page.locator('.banner')).toBeVisible();
  await expect(page.locator('.banner button')).toHaveCount(0);
  await expect(async () => {
    await page.clock.runFor(5_000);
    await expect(page.getByRole('button', { name: 'Reload page' })).toBeVisible({ timeout: 100 });
  }).toPass({ timeout: 20_000 });
});

test('a silent server is given up after 45 s', async ({ wall: { server, page } }) => {
  await page.clock.install();
  await page.reload();
  await expect(page.locator('.link')).toHaveClass(/connected/);
  const before = server.sinces.length;
  await page.clock.runFor(44_000);
  expect(server.sinces.length).toBe(before);
  await page.clock.runFor(4_000);
  await expect.poll(() => server.sinces.length).toBeGreaterThan(before);
});

test('pictures that fail are tried again', async ({ wall: { server, page } }) => {
  await expect(page.locator('.cameras .pic.filled')).toHaveCount(29);
  server.failPictures = true;
  server.capture(0, 6000);
  await expect.poll(() => server.pictures.filter((url) => url.endsWith('v=6000')).length).toBe(1);
  await expect(page.locator('[data-camera="cam-001"] img')).toHaveAttribute('src', /v=1000$/);
  server.failPictures = false;
  await expect(page.locator('[data-camera="cam-001"] img')).toHaveAttribute('src', /v=6000$/);
});

test('pictures do not wait for their pause when the server is back', async ({ wall: { server, page } }) => {
  server.failPictures = true;
  server.capture(0, 6000);
  const asked = () => server.pictures.filter((url) => url.endsWith('v=6000')).length;
  await expect.poll(asked, { timeout: 10_000 }).toBe(3);
  server.failPictures = false;
  server.send({ type: 'resync', reason: 'slow' });
  await expect(page.locator('[data-camera="cam-001"] img')).toHaveAttribute('src', /v=6000$/, {
    timeout: 4_000,
  });
});

test('the page reloads itself after the server was upgraded', async ({ wall: { page, restart } }) => {
  await page.clock.install();
  await page.reload();
  await expect(page.locator('.link')).toHaveClass(/connected/);
  await page.evaluate(() => Object.assign(window, { sameLife: true }));
  await restart({ version: '0.2.0' });
  await expect(async () => {
    await page.clock.runFor(31_000).catch(() => {});
    expect(await page.evaluate(() => 'sameLife' in window)).toBe(false);
  }).toPass({ timeout: 20_000 });
  await expect(page.locator('.link')).toHaveClass(/connected/);
});

test('the page reloads at its hour once the server answers', async ({ wall: { server, page } }) => {
  await page.clock.install({ time: new Date(2026, 10, 22, 2, 59, 0) });
  await page.reload();
  await expect(page.locator('.link')).toHaveClass(/connected/);
  await page.evaluate(() => Object.assign(window, { sameLife: true }));
  await page.clock.runFor(30_000);
  expect(await page.evaluate(() => 'sameLife' in window)).toBe(true);
  const before = server.sinces.length;
  await expect(async () => {
    await page.clock.runFor(31_000).catch(() => {});
    expect(await page.evaluate(() => 'sameLife' in window)).toBe(false);
  }).toPass({ timeout: 20_000 });
  await expect.poll(() => server.sinces.length).toBeGreaterThan(before);
});
