/** WebRTC from one host to another: the server in a network of its own, the browser at the other end of a cable.
 * Needs the right to make network namespaces, and the real go2rtc that `GO2RTC` names. */

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, test as base, chromium, expect, type Page } from '@playwright/test';
import { bar, modal, open } from './live-page';
import { load } from './peers';
import { said } from './programs';
import { RealServer } from './real-server';

const GO2RTC = process.env.GO2RTC;
/** Whether this is the run inside. */
const INSIDE = process.env.E2E_NETWORK !== undefined;
/** The server's end and the browser's; one network of those that go2rtc takes for Docker's. */
const [SERVER, USER] = ['172.20.78.1', '172.20.78.2'];
const PLAYWRIGHT = fileURLToPath(new URL('../node_modules/@playwright/test/cli.js', import.meta.url));
/** `cat` keeps the network for as long as its input is open. */
const HOLD = 'ip link set lo up && echo ready && exec cat';

interface Other {
  readonly browser: Browser;
  /** Runs a program on the browser's side. */
  readonly run: (program: string, ...given: string[]) => void;
}

const test = base.extend<object, { other: Other; real: RealServer }>({
  other: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the first parameter's pattern.
    async ({}, use, { project }) => {
      const holder = spawn('unshare', ['--net', 'sh', '-c', HOLD], { stdio: ['pipe', 'pipe', 'inherit'] });
      await said(holder, /(ready)/);
      const enter = ['--net', '-t', String(holder.pid)];
      const run = (program: string, ...given: string[]) => {
        execFileSync('nsenter', [...enter, program, ...given]);
      };
      wire(holder, run);
      const { executablePath = '', args = [] } = project.use.launchOptions ?? {};
      const folder = mkdtempSync(join(tmpdir(), 'network-'));
      const program = join(folder, 'browser');
      writeFileSync(program, `#!/bin/sh\nexec nsenter ${enter.join(' ')} '${executablePath}' "$@"\n`);
      chmodSync(program, 0o755);
      const browser = await chromium.launch({ executablePath: program, args });
      await use({ browser, run });
      await browser.close();
      rmSync(folder, { recursive: true });
      holder.stdin?.end();
    },
    { scope: 'worker', timeout: 60_000 },
  ],
  real: [
    async ({ other }, use) => {
      expect(other.browser.isConnected()).toBe(true);
      const live = { engine: 'go2rtc', webrtc: true };
      const spec = { live, gateway: { binary: GO2RTC }, auth: { mode: 'none' } };
      const real = await RealServer.start({
        engine: { name: 'go2rtc', spec },
        cameras: 2,
        gopSeconds: 1,
        host: SERVER,
      });
      await use(real);
      await real.stop();
    },
    { scope: 'worker', timeout: 240_000 },
  ],
});
test.skip(GO2RTC === undefined, 'SKIPPED: GO2RTC names no go2rtc');

/** A cable between this network and the other one. */
function wire({ pid }: ChildProcess, run: Other['run']): void {
  const cable = ['type', 'veth', 'peer', 'name', 'cable', 'netns', String(pid)];
  execFileSync('ip', ['link', 'add', 'cable', ...cable]);
  const here = (program: string, ...given: string[]) => execFileSync(program, given);
  for (const [at, address] of [
    [here, SERVER],
    [run, USER],
  ] as const) {
    at('ip', 'address', 'add', `${address}/24`, 'dev', 'cable');
    at('ip', 'link', 'set', 'cable', 'up');
  }
}

/** How the video comes: protocol and place of the pair that is in use, and pictures so far. */
function way(page: Page): Promise<{ readonly via: string; readonly pictures: number }> {
  return page.evaluate(async () => {
    const [peer] = window.peers ?? [];
    const reports = [...((await peer?.getStats())?.values() ?? [])];
    const pair = reports.find(({ type, nominated }) => type === 'candidate-pair' && nominated);
    const remote = reports.find(({ id }) => id === pair?.remoteCandidateId);
    const video = reports.find(({ type }) => type === 'inbound-rtp');
    return {
      via: `${remote?.protocol} ${remote?.address}:${remote?.port}`,
      pictures: Number(video?.framesDecoded ?? 0),
    };
  });
}

async function plays(other: Other, real: RealServer, camera: string, protocol: string): Promise<void> {
  const page = await other.browser.newPage();
  await load(page, real, ['MediaSource', 'ManagedMediaSource']);
  await open(page, camera);
  await expect(modal(page)).toBeVisible({ timeout: 20_000 });
  await expect(bar(page)).toContainText('Over WebRTC.');
  await expect.poll(async () => (await way(page)).pictures, { timeout: 15_000 }).toBeGreaterThan(10);
  expect((await way(page)).via).toBe(`${protocol} ${SERVER}:8555`);
  await page.close();
}

test.describe('inside', () => {
  test.skip(!INSIDE, 'runs in a network of its own');
  test.setTimeout(90_000);

  test('WebRTC comes over UDP, and over TCP where UDP does not pass', async ({ other, real }) => {
    await plays(other, real, 'cam-001', 'udp');
    other.run('ip', 'rule', 'add', 'pref', '1', 'ipproto', 'udp', 'blackhole');
    await plays(other, real, 'cam-002', 'tcp');
  });
});

base('from another host WebRTC comes over UDP and over TCP', () => {
  base.skip(INSIDE || GO2RTC === undefined, 'runs what is inside');
  base.setTimeout(400_000);
  const possible = spawnSync('unshare', ['--net', 'ip', 'link', 'set', 'lo', 'up']).status === 0;
  if (!possible) process.stdout.write('SKIPPED: no network namespace can be made here\n');
  base.skip(!possible, 'no network namespace can be made here');
  const script = 'ip link set lo up && exec "$@"';
  const again = [process.execPath, PLAYWRIGHT, 'test', 'network.spec', '--project', 'wall'];
  const given = ['--net', 'sh', '-c', script, 'sh', ...again, '--output', 'test-results/network'];
  const env = { ...process.env, E2E_NETWORK: '1' };
  const ran = spawnSync('unshare', given, { env, encoding: 'utf8' });
  process.stdout.write(ran.stdout);
  expect(ran.status, ran.stderr).toBe(0);
  expect(ran.stdout).toContain('1 passed');
});
