/** What the wall knows: a value, and the pure step from one message to the next value. No clock, no network. */

import type { Camera, LogEvent, Message, Snapshot, Status, Subnet } from './wire';

/** The event log never holds more rows; older ones stay on the server. */
export const EVENT_LIMIT = 500;
/** Differences below this are network delay, not a wrong clock. */
const CLOCK_TOLERANCE_MS = 1500;

export interface World {
  /** Null until the first snapshot. */
  readonly status: Status | null;
  readonly cameras: ReadonlyMap<string, Camera>;
  readonly subnets: ReadonlyMap<string, Subnet>;
  /** Oldest first, at most `EVENT_LIMIT`. */
  readonly events: readonly LogEvent[];
  /** Server time minus local time, in milliseconds. */
  readonly clockOffset: number;
  /** The server's build when this page first saw it, and now. */
  readonly firstVersion: string | null;
  readonly version: string | null;
}

export const EMPTY_WORLD: World = {
  status: null,
  cameras: new Map(),
  subnets: new Map(),
  events: [],
  clockOffset: 0,
  firstVersion: null,
  version: null,
};

export function apply(world: World, message: Message, localNow: number): World {
  switch (message.type) {
    case 'hello':
      return {
        ...withClock(world, message.serverTime, localNow),
        firstVersion: world.firstVersion ?? message.version,
        version: message.version,
        events: lastSeq(world.events) > message.seq ? [] : world.events,
      };
    case 'snapshot':
      return applySnapshot(withClock(world, message.status.serverTime, localNow), message);
    case 'event':
      return { ...world, events: append(world.events, [message.event]) };
    case 'camera':
      return { ...world, cameras: put(world.cameras, message.camera) };
    case 'cameraRemoved':
      return { ...world, cameras: without(world.cameras, message.name) };
    case 'subnet':
      return { ...world, subnets: put(world.subnets, message.subnet) };
    case 'subnetRemoved':
      return { ...world, subnets: without(world.subnets, message.name) };
    case 'status':
      return { ...withClock(world, message.status.serverTime, localNow), status: message.status };
    case 'heartbeat':
      return withClock(world, message.serverTime, localNow);
    case 'resync':
      return world;
  }
}

function applySnapshot(world: World, snapshot: Snapshot): World {
  const first = snapshot.events[0];
  const continues = first === undefined || first.seq <= lastSeq(world.events) + 1;
  return {
    ...world,
    status: snapshot.status,
    cameras: byName(snapshot.cameras),
    subnets: byName(snapshot.subnets),
    // A log with a silent hole would lie, so a snapshot that does not continue it replaces it.
    events: append(continues ? world.events : [], snapshot.events),
  };
}

function append(events: readonly LogEvent[], added: readonly LogEvent[]): readonly LogEvent[] {
  const known = lastSeq(events);
  const fresh = added.filter((event) => event.seq > known);
  if (fresh.length === 0) return events;
  return [...events, ...fresh].slice(-EVENT_LIMIT);
}

function lastSeq(events: readonly LogEvent[]): number {
  return events.at(-1)?.seq ?? 0;
}

function withClock(world: World, serverTime: string, localNow: number): World {
  const measured = Date.parse(serverTime) - localNow;
  if (Number.isNaN(measured) || Math.abs(measured - world.clockOffset) < CLOCK_TOLERANCE_MS) return world;
  return { ...world, clockOffset: measured };
}

interface Named {
  readonly name: string;
}

function byName<T extends Named>(items: readonly T[]): ReadonlyMap<string, T> {
  return new Map(items.map((item) => [item.name, item]));
}

function put<T extends Named>(items: ReadonlyMap<string, T>, item: T): ReadonlyMap<string, T> {
  return new Map(items).set(item.name, item);
}

function without<T>(items: ReadonlyMap<string, T>, name: string): ReadonlyMap<string, T> {
  const rest = new Map(items);
  rest.delete(name);
  return rest;
}
