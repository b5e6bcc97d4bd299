/** Reloads the page at the hour the server names, and after the server was upgraded; never onto an error page. */

import { effect } from '@preact/signals';
import { isAlive } from '../api';
import { mayReload, nextReload } from '../reload';
import { every, now } from '../schedule';
import { dialogOpen } from './dialogs';
import { status, world } from './store';

const LOOK_MS = 30_000;

export function keepFresh(): void {
  const share = Math.random();
  let nightly: { readonly at: string; readonly due: number | null } | null = null;
  let upgraded: number | null = null;
  let asking = false;

  effect(() => {
    const at = status.value?.refreshPage;
    if (at !== undefined && nightly?.at !== at) nightly = { at, due: nextReload(new Date(now()), at, share) };
    const { firstVersion, version } = world.value;
    if (upgraded === null && version !== firstVersion) upgraded = now() + share * LOOK_MS;
  });

  every(LOOK_MS, () => {
    const due = Math.min(nightly?.due ?? Number.POSITIVE_INFINITY, upgraded ?? Number.POSITIVE_INFINITY);
    if (asking || !mayReload(now(), due, dialogOpen.peek())) return;
    asking = true;
    void isAlive().then((alive) => {
      asking = false;
      if (alive) location.reload();
    });
  });
}
