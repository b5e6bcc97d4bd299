/** A page's peer connections, which tests look into. */

import { expect, type Page } from '@playwright/test';
import type { RealServer } from './real-server';

declare global {
  interface Window {
    peers?: RTCPeerConnection[];
  }
}

/** A browser that lacks these; its peer connections are remembered. */
export async function load(page: Page, real: RealServer, lacks: readonly string[]): Promise<void> {
  await page.addInitScript((names) => {
    for (const name of names) Reflect.deleteProperty(window, name);
    const Real = window.RTCPeerConnection;
    if (Real === undefined) return;
    window.peers = [];
    window.RTCPeerConnection = class extends Real {
      constructor(configuration?: RTCConfiguration) {
        super(configuration);
        window.peers?.push(this);
      }
    };
  }, lacks);
  await page.goto(`${real.url}?still=1`);
  await expect(page.locator('.link')).toHaveClass(/connected/);
  await expect(page.locator('[data-camera]')).not.toHaveCount(0);
}
