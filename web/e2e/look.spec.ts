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
  const none = await FakeServer.start({ cameras: 0, problems: false });
  await page.goto(none.url);
  await shoot(page, 'empty');
  await none.stop();
});
