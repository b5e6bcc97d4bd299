/** A page that is really hidden, by another tab in front of it: the opened view is given back, the pane goes on. */

import { setTimeout as sleep } from 'node:timers/promises';
import { BareBrowser } from './bare-browser';
import { live, until } from './in-page';
import { expect, GONE_MS, say, test, views } from './real-page';

test.setTimeout(90_000);

test('a hidden page gives the opened view back and keeps the pane', async ({ real }) => {
  const { executablePath = '', args = [] } = test.info().project.use.launchOptions ?? {};
  const browser = await BareBrowser.open(real.url, executablePath, args);
  try {
    await browser.evaluate(until(live('.now')));
    const [pane] = await views(real);
    const camera = pane?.camera === 'cam-001' ? 'cam-002' : 'cam-001';
    await browser.evaluate(`document.querySelector('[data-camera="${camera}"]').click()`);
    await browser.evaluate(until(live('dialog')));
    expect((await views(real)).map(({ kind }) => kind)).toEqual(['suggest', 'modal']);
    const left = real.left(camera, 30_000);
    const hiddenAt = Date.now();
    await browser.cover();
    await expect.poll(() => browser.evaluate('document.visibilityState')).toBe('hidden');
    await expect.poll(async () => (await views(real)).map(({ kind }) => kind)).toEqual(['suggest']);
    say(`the view is given back ${Date.now() - hiddenAt} ms after the page was hidden`);
    expect(await browser.evaluate('__camserver.players()')).toBe(1);
    const gone = (await left) - hiddenAt;
    say(`the camera's connection is gone ${gone} ms after the page was hidden`);
    expect(gone).toBeLessThanOrEqual(GONE_MS);
    expect((await views(real)).map((view) => [view.camera, view.state])).toEqual([[pane?.camera, 'watched']]);
    const seenAt = Date.now();
    await browser.uncover();
    const says = `document.querySelector('.live-bar').textContent`;
    expect(await browser.evaluate(says)).toContain('Stopped while the page was hidden.');
    await sleep(1_000);
    expect(await views(real)).toHaveLength(1);
    // The picture of a hidden page stands still; once seen again it is close behind the camera at once.
    await browser.evaluate(
      until(`/live · 0\\.\\d s/.test(document.querySelector('.now .tag.live').textContent)`),
    );
    say(
      `the pane is ${await browser.evaluate(`document.querySelector('.now .tag.live').textContent`)} after ${Date.now() - seenAt} ms`,
    );
    await browser.look('end-hidden');
    await browser.leave();
    await expect.poll(() => views(real)).toEqual([]);
  } finally {
    await browser.close();
  }
});
