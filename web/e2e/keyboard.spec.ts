import { expect, test } from './wall';

test('the grid has one tab stop and arrows move in it', async ({ wall: { page } }) => {
  await expect(page.locator('[data-camera][tabindex="0"]')).toHaveCount(1);
  await page.locator('[data-camera="cam-001"]').focus();
  await page.keyboard.press('ArrowRight');
  await expect(page.locator('[data-camera="cam-002"]')).toBeFocused();
  await page.keyboard.press('ArrowDown');
  const below = await page.evaluate(() => (document.activeElement as HTMLElement).dataset.camera);
  expect(below).not.toBe('cam-003');
  await page.keyboard.press('ArrowUp');
  await expect(page.locator('[data-camera="cam-002"]')).toBeFocused();
  await page.keyboard.press('End');
  await expect(page.locator('[data-camera="cam-030"]')).toBeFocused();
  await expect(page.locator('[data-camera][tabindex="0"]')).toHaveAttribute('data-camera', 'cam-030');
  await page.keyboard.press('Home');
  await expect(page.locator('[data-camera="cam-001"]')).toBeFocused();
});

test('Enter opens a camera, Esc closes it, the focus returns', async ({ wall: { server, page } }) => {
  const tank = page.locator('[data-camera="cam-018"]');
  await tank.focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Fuel tank' });
  await expect(dialog).toContainText('no answer at DESCRIBE');
  await expect(dialog).toContainText(/next try (in|at)/);
  await expect(dialog).toContainText('1 ours, 0 others, 2 allowed');
  await expect(dialog.locator('.conditions li').first()).toContainText('Ready no');
  await expect(dialog.locator('.still .frame canvas')).toHaveAttribute(
    'data-src',
    '/api/v1/cameras/cam-018/snapshot.jpg?v=1017',
  );
  await expect(dialog.locator('.strip canvas')).toHaveCount(6);
  await page.keyboard.press('/');
  await expect(page.locator('#find')).not.toBeFocused();
  server.capture(17, 5000);
  await expect(dialog.locator('.still .frame canvas')).toHaveAttribute('data-src', /v=5000/);
  await page.keyboard.press('Escape');
  await expect(dialog).toBeHidden();
  await expect(tank).toBeFocused();
});

test('the button closes a dialog too, and the focus returns', async ({ wall: { page } }) => {
  await page.locator('[data-camera="cam-003"]').click();
  await page.getByRole('button', { name: 'Close' }).click();
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(page.locator('[data-camera="cam-003"]')).toBeFocused();
});

test('a camera that is removed while its dialog is open says so', async ({ wall: { server, page } }) => {
  await page.locator('[data-camera="cam-004"]').click();
  server.cameras.delete('cam-004');
  server.send({ type: 'cameraRemoved', name: 'cam-004' });
  await expect(page.getByRole('dialog')).toContainText('no longer in the manifests');
  await page.keyboard.press('Escape');
  await expect(page.locator('[data-camera]')).toHaveCount(29);
});

test('? lists the keys', async ({ wall: { page } }) => {
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keys' })).toContainText('find a camera');
  await page.getByRole('button', { name: 'Close' }).click();
  await expect(page.getByRole('dialog')).toHaveCount(0);
});

test('a camera that is opened while another closes stays open', async ({ wall: { page } }) => {
  await page.locator('[data-camera="cam-001"]').click();
  await expect(page.locator('dialog[open]')).toHaveCount(1);
  await page.evaluate(async () => {
    const dialog = document.querySelector('dialog');
    // The browser tells of a dialog's end later than it ends it.
    const told = new Promise((resolve) => dialog?.addEventListener('close', resolve));
    dialog?.close();
    document.querySelector<HTMLElement>('[data-camera="cam-018"]')?.click();
    await told;
  });
  await expect(page.getByRole('dialog', { name: 'Fuel tank' })).toBeVisible();
});
