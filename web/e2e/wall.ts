/** What every browser test uses: a fake server, a wall open on it, and no error tolerated. */

import { test as base, expect, type Page } from '@playwright/test';
import { type FakeOptions, FakeServer } from './fake-server';

export interface Wall {
  readonly server: FakeServer;
  readonly page: Page;
  /** Stops the server and starts another one in its place. */
  readonly restart: (options?: Partial<FakeOptions>) => Promise<FakeServer>;
}

interface Fixtures {
  readonly options: FakeOptions;
  readonly path: string;
  readonly wall: Wall;
}

/** The browser reports what the network does by itself; tests that stop the server expect that. */
const NETWORK = /Failed to load resource|WebSocket connection to|ERR_CONNECTION/;

export const test = base.extend<Fixtures>({
  options: [{ cameras: 30, problems: true }, { option: true }],
  path: ['', { option: true }],
  wall: async ({ page, options, path }, use) => {
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    page.on('console', (message) => {
      const text = message.text();
      if (['error', 'warning'].includes(message.type()) && !NETWORK.test(text)) errors.push(text);
    });
    await page.addInitScript(() => {
      addEventListener('securitypolicyviolation', (event) => {
        // biome-ignore lint/suspicious/noConsole: the console is how the page tells the test.
        console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    let server = await FakeServer.start(options);
    const { port } = server;
    const restart = async (change: Partial<FakeOptions> = {}) => {
      await server.stop();
      server = await FakeServer.start({ ...options, ...change, port });
      return server;
    };
    await page.goto(server.url + path);
    await expect(page.locator('.link')).toHaveClass(/connected/);
    await use({ server, page, restart });
    await server.stop();
    expect(errors, 'errors of the page').toEqual([]);
  },
});

/** The page is no wider than its window, and no text or box sticks out of it. */
export async function expectNoOverflow(page: Page): Promise<void> {
  const wide = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const outside = [...document.querySelectorAll('#app *')].filter((element) => {
      const box = element.getBoundingClientRect();
      return box.width > 0 && (box.right > width + 0.5 || box.left < -0.5);
    });
    return {
      scroll: document.documentElement.scrollWidth - width,
      outside: outside.map((one) => one.outerHTML.slice(0, 80)),
    };
  });
  expect(wide).toEqual({ scroll: 0, outside: [] });
}

export { expect };
