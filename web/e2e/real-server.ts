/** The real server over simulated cameras: `CAMSERVER` and `CAMSIM` name the programs, else those of a debug
 * build. Both work in a folder of their own and end with the test. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from './engines';
import { built, ended, freePort, ownAddress, START_MS, said } from './programs';

const CAMSERVER = process.env.CAMSERVER ?? built('camserver');
const CAMSIM = process.env.CAMSIM ?? built('camsim');

/** The machine of the tests may have much else to do: that must refuse nobody. */
const NEVER_OVERLOADED = { cpuPercent: 100, memoryPercent: 100 };

export interface Setup {
  readonly engine: Engine;
  readonly cameras: number;
  /** From one key picture to the next. */
  readonly gopSeconds: number;
  /** Of the server's manifest. */
  readonly admission?: Readonly<Record<string, unknown>>;
  /** Where the cameras are, where one program has several such servers. */
  readonly network?: number;
  /** The address that the server listens on. */
  readonly host?: string;
}

/** What a camera counted. */
export interface Counted {
  readonly name: string;
  readonly connections: number;
  readonly connectionsMost: number;
  readonly accepted: number;
  readonly refused: number;
  readonly tornDown: number;
}

type Item = Readonly<Record<string, unknown>>;

export class RealServer {
  private server: ChildProcess | null = null;

  private constructor(
    private readonly listen: string,
    private readonly cameras: ChildProcess,
    private readonly control: string,
    private readonly folder: string,
  ) {}

  /** Cameras that tolerate one connection each, after the server's first sweep of them. */
  static async start(setup: Setup): Promise<RealServer> {
    const folder = mkdtempSync(join(tmpdir(), 'real-'));
    const given = flags(setup, join(folder, 'manifests'));
    const cameras = spawn(CAMSIM, given, { stdio: ['ignore', 'pipe', 'inherit'] });
    const control = await said(cameras, /control at (http:\S+)/);
    const host = setup.host ?? ownAddress(setup.network, 250);
    const real = new RealServer(`${host}:${await freePort()}`, cameras, control, folder);
    real.up();
    await real.swept(1);
    return real;
  }

  get url(): string {
    return `http://${this.listen}/`;
  }

  /** Starts the server, which keeps its port and its data. */
  up(): void {
    const data = join(this.folder, 'data');
    const run = ['run', '-f', join(this.folder, 'manifests'), '--data-dir', data, '--listen', this.listen];
    this.server = spawn(CAMSERVER, run, { stdio: 'ignore' });
  }

  /** Ends the server in good order. */
  async down(): Promise<void> {
    if (this.server !== null) await ended(this.server);
    this.server = null;
  }

  /** What the server answers to a path of its API. */
  async ask(path: string, method = 'GET'): Promise<Item> {
    const answer = await fetch(`${this.url}api/v1/${path}`, { method });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status}`);
    return answer.status === 204 ? {} : ((await answer.json()) as Item);
  }

  async items(path: string): Promise<readonly Item[]> {
    return (await this.ask(path)).items as readonly Item[];
  }

  /** A gauge or counter without labels. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.url}metrics`)).text();
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  }

  /** What all cameras counted. */
  async counts(): Promise<readonly Counted[]> {
    const { items } = (await (await fetch(this.control)).json()) as { readonly items: readonly Counted[] };
    return items;
  }

  async counted(name: string): Promise<Counted> {
    const found = (await this.counts()).find((camera) => camera.name === name);
    if (found === undefined) throw new Error(`no camera ${name}`);
    return found;
  }

  /** The moment at which the camera counts no connection any more, at most `patience` from now. */
  async left(camera: string, patience: number): Promise<number> {
    for (const end = Date.now() + patience; Date.now() < end; await sleep(50)) {
      if ((await this.counted(camera)).connections === 0) return Date.now();
    }
    throw new Error(`${camera} is still connected`);
  }

  /** Leaves these cameras out of the manifests, and declares all others. */
  omit(cameras: readonly string[]): void {
    const file = join(this.folder, 'manifests', 'cameras.yaml');
    const all = join(this.folder, 'cameras.all');
    const text = read(all) ?? readFileSync(file, 'utf8');
    writeFileSync(all, text);
    const left = text
      .split(/^---\n/m)
      .filter((part) => !cameras.some((name) => part.includes(`: ${name}\n`)));
    // In one step, since the server is watching.
    const next = join(this.folder, 'cameras.next');
    writeFileSync(next, left.join('---\n'));
    renameSync(next, file);
  }

  /** The camera and the sending time that stand in a picture, a JPEG. */
  stamp(jpeg: Buffer): { readonly camera: string; readonly sentAt: number } {
    const file = join(this.folder, 'picture.jpg');
    writeFileSync(file, jpeg);
    const [camera = '', sent = ''] = execFileSync(CAMSIM, ['stamp', file], { encoding: 'utf8' }).split(' ');
    return { camera, sentAt: Date.parse(sent.trim()) };
  }

  async stop(): Promise<void> {
    await this.down();
    await ended(this.cameras);
    await rm(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  /** One more sweep of all cameras. */
  async sweep(): Promise<void> {
    const before = (await this.items('sweeps')).length;
    await this.ask('subnets/sim/sweep', 'POST');
    await this.swept(before + 1);
  }

  /** Waits until so many sweeps are done. */
  private async swept(count: number): Promise<void> {
    const end = Date.now() + START_MS;
    for (;;) {
      const sweeps = await this.items('sweeps').catch(() => []);
      if (sweeps.filter(({ state }) => state === 'done').length >= count) return;
      if (Date.now() > end) throw new Error('no sweep');
      await sleep(100);
    }
  }
}

function flags(setup: Setup, manifests: string): string[] {
  const { engine, cameras, gopSeconds, admission } = setup;
  const given = {
    cameras,
    sound: 'aac',
    first: ownAddress(setup.network, 1),
    port: 18554,
    control: '127.0.0.1:0',
    manifests,
    limit: 1,
    size: '640x360',
    'main-size': '1280x720',
    gop: `${gopSeconds}s`,
    interval: '1h',
    'server-spec': JSON.stringify({
      ...engine.spec,
      admission: { ...admission, overload: NEVER_OVERLOADED },
    }),
  };
  return Object.entries(given).flatMap(([name, value]) => [`--${name}`, String(value)]);
}

function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}
