import { beforeEach, expect, test, vi } from 'vitest';
import type { Link } from '../src/link';
import { ServerSocket, type SocketLike } from '../src/socket';
import type { Message } from '../src/wire';
import { event, iso, snapshot, T0 } from './samples';

class FakeSocket extends EventTarget {
  closed = false;

  constructor(readonly since: number | null) {
    super();
  }

  say(message: Message | string): void {
    const data = typeof message === 'string' ? message : JSON.stringify(message);
    this.dispatchEvent(Object.assign(new Event('message'), { data }));
  }

  close(): void {
    this.closed = true;
  }
}

let sockets: FakeSocket[];
let delivered: Message[];
let links: Link[];
let socket: ServerSocket;

const last = () => sockets.at(-1) as FakeSocket;

beforeEach(() => {
  vi.useFakeTimers({ now: T0 });
  sockets = [];
  delivered = [];
  links = [];
  socket = new ServerSocket({
    open: (since) => {
      sockets.push(new FakeSocket(since));
      return last() as unknown as SocketLike;
    },
    now: Date.now,
    after: (ms, run) => {
      const id = setTimeout(run, ms);
      return () => clearTimeout(id);
    },
    random: () => 0.5,
    deliver: (message) => delivered.push(message),
    changed: (link) => links.push(link),
  });
  socket.start();
});

function connect(): void {
  last().say({ type: 'hello', instance: 'i', version: '1', seq: 3, serverTime: iso(T0) });
  last().say(snapshot([event(3)]));
}

test('messages reach the world; what is no message does not', () => {
  connect();
  last().say('not json');
  last().say('{"type":"fromTheFuture"}');
  expect(delivered.map(({ type }) => type)).toEqual(['hello', 'snapshot']);
  expect(links.at(-1)?.phase).toBe('connected');
});

test('a lost connection is tried again with doubling pauses and resumes by number', () => {
  connect();
  for (const pause of [1000, 2000, 4000]) {
    const before = sockets.length;
    last().dispatchEvent(new Event('close'));
    vi.advanceTimersByTime(pause - 1);
    expect(sockets.length).toBe(before);
    vi.advanceTimersByTime(1);
    expect(sockets.length).toBe(before + 1);
    expect(last().since).toBe(3);
  }
});

test('a dead link is closed, and its late messages are not heard', () => {
  connect();
  const dead = last();
  vi.advanceTimersByTime(45_000);
  expect(dead.closed).toBe(true);
  const count = delivered.length;
  dead.say({ type: 'heartbeat', serverTime: iso(T0) });
  dead.dispatchEvent(new Event('close'));
  expect(delivered.length).toBe(count);
  expect(links.at(-1)).toMatchObject({ phase: 'waiting', failures: 1 });
});

test('the end of a socket that was given up does not end its successor', () => {
  connect();
  const dead = last();
  vi.advanceTimersByTime(46_000);
  expect(sockets.length).toBe(2);
  dead.dispatchEvent(new Event('close'));
  connect();
  expect(links.at(-1)).toMatchObject({ phase: 'connected', failures: 0 });
  dead.dispatchEvent(new Event('close'));
  expect(links.at(-1)?.phase).toBe('connected');
});

test('heartbeats keep the link for hours', () => {
  connect();
  for (let beat = 0; beat < 1000; beat += 1) {
    vi.advanceTimersByTime(15_000);
    last().say({ type: 'heartbeat', serverTime: iso(Date.now()) });
  }
  expect(sockets.length).toBe(1);
});

test('an error and a close of one socket are one failure', () => {
  connect();
  const broken = last();
  broken.dispatchEvent(new Event('error'));
  broken.dispatchEvent(new Event('close'));
  expect(links.at(-1)?.failures).toBe(1);
});
