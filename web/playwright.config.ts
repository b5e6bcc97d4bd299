import { defineConfig } from '@playwright/test';
import { type Engine, engines, NATIVE } from './e2e/engines';

/** Specs in front of the real server; those of them that every live engine has to pass. */
const REAL = /real(-\w+)?\.spec\.ts$/;
const ENGINES = /real(-ends)?\.spec\.ts$/;

// biome-ignore lint/style/noDefaultExport: Playwright reads its configuration from the default export.
export default defineConfig<object, { engine: Engine }>({
  testDir: 'e2e',
  testMatch: '*.spec.ts',
  projects: [
    { name: 'wall', testIgnore: REAL },
    ...engines().map((engine) => ({
      name: engine.name,
      testMatch: engine === NATIVE ? REAL : ENGINES,
      use: { engine },
    })),
  ],
  outputDir: 'test-results',
  workers: 1,
  timeout: 30_000,
  expect: { timeout: 5_000 },
  reporter: 'list',
  use: {
    headless: true,
    viewport: { width: 1920, height: 1080 },
    locale: 'en-GB',
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
});
