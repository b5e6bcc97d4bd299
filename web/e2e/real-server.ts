/** The real server over simulated cameras: `CAMSERVER` and `CAMSIM` name the programs, else those of a debug
 * build. Both work in a folder of their own and end with the test. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const built = (name: string) => fileURLToPath(new URL(`../../target/debug/${name}`, import.meta.url));
const CAMSERVER = process.env.CAMSERVER ?? built('camserver');
const CAMSIM = process.env.CAMSIM ?? built('camsim');

/** The first start of the cameras encodes their pictures. */
const START_MS = 120_000;
const CAMERAS = 4;
/** Seconds from one key picture to the next. */
export const GOP_SECONDS = 2;
/** The machine of the tests may have much else to do: that must refuse nobody. */
const SERVER_SPEC = { admission: { overload: { cpuPercent: 100, memoryPercent: 100 } } };

/** What a camera counted. */
export interface Counted {
  readonly name: string;
  readonly connections: number;
  readonly connectionsMost: number;
  readonly accepted: number;
  readonly refused: number;
  readonly tornDown: number;
}

export class RealServer {
  private constructor(
    readonly url: string,
    private readonly control: string,
    private readonly children: readonly ChildProcess[],
    private readonly folder: string,
  ) {}

  /** Cameras that tolerate one connection each, after the server's first sweep of them. */
  static async start(): Promise<RealServer> {
    const folder = mkdtempSync(join(tmpdir(), 'real-'));
    const manifests = join(folder, 'manifests');
    const cameras = spawn(CAMSIM, flags(manifests), { stdio: ['ignore', 'pipe', 'inherit'] });
    const control = await said(cameras, /control at (http:\S+)/);
    const listen = `127.0.0.1:${await freePort()}`;
    const data = join(folder, 'data');
    const run = ['run', '-f', manifests, '--data-dir', data, '--listen', listen];
    const server = spawn(CAMSERVER, run, { stdio: ['ignore', 'ignore', 'ignore'] });
    const real = new RealServer(`http://${listen}/`, control, [server, cameras], folder);
    await real.swept();
    return real;
  }

  /** What the server answers to a path of its API. */
  async items(path: string): Promise<readonly Record<string, unknown>[]> {
    const answer = await fetch(`${this.url}api/v1/${path}`);
    return ((await answer.json()) as { readonly items: readonly Record<string, unknown>[] }).items;
  }

  async counted(name: string): Promise<Counted> {
    const { items } = (await (await fetch(this.control)).json()) as { readonly items: readonly Counted[] };
    const found = items.find((camera) => camera.name === name);
    if (found === undefined) throw new Error(`no camera ${name}`);
    return found;
  }

  /** The camera and the sending time that stand in a picture, a JPEG. */
  stamp(jpeg: Buffer): { readonly camera: string; readonly sentAt: number } {
    const file = join(this.folder, 'picture.jpg');
    writeFileSync(file, jpeg);
    const [camera = '', sent = ''] = execFileSync(CAMSIM, ['stamp', file], { encoding: 'utf8' }).split(' ');
    return { camera, sentAt: Date.parse(sent.trim()) };
  }

  async stop(): Promise<void> {
    for (const child of this.children) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null && child.kill('SIGTERM')) await gone;
    }
    await rm(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  private async swept(): Promise<void> {
    const end = Date.now() + START_MS;
    for (;;) {
      const sweeps = await this.items('sweeps').catch(() => []);
      if (sweeps.some(({ state }) => state === 'done')) return;
      if (Date.now() > end) throw new Error('no first sweep');
      await sleep(100);
    }
  }
}

function flags(manifests: string): string[] {
  const given = {
    cameras: CAMERAS,
    sound: 'aac',
    first: `127.${100 + (process.pid % 100)}.7.1`,
    port: 18554,
    control: '127.0.0.1:0',
    manifests,
    limit: 1,
    size: '640x360',
    'main-size': '1280x720',
    gop: `${GOP_SECONDS}s`,
    interval: '1h',
    'server-spec': JSON.stringify(SERVER_SPEC),
  };
  return Object.entries(given).flatMap(([name, value]) => [`--${name}`, String(value)]);
}

/** What a program says about itself in its first line. */
function said(child: ChildProcess, what: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('the cameras did not start in time')), START_MS);
    child.once('exit', (code) => reject(new Error(`the cameras ended with ${code}`)));
    child.once('error', reject);
    let text = '';
    child.stdout?.on('data', (part) => {
      text += String(part);
      const found = what.exec(text)?.[1];
      if (found === undefined) return;
      clearTimeout(late);
      resolve(found);
    });
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
