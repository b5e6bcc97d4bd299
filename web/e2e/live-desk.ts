/** The live part of the fake server: leases, and cameras that send a clip in real time. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { at, type Clip, clip, FRAMES_PER_SECOND } from './clip';

const FRAME_MS = 1000 / FRAMES_PER_SECOND;

export interface FakeLease {
  readonly id: string;
  readonly kind: 'modal' | 'suggest';
  readonly camera: string;
  readonly quality: 'sub' | 'main';
  readonly codecs: readonly string[];
  expiresAt: number;
  beats: number;
  ended: string | null;
}

export interface LiveOptions {
  /** Milliseconds that a lease lives without a renewal. */
  readonly ttl: number;
  readonly heartbeatSeconds: number;
}

interface Refusal {
  readonly status: number;
  readonly code: string;
}

export class LiveDesk {
  /** All that there ever were, newest last. */
  readonly leases: FakeLease[] = [];
  /** Refuses what is asked for; by default everything, since most tests want no live view. */
  refuse: (kind: string, camera: string, takeOver: boolean) => Refusal | null = () => ({
    status: 503,
    code: 'OVER_CAPACITY',
  });
  /** Says another type than the clip's, for a browser that cannot play it. */
  mime: string | null = null;
  /** Sends no media while set. */
  silent = false;
  options: LiveOptions = { ttl: 300_000, heartbeatSeconds: 30 };
  private readonly sockets = new WebSocketServer({ noServer: true });
  private readonly viewers = new Map<WebSocket, { readonly lease: FakeLease; readonly clip: Clip }>();
  private readonly startedAt = Date.now();
  private timer: NodeJS.Timeout | null = null;
  private sent = 0;

  /** Live sockets now open. */
  get open(): number {
    return this.viewers.size;
  }

  get held(): readonly FakeLease[] {
    return this.leases.filter(({ ended }) => ended === null);
  }

  last(kind: FakeLease['kind']): FakeLease {
    return this.leases.findLast((lease) => lease.kind === kind) as FakeLease;
  }

  /** Ends a lease as the server does: its socket closes with the code and the word. */
  end(lease: FakeLease, code: number, reason: string, ended = reason): void {
    lease.ended ??= ended;
    this.close(lease, code, reason);
  }

  /** Closes the lease's socket; the lease stays. Without a code: as a network that breaks. */
  close(lease: FakeLease, code?: number, reason = ''): void {
    for (const [socket, viewer] of this.viewers) {
      if (viewer.lease !== lease) continue;
      if (code === undefined) socket.terminate();
      else socket.close(code, reason);
    }
  }

  /** The camera begins anew, with another size, at another time. */
  restart(lease: FakeLease): void {
    for (const [socket, viewer] of this.viewers) {
      if (viewer.lease !== lease) continue;
      const next = clip(480, 272);
      this.viewers.set(socket, { lease, clip: next });
      this.begin(socket, next);
    }
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    for (const socket of this.viewers.keys()) socket.terminate();
  }

  /** When the picture with this number (of the clip) was last sent, at or before `now`. */
  sentAt(number: number, frames: number): number {
    const back = (((this.sent - number) % frames) + frames) % frames;
    return this.startedAt + (this.sent - back) * FRAME_MS;
  }

  async answer(request: IncomingMessage, response: ServerResponse, pathname: string): Promise<void> {
    const body = await read(request);
    const [, kind, id, what] =
      /^\/api\/v1\/(modal|suggest)\/lease(?:\/([^/]+))?(?:\/(\w+))?$/.exec(pathname) ?? [];
    if (id === undefined) return this.grant(kind as FakeLease['kind'], body, response);
    const lease = this.leases.find((one) => one.id === id);
    if (lease === undefined) return say(response, 404, { code: 'NOT_FOUND' });
    if (lease.ended !== null) return say(response, 410, { code: 'GONE', reason: lease.ended });
    if (request.method === 'DELETE') this.end(lease, 4003, 'released');
    else if (what === 'renew') lease.expiresAt = Date.now() + this.options.ttl;
    else lease.beats += 1;
    say(response, 200, { expiresAt: new Date(lease.expiresAt).toISOString() });
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const id = /^\/live\/([^/]+)\/ws$/.exec(request.url ?? '')?.[1];
    const lease = this.held.find((one) => one.id === id);
    if (lease === undefined) return void socket.end('HTTP/1.1 410 Gone\r\n\r\n');
    this.sockets.handleUpgrade(request, socket, head, (live) => {
      if (this.timer === null) this.sent = this.frame();
      const source = lease.quality === 'main' ? clip(640, 360) : clip(320, 180);
      this.viewers.set(live, { lease, clip: source });
      live.on('close', () => this.viewers.delete(live));
      if (!this.silent) this.begin(live, source);
      this.timer ??= setInterval(() => this.tick(), FRAME_MS / 2);
    });
  }

  private grant(kind: FakeLease['kind'], body: Record<string, unknown>, response: ServerResponse): void {
    const camera = String(body.camera);
    const refused = this.refuse(kind, camera, body.takeOver === true);
    if (refused === null) this.allow(kind, camera, body, response);
    else say(response, refused.status, { code: refused.code, detail: `no: ${refused.code}` });
  }

  private allow(
    kind: FakeLease['kind'],
    camera: string,
    body: Record<string, unknown>,
    response: ServerResponse,
  ) {
    const lease: FakeLease = {
      id: `${kind}-${this.leases.length}`,
      kind,
      camera,
      quality: body.quality === 'main' ? 'main' : 'sub',
      codecs: body.codecs as readonly string[],
      expiresAt: Date.now() + this.options.ttl,
      beats: 0,
      ended: null,
    };
    this.leases.push(lease);
    const { id, quality } = lease;
    const expiresAt = new Date(lease.expiresAt).toISOString();
    const { heartbeatSeconds } = this.options;
    say(response, 201, { id, camera, quality, expiresAt, heartbeatSeconds, ws: `/live/${id}/ws` });
  }

  /** The start of the stream, and the group of pictures so far. */
  private begin(socket: WebSocket, source: Clip): void {
    socket.send(JSON.stringify({ type: 'mse', value: this.mime ?? source.mime }));
    socket.send(source.init);
    const key = this.sent - (this.sent % FRAMES_PER_SECOND);
    for (let index = key; index <= this.sent; index += 1) socket.send(at(source, index));
  }

  private tick(): void {
    for (const { lease } of this.viewers.values()) {
      if (lease.kind === 'modal' && lease.expiresAt <= Date.now()) this.end(lease, 4001, 'expired');
    }
    const now = this.frame();
    while (this.sent < now) {
      this.sent += 1;
      if (this.silent) continue;
      for (const [socket, viewer] of this.viewers) socket.send(at(viewer.clip, this.sent));
    }
  }

  private frame(): number {
    return Math.floor((Date.now() - this.startedAt) / FRAME_MS);
  }
}

async function read(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return chunks.length === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString());
}

function say(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, {
    'Content-Type': status < 400 ? 'application/json' : 'application/problem+json',
  });
  response.end(JSON.stringify(body));
}
