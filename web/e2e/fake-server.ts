/** A small server that speaks the wire contract, for browser tests. Listens on 127.0.0.1 only. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Camera, LogEvent, Message } from '../src/wire';
import { makeLog } from './event-log';
import { cameraName, iso, makeCamera, makeFrame, makeStatus, makeSubnet } from './fleet';
import { LiveDesk } from './live-desk';

const DIST = join(import.meta.dirname, '../dist');
const PICTURES = readdirSync(join(import.meta.dirname, 'pictures')).map((file) =>
  readFileSync(join(import.meta.dirname, 'pictures', file)),
);
export const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; " +
  "font-src 'self'; media-src 'self' blob:; require-trusted-types-for 'script'";
const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

export interface FakeOptions {
  readonly cameras: number;
  readonly problems: boolean;
  readonly port?: number;
  readonly version?: string;
}

export class FakeServer {
  cameras: Map<string, Camera>;
  events: LogEvent[];
  /** Paths of the pictures asked for, in order. */
  readonly pictures: string[] = [];
  /** `since` of each WebSocket, in order. */
  readonly sinces: (string | null)[] = [];
  /** Picture requests under way, now and at most. */
  loads = 0;
  mostLoads = 0;
  /** How long a picture takes, and whether the next ones fail. */
  pictureDelay = 0;
  failPictures = false;
  /** Sent instead of every picture, when set. */
  picture: Buffer | null = null;
  readonly live = new LiveDesk();
  readonly instance = Math.random().toString(16).slice(2);
  private readonly http: Server;
  private readonly sockets: WebSocketServer;

  private constructor(private readonly options: FakeOptions) {
    const now = Date.now();
    const cameras = Array.from({ length: options.cameras }, (_, index) =>
      makeCamera(index, now, options.problems),
    );
    this.cameras = new Map(cameras.map((camera) => [camera.name, camera]));
    this.events = options.problems ? makeLog(now) : [];
    this.http = createServer((request, response) => this.answer(request, response));
    this.sockets = new WebSocketServer({ noServer: true });
    this.http.on('upgrade', (request, socket, head) => {
      if (request.url?.startsWith('/live/')) this.live.upgrade(request, socket, head);
      else this.sockets.handleUpgrade(request, socket, head, (opened) => this.greet(opened, request));
    });
  }

  static async start(options: FakeOptions): Promise<FakeServer> {
    const fake = new FakeServer(options);
    await new Promise<void>((resolve, reject) => {
      fake.http.once('error', reject);
      fake.http.listen(options.port ?? 0, '127.0.0.1', resolve);
    });
    return fake;
  }

  get port(): number {
    return (this.http.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  get clients(): number {
    return this.sockets.clients.size;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets.clients) socket.terminate();
    this.live.stop();
    this.http.closeAllConnections();
    await new Promise<void>((resolve) => this.http.close(() => resolve()));
  }

  send(message: Message): void {
    for (const socket of this.sockets.clients) socket.send(JSON.stringify(message));
  }

  /** Appends to the log and tells everyone, except where the message is to get lost. */
  event(event: Omit<LogEvent, 'seq'>, lost = false): void {
    const numbered = { ...event, seq: (this.events.at(-1)?.seq ?? 0) + 1 };
    this.events.push(numbered);
    if (!lost) this.send({ type: 'event', event: numbered });
  }

  /** A sweep brought a new picture of this camera. */
  capture(index: number, id: number): void {
    const camera = this.cameras.get(cameraName(index));
    if (camera === undefined) throw new Error(`no camera ${index}`);
    const next = { ...camera, lastFrame: makeFrame(id, Date.now()) };
    this.cameras.set(camera.name, next);
    this.send({ type: 'camera', camera: next });
  }

  private greet(socket: WebSocket, request: IncomingMessage): void {
    const since = new URL(request.url ?? '', 'http://fake').searchParams.get('since');
    this.sinces.push(since);
    const now = Date.now();
    const { options } = this;
    const seq = this.events.at(-1)?.seq ?? 0;
    const events =
      since === null ? this.events.slice(-100) : this.events.filter((event) => event.seq > Number(since));
    const north = Math.ceil((options.cameras * 2) / 3);
    const say = (message: Message & { readonly suggest?: null }) => socket.send(JSON.stringify(message));
    say({
      type: 'hello',
      instance: this.instance,
      version: options.version ?? '0.1.0',
      seq,
      serverTime: iso(now),
    });
    say({
      type: 'snapshot',
      status: makeStatus(this.cameras.size, now, this.instance, options.problems),
      cameras: [...this.cameras.values()],
      subnets:
        options.cameras === 0
          ? []
          : [makeSubnet('north', north, now), makeSubnet('south', options.cameras - north, now)],
      suggest: null,
      events,
    });
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(request.url ?? '/', 'http://fake');
    response.setHeader('Content-Security-Policy', CSP);
    response.setHeader('X-Content-Type-Options', 'nosniff');
    if (pathname === '/healthz') return void response.end('ok');
    if (pathname.endsWith('.jpg')) return void this.answerPicture(request.url ?? '', response);
    if (pathname.endsWith('/history')) return void this.answerHistory(pathname, response);
    if (pathname.includes('/lease')) return void this.live.answer(request, response, pathname);
    this.answerFile(pathname, response);
  }

  private async answerPicture(url: string, response: ServerResponse): Promise<void> {
    this.pictures.push(url);
    this.loads += 1;
    this.mostLoads = Math.max(this.mostLoads, this.loads);
    if (this.pictureDelay > 0) await new Promise((resolve) => setTimeout(resolve, this.pictureDelay));
    this.loads -= 1;
    if (this.failPictures) return void response.writeHead(503).end();
    const number = Number(/(\d+)(?:\/thumbnail)?(?:\.jpg)?$/.exec(url)?.[1] ?? /v=(\d+)/.exec(url)?.[1] ?? 0);
    response.setHeader('Content-Type', 'image/jpeg');
    response.setHeader('Cache-Control', 'no-store');
    response.end(this.picture ?? PICTURES[number % PICTURES.length]);
  }

  private answerHistory(pathname: string, response: ServerResponse): void {
    const camera = this.cameras.get(decodeURIComponent(pathname.split('/').at(-2) ?? ''));
    const last = camera?.lastFrame;
    const items = last
      ? Array.from({ length: 7 }, (_, back) =>
          makeFrame(last.id + back * 30, Date.parse(last.capturedAt) - back * 60_000),
        )
      : [];
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ items, next: null }));
  }

  private answerFile(pathname: string, response: ServerResponse): void {
    const file = join(DIST, pathname === '/' ? 'index.html' : pathname);
    if (!file.startsWith(DIST) || !existsSync(file)) return void response.writeHead(404).end();
    response.setHeader('Content-Type', TYPES[extname(file)] ?? 'application/octet-stream');
    response.end(readFileSync(file));
  }
}
