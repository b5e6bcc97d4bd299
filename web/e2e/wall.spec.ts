import { makeEvent } from './event-log';
import { CSP } from './fake-server';
import { cameraName } from './fleet';
import { expect, expectNoOverflow, test } from './wall';

for (const [width, height] of [
  [1920, 1080],
  [1366, 768],
  [1024, 768],
  [390, 844],
] as const) {
  for (const locale of ['en-GB', 'ja-JP']) {
    test.describe(`${width}x${height} ${locale}`, () => {
      test.use({ viewport: { width, height }, locale });
      test('thirty cameras without horizontal overflow', async ({ wall: { page } }) => {
        await expect(page.locator('[data-camera]')).toHaveCount(30);
        await expect(page.locator('.cameras .pic.filled').first()).toBeVisible();
        await expectNoOverflow(page);
        await page.locator('[data-camera="cam-018"]').click();
        await expect(page.locator('dialog .strip li')).toHaveCount(6);
        await expectNoOverflow(page);
      });
    });
  }
}

test('the page comes with its security policy and obeys it', async ({ wall: { server, page } }) => {
  const response = await page.request.get(server.url);
  expect(response.headers()['content-security-policy']).toBe(CSP);
  expect(await response.text()).not.toMatch(/<style|style=|<script(?![^>]*src=)/);
});

test('the header answers what matters', async ({ wall: { page } }) => {
  const header = page.locator('header');
  await expect(header).toContainText('connected');
  await expect(header).toContainText('27 of 30 cameras ready');
  await expect(header).toContainText('9 of 60 connections in use');
  await expect(header).toContainText('0 of 35 live views');
  await expect(header).toContainText(/next sweep of north (in \d+ s|now)/);
  await expect(header).toContainText('set 41 · 8f3c2d1');
});

test('a problem says why and what comes next; a stale picture says since when', async ({
  wall: { page },
}) => {
  const tank = page.locator('[data-camera="cam-018"]');
  await expect(tank.locator('.why')).toHaveText(/^no answer at DESCRIBE · next try (in \d+ s|at \d\d:\d\d)$/);
  await expect(tank).toContainText(/last seen\s*\d\d:\d\d/);
  await expect(tank.getByRole('img', { name: 'failed' })).toBeVisible();
  await expect(page.locator('[data-camera="cam-006"] .why')).toContainText(
    'full: 2 of 2 in use, 2 held by vlc (4711)',
  );
  await expect(page.locator('.held')).toHaveText(
    'Held: forget camera yard-old: waits for confirmation, 12 of 30 cameras would go.',
  );
});

test('ages count', async ({ wall: { page } }) => {
  const age = page.locator('[data-camera="cam-002"] .age');
  const before = Number.parseInt((await age.textContent()) ?? '', 10);
  await expect
    .poll(async () => Number.parseInt((await age.textContent()) ?? '', 10))
    .toBeGreaterThan(before + 1);
});

test('an event arrives, and the Now pane turns to its camera', async ({ wall: { server, page } }) => {
  server.event({ ...makeEvent(0, 'vehicle', cameraName(3), Date.now()), frameId: 1003 });
  await expect(page.locator('.event').first()).toContainText('Loading dock west');
  // The pane stays with a camera for some seconds before it turns to the next.
  await expect(page.locator('.now h1')).toHaveText('Loading dock west', { timeout: 10_000 });
  await expect(page.locator('.now .strip li')).toHaveCount(6);
});

test('a new frame brings a new picture, an unchanged one is not asked for again', async ({
  wall: { server, page },
}) => {
  await expect(page.locator('.cameras .pic.filled')).toHaveCount(29);
  const first = page.locator('[data-camera="cam-001"] img');
  const old = await first.getAttribute('src');
  server.pictures.length = 0;
  server.pictureDelay = 1000;
  // The log and the strip may still be loading theirs.
  const thumbnails = () => server.pictures.filter((url) => url.includes('?v='));
  server.capture(0, 4000);
  server.capture(1, 1001);
  await expect.poll(thumbnails).toHaveLength(1);
  expect(await first.getAttribute('src')).toBe(old);
  await expect(first).toHaveAttribute('src', '/api/v1/cameras/cam-001/thumbnail.jpg?v=4000');
  expect(thumbnails()).toEqual(['/api/v1/cameras/cam-001/thumbnail.jpg?v=4000']);
});

test('filters: problems, subnets, find box by key, and nothing found', async ({ wall: { page } }) => {
  await page.getByRole('button', { name: 'Problems 4' }).click();
  await expect(page.locator('[data-camera]')).toHaveCount(4);
  await page.getByRole('button', { name: 'By subnet' }).click();
  await expect(page.locator('.group h3')).toHaveText([/^north18 of 20 ready/, /^south8 of 10 ready/]);
  await page.keyboard.press('/');
  await expect(page.locator('#find')).toBeFocused();
  await page.keyboard.type('gate');
  await expect(page.locator('[data-camera]')).toHaveCount(2);
  await page.keyboard.type(' zeppelin');
  await expect(page.locator('.cameras .empty')).toContainText('No camera matches “gate zeppelin”.');
  await page.getByRole('button', { name: 'Show all cameras' }).click();
  await expect(page.locator('[data-camera]')).toHaveCount(30);
});

test('the language switches and is remembered; names stay', async ({ wall: { server, page } }) => {
  await page.locator('#language').click();
  await expect(page.locator('html')).toHaveAttribute('lang', 'ja');
  await expect(page.locator('[data-camera="cam-018"] .why')).toContainText(
    'DESCRIBE に応答がありません · 再試行',
  );
  await expect(page.locator('[data-camera="cam-018"] .name')).toHaveText('Fuel tank');
  await page.goto(server.url);
  await expect(page.locator('header')).toContainText('接続中');
  await page.locator('#language').click();
  await expect(page.locator('header')).toContainText('connected');
});

test('the theme switches and is remembered', async ({ wall: { server, page } }) => {
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await page.locator('#theme').click();
  await page.goto(server.url);
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'light');
});

test.describe('Japanese browser', () => {
  test.use({ locale: 'ja-JP' });
  test('the language comes from the browser', async ({ wall: { page } }) => {
    await expect(page.locator('header')).toContainText('カメラ 27/30 台 正常');
  });
});

test.describe('no cameras', () => {
  test.use({ options: { cameras: 0, problems: false } });
  test('an empty wall says how to begin', async ({ wall: { page } }) => {
    await expect(page.locator('.cameras .empty')).toContainText('kind: Camera');
    await expect(page.locator('.events .empty')).toHaveText('Nothing has happened yet.');
    await expect(page.locator('.now .empty')).toBeVisible();
  });
});

test.describe('kiosk', () => {
  test.use({ path: '?kiosk=1' });
  test('no controls, and the pointer goes after 5 s', async ({ wall: { page } }) => {
    await expect(page.locator('[data-camera]')).toHaveCount(30);
    await expect(page.locator('header button, .head button, input, select')).toHaveCount(0);
    await expect(page.locator('html')).toHaveClass(/resting/, { timeout: 8_000 });
    await page.mouse.move(100, 100);
    await expect(page.locator('html')).not.toHaveClass(/resting/);
  });
});
