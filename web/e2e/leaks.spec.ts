/** Opens and closes live views many times and weighs the page from outside: `CYCLES=200` for the long form. The
 * stills are tiny, since Chromium keeps the last thousand that it decoded, which would hide what players leave. */

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@playwright/test';
import { BareBrowser } from './bare-browser';
import { FakeServer } from './fake-server';

const CYCLES = Number(process.env.CYCLES ?? 60);
/** The first ones load the decoder and fill the browser's own caches. */
const WARM_UP = 20;
const IDLE_MS = CYCLES >= 200 ? 20_000 : 1_000;
/** 16 by 8 pixels of grey. */
const TINY =
  '/9j/4AAQSkZJRgABAgAAAQABAAD//gAQTGF2YzU5LjM3LjEwMAD/2wBDAAg+Pkk+SVVVVVVVVWRdZGhoaGRkZGRoaGhwcHCDg4NwcHBo' +
  'aGhwcHyDg4+Tj4eHg4eTk5ubm7q6srLZ2eD/////xABKAAEAAAAAAAAAAAAAAAAAAAAAAQEAAAAAAAAAAAAAAAAAAAAAEAEAAAAAAAAAAAAA' +
  'AAAAAAAAEQEAAAAAAAAAAAAAAAAAAAAA/8AAEQgACAAQAwEiAAIRAAMRAP/aAAwDAQACEQMRAD8AAA//2Q==';
const MOST_GROWTH = 30_000_000;

test.skip(process.platform !== 'linux', 'reads /proc');
test.setTimeout(60_000 + CYCLES * 3_000);

/** Waits in the page until `condition` holds. */
const until = (condition: string) => `new Promise((resolve, reject) => {
  const end = Date.now() + 15000;
  const look = () => {
    if (${condition}) return resolve(true);
    if (Date.now() > end) return reject(new Error(${JSON.stringify(condition)}));
    setTimeout(look, 10);
  };
  look();
})`;
const live = (where: string) => `document.querySelector('${where} .screen[data-picture="live"]') !== null`;

interface Weighed {
  readonly server: FakeServer;
  readonly browser: BareBrowser;
}

async function rested(browser: BareBrowser): Promise<number> {
  await sleep(IDLE_MS);
  await browser.tidy();
  return browser.residentBytes();
}

async function begin(view: 'modal' | 'suggest'): Promise<Weighed> {
  const { executablePath = '', args = [] } = test.info().project.use.launchOptions ?? {};
  const server = await FakeServer.start({ cameras: 8, problems: false });
  server.picture = Buffer.from(TINY, 'base64');
  server.live.refuse = (kind) => (kind === view ? null : { status: 503, code: 'OVER_CAPACITY' });
  const browser = await BareBrowser.open(server.url, executablePath, args);
  await browser.evaluate(until(`document.querySelectorAll('[data-camera] img').length === 8`));
  return { server, browser };
}

async function weigh(
  view: 'modal' | 'suggest',
  cycle: (bench: Weighed, round: number) => Promise<void>,
  left: number,
): Promise<void> {
  const { server, browser } = await begin(view);
  try {
    for (let round = 0; round < WARM_UP; round += 1) await cycle({ server, browser }, round);
    const before = await rested(browser);
    let most = before;
    const startedAt = Date.now();
    for (let round = 0; round < CYCLES; round += 1) {
      await cycle({ server, browser }, round);
      if (round % 10 === 9) most = Math.max(most, await browser.residentBytes());
    }
    const each = Math.round((Date.now() - startedAt) / CYCLES);
    const after = await rested(browser);
    const [from, peak, to] = [before, most, after].map((bytes) => (bytes / 1e6).toFixed(0));
    process.stdout.write(`${CYCLES} cycles of ${each} ms: ${from} MB, at most ${peak}, after ${to}\n`);
    expect(await browser.evaluate('__camserver.players()')).toBe(left);
    expect(await browser.evaluate('document.querySelectorAll("video").length')).toBeLessThanOrEqual(2);
    expect(server.live.open).toBe(left);
    expect(server.live.held).toHaveLength(left);
    expect(after - before).toBeLessThan(MOST_GROWTH);
  } finally {
    await browser.close();
    await server.stop();
  }
}

async function openAndClose({ browser }: Weighed, round: number): Promise<void> {
  await browser.evaluate(`document.querySelectorAll('[data-camera]')[${round % 8}].click()`);
  await browser.evaluate(until(live('dialog')));
  await browser.evaluate(`document.querySelector('dialog').close()`);
  await browser.evaluate(until(`__camserver.players() === 0 && document.querySelector('dialog') === null`));
}

test('cameras opened and closed leave nothing behind', async () => {
  await weigh('modal', openAndClose, 0);
});

test('the browser destroys every player that it made', async () => {
  const { server, browser } = await begin('modal');
  try {
    await browser.countPlayers();
    for (let round = 0; round < 10; round += 1) await openAndClose({ server, browser }, round);
    await expect.poll(() => browser.players).toEqual({ made: 10, destroyed: 10 });
  } finally {
    await browser.close();
    await server.stop();
  }
});

test('the pane that switches cameras leaves nothing behind', async () => {
  // A camera that leaves makes the pane turn at once to another one.
  const cycle = async ({ server, browser }: Weighed) => {
    await browser.evaluate(until(live('.now')));
    const shown = server.cameras.get(server.live.last('suggest').camera);
    if (shown === undefined) throw new Error('the pane shows no camera');
    server.send({ type: 'cameraRemoved', name: shown.name });
    await expect.poll(() => server.live.last('suggest').camera).not.toBe(shown.name);
    server.send({ type: 'camera', camera: shown });
    await browser.evaluate(until(live('.now')));
  };
  await weigh('suggest', cycle, 1);
});

test('the pane that connects again and again leaves nothing behind', async () => {
  const cycle = async ({ server, browser }: Weighed) => {
    await browser.evaluate(until(live('.now')));
    server.live.close(server.live.last('suggest'));
    await browser.evaluate(until(`!(${live('.now')})`));
    // Does not wait for the pause.
    await browser.evaluate(`dispatchEvent(new Event('online'))`);
    await browser.evaluate(until(live('.now')));
  };
  await weigh('suggest', cycle, 1);
});
