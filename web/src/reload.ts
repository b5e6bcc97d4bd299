/** When the page reloads itself. Pure: `store/refresh.ts` asks and acts. */

export const JITTER_MS = 5 * 60_000;
/** A dialog left open may postpone the reload by this much and no more. */
export const PATIENCE_MS = 30 * 60_000;

/** The next time of day `at` ("03:00") strictly after `now`, plus this page's share of the jitter. */
export function nextReload(now: Date, at: string, random: number): number | null {
  const match = /^(\d{1,2}):(\d{2})$/.exec(at);
  if (match === null) return null;
  const due = new Date(now);
  due.setHours(Number(match[1]), Number(match[2]), 0, 0);
  if (due.getTime() <= now.getTime()) due.setDate(due.getDate() + 1);
  return due.getTime() + random * JITTER_MS;
}

/** Whether to ask the server for its health now and reload if it answers. */
export function mayReload(now: number, due: number, dialogOpen: boolean): boolean {
  if (now < due) return false;
  return !dialogOpen || now >= due + PATIENCE_MS;
}
