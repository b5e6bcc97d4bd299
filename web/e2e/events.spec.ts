import { makeEvent } from './event-log';
import { cameraName } from './fleet';
import { expect, test } from './wall';

test('the log groups repeats and filters by kind', async ({ wall: { page } }) => {
  await expect(page.locator('.event', { hasText: 'Fence 2' })).toContainText('motion ×3');
  await page.getByLabel('Kind of event').selectOption('camera_lost');
  await expect(page.locator('.event')).toHaveCount(2);
  await expect(page.locator('.event').first()).toContainText('camera lost: no answer at DESCRIBE');
});

test('the log stands still under the pointer and says what is new', async ({ wall: { server, page } }) => {
  const first = page.locator('.event').first();
  await first.hover();
  for (let round = 0; round < 3; round += 1)
    server.event(makeEvent(0, 'animal', cameraName(round), Date.now()));
  await expect(page.locator('.pill')).toHaveText('3 new');
  await expect(first).toContainText('person at the roller door');
  await page.locator('.pill').click();
  await expect(first).toContainText('animal');
  await expect(page.locator('.pill')).toHaveCount(0);
  server.event(makeEvent(0, 'human', cameraName(4), Date.now()));
  await expect(page.locator('.pill')).toHaveText('1 new');
  await page.mouse.move(600, 400);
  await expect(page.locator('.pill')).toHaveCount(0);
  await expect(first).toContainText('human');
});

test('the log stands still while it has the focus', async ({ wall: { server, page } }) => {
  await page.getByRole('log').focus();
  server.event(makeEvent(0, 'animal', cameraName(1), Date.now()));
  await expect(page.locator('.pill')).toHaveText('1 new');
  await page.locator('#find').focus();
  await expect(page.locator('.event').first()).toContainText('animal');
});

test.describe('200 cameras', () => {
  test.use({ options: { cameras: 200, problems: false } });
  test('3000 events leave 500 rows, and no memory behind', async ({ wall: { server, page } }) => {
    test.setTimeout(90_000);
    const devtools = await page.context().newCDPSession(page);
    await devtools.send('Performance.enable');
    const measure = async () => {
      await devtools.send('HeapProfiler.collectGarbage');
      const { metrics } = await devtools.send('Performance.getMetrics');
      const value = (name: string) => metrics.find((metric) => metric.name === name)?.value ?? 0;
      return { nodes: value('Nodes'), listeners: value('JSEventListeners'), heap: value('JSHeapUsedSize') };
    };
    const send = async (from: number, count: number) => {
      for (let index = from; index < from + count; index += 1) {
        const camera = index % 200;
        server.event({
          ...makeEvent(0, index % 2 === 0 ? 'motion' : 'vehicle', cameraName(camera), Date.now()),
          frameId: 2000 + camera,
        });
        if (index % 3 === 0) server.capture(camera, 10_000 + index);
        if (index % 100 === 0) await page.waitForTimeout(120);
      }
      const last = String(server.events.at(-1)?.seq);
      await expect(page.locator('.event').first()).toHaveAttribute('data-seq', last, { timeout: 20_000 });
    };
    await send(0, 1000);
    await page.waitForTimeout(2_000);
    const before = await measure();
    await send(1000, 2000);
    await page.waitForTimeout(2_000);
    const after = await measure();
    await expect(page.locator('.event')).toHaveCount(500);
    await expect(page.locator('[data-camera]')).toHaveCount(200);
    expect(server.mostLoads).toBeLessThanOrEqual(4);
    expect(after.nodes - before.nodes).toBeLessThan(1000);
    expect(after.listeners - before.listeners).toBeLessThan(100);
    expect(after.heap - before.heap).toBeLessThan(3_000_000);
  });
});
