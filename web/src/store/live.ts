/** The wall's two live views: the suggested camera's pane, and the camera that somebody opened. */

import { computed, effect, type ReadonlySignal, signal } from '@preact/signals';
import { leasesOf } from '../live/leases';
import { playableCodecs, silentCodecs } from '../live/media';
import { LivePlayer } from '../live/player';
import { LiveSession, type View } from '../live/session';
import type { Sound } from '../live/sound';
import type { ViewKind } from '../live/why';
import { focused } from '../now/focused';
import { after, every, now } from '../schedule';
import { openCamera } from './dialogs';
import { stillsOnly } from './settings';
import { cameras } from './store';

export interface LivePane {
  readonly kind: ViewKind;
  readonly view: ReadonlySignal<View>;
  readonly session: LiveSession;
  readonly player: LivePlayer;
  readonly sound: ReadonlySignal<Sound>;
}

/** Without a touch of pointer or key for so long, nobody is watching what was opened. */
const IDLE_MS = 5 * 60_000;
const IDLE_LOOK_MS = 5_000;

export const suggestPane = makePane('suggest');
export const modalPane = makePane('modal');

/** Follows the cameras to show, and gives back what nobody sees. For the life of the page. */
export function keepLive(page: AbortSignal): void {
  if (!stillsOnly) effect(() => show(suggestPane, suggested.value));
  effect(() => show(modalPane, opened.value));
  endWhenUnseen(page);
  endWhenIdle(page);
}

const suggested = computed(() => {
  const name = focused.value?.camera;
  return name !== undefined && cameras.value.get(name)?.enabled === true ? name : null;
});
/** A camera that leaves the manifests takes its view along. */
const opened = computed(() => {
  const name = openCamera.value;
  return name !== null && cameras.value.has(name) ? name : null;
});

function show({ session }: LivePane, camera: string | null): void {
  if (camera === session.view.camera) return;
  if (camera === null) session.close();
  else session.open(camera);
}

function endWhenUnseen(signal: AbortSignal): void {
  document.addEventListener(
    'visibilitychange',
    () => {
      if (document.hidden) modalPane.session.giveBack('hidden');
      else suggestPane.session.wake();
    },
    { signal },
  );
  window.addEventListener('online', () => suggestPane.session.wake(), { signal });
  window.addEventListener(
    'pagehide',
    () => {
      modalPane.session.giveBack('hidden');
      suggestPane.session.giveBack('hidden');
    },
    { signal },
  );
  // The page came out of the browser's cache of pages.
  window.addEventListener('pageshow', ({ persisted }) => persisted && suggestPane.session.reconnect(), {
    signal,
  });
}

function endWhenIdle(signal: AbortSignal): void {
  let touchedAt = now();
  for (const kind of ['pointermove', 'pointerdown', 'keydown', 'wheel']) {
    document.addEventListener(
      kind,
      () => {
        touchedAt = now();
      },
      { signal, passive: true, capture: true },
    );
  }
  every(IDLE_LOOK_MS, () => {
    if (now() - touchedAt >= IDLE_MS) modalPane.session.giveBack('idle');
  });
}

function makePane(kind: ViewKind): LivePane {
  const sound = signal<Sound>('none');
  const player = new LivePlayer({
    shown: () => session.shown(),
    failed: (why) => session.failed(why),
    heard: () => session.heard(),
    sound: (now) => {
      sound.value = now;
    },
  });
  const back = () => player.stop();
  const session: LiveSession = new LiveSession(kind, {
    leases: leasesOf(kind),
    // The suggestion's pane goes back to the camera's last still, which says its age.
    player: kind === 'modal' ? player : { play: (way) => player.play(way), stop: back, freeze: back },
    codecs: kind === 'modal' ? playableCodecs : silentCodecs,
    means: () => player.means,
    now,
    after,
    random: Math.random,
    changed: (next) => {
      view.value = next;
    },
  });
  const view = signal(session.view);
  return { kind, view, session, player, sound };
}
