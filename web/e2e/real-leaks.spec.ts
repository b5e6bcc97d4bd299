/** Begins live views many times in front of the real server, and looks at what is left: the page's process, weighed
 * from outside, its objects, and what server and cameras count. `CYCLES=200` for the long form. */

import { setTimeout as sleep } from 'node:timers/promises';
import { BareBrowser } from './bare-browser';
import { Cutter } from './cutter';
import { live, until } from './in-page';
import { expect, GONE_MS, say, test, views } from './real-page';
import type { RealServer } from './real-server';

const CYCLES = Number(process.env.CYCLES ?? 12);
const IS_LONG = CYCLES >= 100;
/** The first ones load the decoder and fill the browser's own caches. */
const WARM_UP = IS_LONG ? 20 : 3;
const IDLE_MS = IS_LONG ? 20_000 : 500;
const MOST_GROWTH = 30_000_000;
const CAMERAS = 6;

test.use({ cameras: { cameras: CAMERAS, gopSeconds: 1 } });
test.skip(process.platform !== 'linux', 'reads /proc');
test.setTimeout(90_000 + CYCLES * 8_000);

interface Bench {
  readonly real: RealServer;
  readonly browser: BareBrowser;
  readonly cutter: Cutter;
}

type Cycle = (bench: Bench, round: number) => Promise<void>;

async function rested(browser: BareBrowser): Promise<number> {
  await sleep(IDLE_MS);
  await browser.tidy();
  return browser.residentBytes();
}

/** `left`: how many views go on at the end. */
async function weigh(real: RealServer, path: string, left: number, cycle: Cycle): Promise<void> {
  const { executablePath = '', args = [] } = test.info().project.use.launchOptions ?? {};
  const cutter = await Cutter.before(real.url);
  const browser = await BareBrowser.open(cutter.url + path, executablePath, args);
  const bench = { real, browser, cutter };
  try {
    await browser.evaluate(until(`document.querySelectorAll('[data-camera]').length >= ${CAMERAS - 1}`));
    for (let round = 0; round < WARM_UP; round += 1) await cycle(bench, round);
    const before = await rested(browser);
    const startedAt = Date.now();
    let most = before;
    for (let round = 0; round < CYCLES; round += 1) {
      await cycle(bench, round);
      if (round % 10 === 9) most = Math.max(most, await browser.residentBytes());
    }
    const each = Math.round((Date.now() - startedAt) / CYCLES);
    const after = await rested(browser);
    const [from, peak, to] = [before, most, after].map((bytes) => (bytes / 1e6).toFixed(0));
    say(`${CYCLES} cycles of ${each} ms: ${from} MB, at most ${peak}, after ${to}`);
    await expectLeft(bench, left);
    expect(after - before).toBeLessThan(MOST_GROWTH);
    await browser.leave();
    await expect.poll(() => views(real)).toEqual([]);
  } finally {
    await browser.close();
    await cutter.stop();
  }
}

async function expectLeft({ real, browser }: Bench, left: number): Promise<void> {
  const objects = ['MediaSource', 'SourceBuffer', 'RTCPeerConnection', 'WebSocket', 'HTMLVideoElement'];
  const alive: Record<string, number> = {};
  for (const name of objects) alive[name] = await browser.alive(name);
  await browser.countPlayers();
  await sleep(200);
  const { made, destroyed } = browser.players;
  const clients = await real.metric('camserver_websocket_clients');
  const viewers = await real.metric('camserver_live_viewers');
  const held = (await views(real)).length;
  const used = async () => (await real.counts()).reduce((sum, { connections }) => sum + connections, 0);
  await expect.poll(used, { timeout: GONE_MS }).toBe(left);
  say(
    `left: ${JSON.stringify({ ...alive, made, destroyed, clients, viewers, held, cameras: await used() })}`,
  );
  expect(await browser.evaluate('__camserver.players()')).toBe(left);
  // The link to the server has one socket too; a pane keeps its one element.
  expect(alive).toMatchObject({ MediaSource: left, SourceBuffer: left, RTCPeerConnection: 0 });
  expect(alive).toMatchObject({ WebSocket: left + 1, HTMLVideoElement: 1 });
  expect(made - destroyed).toBe(left);
  expect({ clients, viewers, held }).toEqual({ clients: 1, viewers: left, held: left });
  expect((await real.counts()).map(({ connectionsMost }) => connectionsMost)).toEqual(Array(CAMERAS).fill(1));
}

test('cameras opened and closed leave nothing behind', async ({ real }) => {
  // Earlier pictures, which an opened camera shows too.
  for (let sweeps = 1; sweeps < (IS_LONG ? 7 : 2); sweeps += 1) await real.sweep();
  await weigh(real, '?still=1', 0, async ({ browser }, round) => {
    // A click by script is no input, and without any the page gives its views back after five minutes.
    await browser.evaluate(`document.dispatchEvent(new PointerEvent('pointermove'))`);
    await browser.evaluate(`document.querySelectorAll('[data-camera]')[${round % CAMERAS}].click()`);
    await browser.evaluate(until(live('dialog')));
    await browser.evaluate(`document.querySelector('dialog').close()`);
    await browser.evaluate(until(`__camserver.players() === 0 && document.querySelector('dialog') === null`));
  });
});

test('the pane that switches cameras leaves nothing behind', async ({ real }) => {
  // A camera that leaves the manifests makes the pane turn at once to another one.
  await weigh(real, '', 1, async ({ browser }) => {
    await browser.evaluate(until(live('.now')));
    const [shown] = await views(real);
    real.omit([String(shown?.camera)]);
    const other = `document.querySelector('.now h1')?.textContent !== '${String(shown?.camera)}'`;
    await browser.evaluate(until(`${other} && ${live('.now')}`));
  });
});

test('sockets that break and connect again leave nothing behind', async ({ real }) => {
  real.omit([]);
  const connected = `document.querySelector('.link.connected') !== null`;
  await weigh(real, '', 1, async ({ browser, cutter }) => {
    await browser.evaluate(until(`${connected} && ${live('.now')}`));
    expect(cutter.cut()).toBe(2);
    await browser.evaluate(until(`!(${connected}) && !(${live('.now')})`));
    // Does not wait for the pause.
    await browser.evaluate(`dispatchEvent(new Event('online'))`);
    await browser.evaluate(until(`${connected} && ${live('.now')}`));
  });
});
