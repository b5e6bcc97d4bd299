/** Whatever ends a live view: the media stops, the camera is left alone, and the page says why. With the real
 * server, and each view on a camera of its own. */

import type { Browser, BrowserContextOptions, Page } from '@playwright/test';
import { bar, modal, open, players } from './live-page';
import { expect, GONE_MS, load, say, test, views } from './real-page';
import type { RealServer } from './real-server';

/** From the server's decision to the last byte at the browser. */
const STOPPED_MS = 1_000;
const GRACE_MS = 5_000;
const IDLE_MS = 5 * 60_000;
/** Folder for pictures of the page at each end, for people to look at. */
const LOOK = process.env.LOOK;

test.use({
  cameras: {
    cameras: 7,
    gopSeconds: 1,
    admission: { leaseTtl: '12s', heartbeat: '1s', grace: `${GRACE_MS / 1000}s` },
  },
});
test.setTimeout(180_000);

interface Watched {
  readonly real: RealServer;
  readonly camera: string;
  readonly page: Page;
  /** When media arrived. */
  readonly media: readonly number[];
}

interface Ending {
  readonly name: string;
  readonly says: string;
  /** Brings the end about; when the server decided it, or the page that gave the view back. */
  readonly end: (watched: Watched) => Promise<number>;
}

async function lease({ real, camera }: Watched): Promise<Readonly<Record<string, unknown>>> {
  const found = (await views(real)).find((view) => view.camera === camera);
  if (found === undefined) throw new Error(`nobody watches ${camera}`);
  return found;
}

const ENDINGS: readonly Ending[] = [
  {
    name: 'expired',
    says: 'The time for this view is over.',
    end: async (watched) => Date.parse(String((await lease(watched)).expiresAt)),
  },
  {
    name: 'heartbeat',
    says: 'The server did not hear from this page and ended the view.',
    end: async (watched) => {
      await watched.page.route('**/heartbeat', (route) => route.abort());
      return Date.parse(String((await lease(watched)).lastHeartbeatAt)) + GRACE_MS;
    },
  },
  {
    name: 'revoked',
    says: 'An operator ended this view.',
    end: async (watched) => {
      const { id } = await lease(watched);
      const decidedAt = Date.now();
      await watched.real.ask(`leases/${String(id)}`, 'DELETE');
      return decidedAt;
    },
  },
  {
    name: 'idle',
    says: 'Stopped after 5 minutes without input.',
    end: async ({ page }) => {
      await page.clock.fastForward(IDLE_MS + 10_000);
      return Date.now();
    },
  },
  {
    name: 'removed',
    says: 'This camera is no longer in the manifests.',
    end: async ({ real, camera }) => {
      const { generation } = await real.ask('config');
      real.omit([camera]);
      await expect.poll(async () => (await real.ask('config')).generation).not.toBe(generation);
      return Date.parse(String((await real.ask('config')).appliedAt));
    },
  },
];

/** The server comes back only after the time in which it should have heard of the page. */
const RESTART: Ending = {
  name: 'restart',
  says: 'The server did not hear from this page and ended the view.',
  end: async ({ real, page }) => {
    const decidedAt = Date.now();
    await real.down();
    await expect(bar(page)).toContainText('The server is restarting.');
    await shoot(page, 'restarting');
    await page.waitForTimeout(Math.max(0, decidedAt + GRACE_MS + 500 - Date.now()));
    real.up();
    return decidedAt;
  },
};

async function watch(real: RealServer, browser: Browser, camera: string): Promise<Watched> {
  const options: BrowserContextOptions = { viewport: { width: 1920, height: 1080 }, locale: 'en-GB' };
  const page = await (await browser.newContext(options)).newPage();
  const media: number[] = [];
  page.on('websocket', (socket) => {
    if (!socket.url().includes('/live/')) return;
    socket.on('framereceived', ({ payload }) => typeof payload !== 'string' && media.push(Date.now()));
  });
  await page.clock.install();
  await load(page, `${real.url}?still=1`);
  await open(page, camera);
  await expect(modal(page)).toBeVisible({ timeout: 15_000 });
  await expect.poll(() => media.length).toBeGreaterThan(10);
  return { real, camera, page, media };
}

async function shoot(page: Page, name: string): Promise<void> {
  if (LOOK === undefined) return;
  for (const [width, height] of [
    [390, 844],
    [1920, 1080],
  ] as const) {
    await page.setViewportSize({ width, height });
    await page.waitForTimeout(300);
    await page.screenshot({ path: `${LOOK}/end-${name}-${width}.png` });
  }
}

/** Ends the view, and waits for everything that has to be over with it. */
async function over(watched: Watched, { name, says, end }: Ending): Promise<void> {
  const { real, camera, page, media } = watched;
  const left = real.left(camera, 60_000);
  left.catch(() => {});
  const decidedAt = await end(watched);
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText(says, { timeout: 20_000 });
  await expect.poll(() => players(page)).toBe(0);
  await page.waitForTimeout(Math.max(0, decidedAt + STOPPED_MS + 500 - Date.now()));
  const last = (media.at(-1) ?? 0) - decidedAt;
  expect(last, 'media after the decision').toBeLessThanOrEqual(STOPPED_MS);
  await shoot(page, name);
  const gone = (await left) - decidedAt;
  say(`${name}: media until ${last} ms after the decision, the connection gone after ${gone} ms`);
  expect(gone).toBeLessThanOrEqual(GONE_MS);
  expect((await views(real)).map((view) => view.camera)).not.toContain(camera);
  await page.context().close();
}

test('whatever ends a view ends its media and its connection, and says why', async ({ real, browser }) => {
  const run = (ending: Ending, index: number) =>
    test.step(ending.name, async () => {
      const watched = await watch(real, browser, `cam-00${index + 1}`);
      await over(watched, ending);
    });
  await Promise.all(ENDINGS.map(run));
  await run(RESTART, ENDINGS.length);
});
