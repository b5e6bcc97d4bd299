/** A Chromium without the test tool's watching, which by itself makes the page's memory grow. It evaluates
 * expressions and says what the page's process weighs, seen from outside. */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';

const SIZES = [
  [390, 844],
  [1920, 1080],
] as const;

interface Reply {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly players?: readonly unknown[]; readonly events?: readonly unknown[] };
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

export class BareBrowser {
  private next = 1;
  private readonly waiting = new Map<number, (reply: Reply) => void>();
  private page = '';
  private target = '';
  /** The browser's own media players, since `countPlayers`. */
  readonly players = { made: 0, destroyed: 0 };

  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    private readonly socket: WebSocket,
  ) {
    socket.on('message', (text) => {
      const reply = JSON.parse(String(text)) as Reply;
      if (reply.id !== undefined) this.waiting.get(reply.id)?.(reply);
      else this.notice(reply);
    });
  }

  static async open(url: string, executable: string, flags: readonly string[]): Promise<BareBrowser> {
    const folder = mkdtempSync(join(tmpdir(), 'wall-'));
    const size = '--window-size=1280,800';
    const own = ['--headless', '--remote-debugging-port=0', `--user-data-dir=${folder}`, size];
    const child = spawn(executable, [...own, ...flags, 'about:blank'], { stdio: 'ignore' });
    const port = join(folder, 'DevToolsActivePort');
    for (let tries = 0; !existsSync(port) || !readFileSync(port, 'utf8').includes('/'); tries += 1) {
      if (tries > 200) throw new Error('the browser did not start');
      await sleep(100);
    }
    const [number, path] = readFileSync(port, 'utf8').trim().split('\n');
    const socket = new WebSocket(`ws://127.0.0.1:${number}${path}`);
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    const browser = new BareBrowser(child, folder, socket);
    const { targetId } = await browser.send('Target.createTarget', { url });
    const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: true });
    browser.page = String(sessionId);
    browser.target = String(targetId);
    for (let tries = 0; !(await browser.loaded(url)); tries += 1) {
      if (tries > 200) throw new Error('the page did not load');
      await sleep(100);
    }
    return browser;
  }

  /** The value of an expression in the page; promises are awaited. */
  async evaluate<T>(expression: string): Promise<T> {
    const how = { expression, awaitPromise: true, returnByValue: true };
    const answer = await this.send('Runtime.evaluate', how, this.page);
    if (answer.exceptionDetails !== undefined) throw new Error(JSON.stringify(answer.exceptionDetails));
    return (answer.result as { readonly value: T }).value;
  }

  async countPlayers(): Promise<void> {
    await this.send('Media.enable', {}, this.page);
  }

  /** The page goes away, and with it what it holds. */
  async leave(): Promise<void> {
    await this.send('Page.navigate', { url: 'about:blank' }, this.page);
  }

  /** Another tab in front: the page is hidden, as by its user. */
  async cover(): Promise<void> {
    await this.send('Target.createTarget', { url: 'about:blank' });
  }

  async uncover(): Promise<void> {
    await this.send('Target.activateTarget', { targetId: this.target });
  }

  /** How many objects of a class the page still holds, rubbish not counted. */
  async alive(name: string): Promise<number> {
    const group = { objectGroup: 'alive' };
    const expression = `${name}.prototype`;
    const { result } = await this.send('Runtime.evaluate', { expression, ...group }, this.page);
    const { objectId: prototypeObjectId } = result as { readonly objectId: string };
    const found = await this.send('Runtime.queryObjects', { prototypeObjectId, ...group }, this.page);
    const { objectId } = found.objects as { readonly objectId: string };
    const count = {
      functionDeclaration: 'function () { return this.length }',
      objectId,
      returnByValue: true,
    };
    const answer = await this.send('Runtime.callFunctionOn', count, this.page);
    await this.send('Runtime.releaseObjectGroup', group, this.page);
    return (answer.result as { readonly value: number }).value;
  }

  /** Pictures of the page into the folder `LOOK`, for people to look at. */
  async look(name: string): Promise<void> {
    const folder = process.env.LOOK;
    if (folder === undefined) return;
    for (const [width, height] of SIZES) {
      const size = { width, height, deviceScaleFactor: 1, mobile: false };
      await this.send('Emulation.setDeviceMetricsOverride', size, this.page);
      await sleep(500);
      const { data } = await this.send('Page.captureScreenshot', {}, this.page);
      writeFileSync(join(folder, `${name}-${width}.png`), Buffer.from(String(data), 'base64'));
    }
  }

  private notice({ method, params }: Reply): void {
    if (method === 'Media.playerCreated' || method === 'Media.playersCreated') {
      this.players.made += params?.players?.length ?? 1;
    } else if (method === 'Media.playerEventsAdded') {
      const ends = (params?.events ?? []).filter((event) => /PlayerDestroyed/i.test(JSON.stringify(event)));
      this.players.destroyed += ends.length;
    }
  }

  private loaded(url: string): Promise<boolean> {
    const there = `location.href === ${JSON.stringify(url)} && document.readyState === 'complete'`;
    return this.evaluate<boolean>(there).catch(() => false);
  }

  /** Resident bytes of the page's process: the heaviest of the renderers, the others being spares. */
  async residentBytes(): Promise<number> {
    const { processInfo } = await this.send('SystemInfo.getProcessInfo', {});
    const all = processInfo as readonly { readonly type: string; readonly id: number }[];
    return Math.max(...all.filter(({ type }) => type === 'renderer').map(({ id }) => resident(id)));
  }

  /** Frees now what the browser would free at leisure. */
  async tidy(): Promise<void> {
    await this.send('HeapProfiler.collectGarbage', {}, this.page);
    await sleep(2000);
  }

  async close(): Promise<void> {
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.socket.terminate();
    this.child.kill('SIGTERM');
    await gone;
    // Its helpers may still be writing for a moment.
    await rm(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  private send(method: string, params: object, sessionId?: string): Promise<Record<string, unknown>> {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, ({ result, error }) => {
        this.waiting.delete(id);
        if (error === undefined) resolve(result ?? {});
        else reject(new Error(`${method}: ${error.message}`));
      });
      this.socket.send(JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) }));
    });
  }
}

function resident(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? 0) * 1024;
}
