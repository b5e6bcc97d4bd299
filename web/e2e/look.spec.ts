/** Takes pictures of the wall for people to look at: `npm run look`. No part of the tests. */

import { type Page, test } from '@playwright/test';
import { FakeServer } from './fake-server';

const DESK = { width: 1920, height: 1080 };
const PHONE = { width: 390, height: 844 };
const folder = process.env.LOOK;

test.skip(folder === undefined, 'only for npm run look');
test.setTimeout(120_000);

async function shoot(page: Page, name: string): Promise<void> {
  for (const [size, viewport] of Object.entries({ desk: DESK, phone: PHONE })) {
    await page.setViewportSize(viewport);
    await page.waitForTimeout(700);
    await page.screenshot({ path: `${folder}/${name}-${size}.png`, fullPage: false });
    if (size === 'phone') {
      await page.evaluate(() => scrollTo(0, 700));
      await page.waitForTimeout(500);
      await page.screenshot({ path: `${folder}/${name}-${size}-below.png` });
      await page.evaluate(() => scrollTo(0, 0));
    }
  }
}

async function shootLive(page: Page, server: FakeServer): Promise<void> {
  server.live.refuse = () => null;
  await page.goto(server.url);
  await page.waitForTimeout(1500);
  await shoot(page, 'live');
  server.live.options = { ttl: 50_000, heartbeatSeconds: 30 };
  await page.locator('[data-camera="cam-002"]').click();
  await page.waitForTimeout(1000);
  await shoot(page, 'live-ending');
  server.live.end(server.live.last('modal'), 4006, 'preempted');
  server.live.end(server.live.last('suggest'), 4001, 'expired');
  server.live.refuse = () => ({ status: 409, code: 'USER_ALREADY_HAS_MODAL' });
  await shoot(page, 'live-ended');
  await page.keyboard.press('r');
  await shoot(page, 'live-elsewhere');
  await page.keyboard.press('Escape');
  await page.locator('#language').click();
  server.live.refuse = (kind) => (kind === 'modal' ? null : { status: 503, code: 'OVER_CAPACITY' });
  await page.locator('[data-camera="cam-018"]').click();
  await page.waitForTimeout(1000);
  await shoot(page, 'live-ja');
}

test('pictures of the wall', async ({ page }) => {
  const server = await FakeServer.start({ cameras: 30, problems: true });
  await page.goto(server.url);
  await page.waitForTimeout(800);
  await shoot(page, 'dark');
  await page.locator('#theme').click();
  await shoot(page, 'light');
  await page.locator('#theme').click();
  await page.locator('#language').click();
  await shoot(page, 'ja');
  await page.locator('[aria-pressed]').nth(2).click();
  await shoot(page, 'ja-subnets');
  await page.locator('#language').click();
  await page.locator('[data-camera="cam-018"]').click();
  await shoot(page, 'dialog');
  await page.keyboard.press('Escape');
  await page.locator('#help').click();
  await shoot(page, 'help');
  await page.keyboard.press('Escape');
  await page.locator('#find').fill('zeppelin');
  await shoot(page, 'no-match');
  await page.locator('.empty button').click();
  await page.goto(`${server.url}?kiosk=1`);
  await shoot(page, 'kiosk');
  await page.goto(server.url);
  await page.waitForTimeout(500);
  await server.stop();
  await page.waitForTimeout(2500);
  await shoot(page, 'lost');
  const live = await FakeServer.start({ cameras: 30, problems: true });
  await shootLive(page, live);
  await live.stop();
  const none = await FakeServer.start({ cameras: 0, problems: false });
  await page.goto(none.url);
  await shoot(page, 'empty');
  await none.stop();
});
