/** The wall's state as signals: the world as messages make it, the link, and the time of the server. */

import { computed, type ReadonlySignal, signal } from '@preact/signals';
import { INITIAL_LINK, type Link } from '../link';
import { after, every, now } from '../schedule';
import { ServerSocket } from '../socket';
import { socketUrl } from '../urls';
import type { Message } from '../wire';
import { apply, EMPTY_WORLD, type World } from '../world';
import { retryPictures } from './pictures';

/** A burst of messages is drawn at most so often. */
const PUBLISH_MS = 100;

export const world = signal<World>(EMPTY_WORLD);
export const link = signal<Link>(INITIAL_LINK);
/** When the server was last known to be there, local milliseconds; null before the first time. */
export const lostAt = signal<number | null>(null);

const tick = signal(now());
/** The server's time, moving once a second. */
export const serverNow: ReadonlySignal<number> = computed(() => tick.value + world.value.clockOffset);
/** Midnight of the server's day, for times that name the date when it is not today's. */
export const today: ReadonlySignal<number> = computed(() => new Date(serverNow.value).setHours(0, 0, 0, 0));
/** This machine's time, moving once a second: for waits that this page keeps itself. */
export const localNow: ReadonlySignal<number> = tick;

export const status = computed(() => world.value.status);
export const cameras = computed(() => world.value.cameras);
export const subnets = computed(() => world.value.subnets);
export const events = computed(() => world.value.events);

let latest: World = EMPTY_WORLD;
let publishing = false;

/** Connects and follows the server for the life of the page. */
export function follow(signal: AbortSignal): void {
  const socket = new ServerSocket({
    open: (since) => new WebSocket(eventsUrl(since)),
    now,
    after,
    random: Math.random,
    deliver: receive,
    changed: linkChanged,
  });
  every(1000, () => {
    tick.value = now();
  });
  window.addEventListener('online', () => socket.wake(), { signal });
  document.addEventListener('visibilitychange', () => document.hidden || socket.wake(), { signal });
  socket.start();
}

function receive(message: Message): void {
  latest = apply(latest, message, now());
  if (publishing) return;
  publishing = true;
  after(message.type === 'snapshot' ? 0 : PUBLISH_MS, () => {
    publishing = false;
    tick.value = now();
    world.value = latest;
  });
}

function linkChanged(next: Link): void {
  if (next.phase === 'connected') {
    lostAt.value = null;
    retryPictures();
  } else if (link.value.phase === 'connected') lostAt.value = next.heardAt;
  link.value = next;
}

function eventsUrl(since: number | null): URL {
  const url = socketUrl('/ws', location.href);
  if (since !== null) url.searchParams.set('since', String(since));
  return url;
}
