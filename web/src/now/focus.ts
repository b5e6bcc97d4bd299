/** Which camera the Now pane shows and why, while the server suggests none: the one with the latest change. Pure. */

import type { Camera, LogEvent } from '../wire';
import type { World } from '../world';

/** A camera once shown stays this long, so that a sweep does not make the pane flicker. */
export const DWELL_MS = 5_000;

/** Somebody watched it and should not: no reason to show it to everybody. */
const VIEW_ENDED = 'lease_revoked';

export interface Focus {
  readonly camera: string;
  /** The event that brought it here; null: it has the newest picture and nothing happened yet. */
  readonly event: LogEvent | null;
  readonly since: number;
}

export function focus(before: Focus | null, world: World, now: number): Focus | null {
  const event = world.events.findLast(
    ({ cameraId, primaryEvent }) =>
      cameraId !== null && world.cameras.has(cameraId) && primaryEvent !== VIEW_ENDED,
  );
  const camera = event?.cameraId ?? newestPicture(world.cameras.values());
  if (camera === undefined) return null;
  const next: Focus = { camera, event: event ?? null, since: now };
  if (before === null || !world.cameras.has(before.camera)) return next;
  if (before.camera === next.camera && before.event?.seq === next.event?.seq) return before;
  if (before.camera === next.camera) return { ...next, since: before.since };
  return now - before.since < DWELL_MS ? before : next;
}

/** The camera with the newest picture, else the first one. */
function newestPicture(cameras: Iterable<Camera>): string | undefined {
  let best: Camera | undefined;
  for (const camera of cameras) {
    if (best === undefined || takenAt(camera) > takenAt(best)) best = camera;
  }
  return best?.name;
}

function takenAt(camera: Camera): number {
  return camera.lastFrame === null ? 0 : Date.parse(camera.lastFrame.capturedAt);
}
