/** Whether a picture still tells what the camera sees. Pure. */

import type { Camera, Subnet } from '../wire';

/** Without a subnet (it was just removed) a picture ages as at the default interval. */
const DEFAULT_INTERVAL_S = 60;
/** A capture may take its whole deadline. */
const CAPTURE_S = 30;

/** True once the picture is older than two sweeps, or the server says that it is not fresh. */
export function isStale(camera: Camera, subnet: Subnet | undefined, now: number): boolean {
  if (camera.lastFrame === null) return false;
  if (camera.conditions.some(({ type, status }) => type === 'Fresh' && status === 'False')) return true;
  const bound = 2 * (subnet?.interval ?? DEFAULT_INTERVAL_S) + CAPTURE_S;
  return now - Date.parse(camera.lastFrame.capturedAt) > bound * 1000;
}
