/** One camera, large: its live picture, and under it the last still, grey once it no longer tells what the camera
 * sees. A tag says which of the two it is and how old. */

import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { Age } from '../Age';
import { isStale } from '../cameras/stale';
import { clockSeconds } from '../format';
import type { Key } from '../i18n/translate';
import { Picture } from '../Picture';
import { Rich } from '../Rich';
import type { LivePane } from '../store/live';
import { language, t } from '../store/settings';
import { localNow, serverNow, subnets, today, world } from '../store/store';
import { snapshotUrl } from '../urls';
import type { Camera } from '../wire';
import { isRefusal } from './why';

interface Props {
  readonly camera: Camera;
  readonly pane: LivePane;
  /** Drawn over the picture. */
  readonly children?: ComponentChildren;
}

export function LiveStill({ camera, pane, children }: Props) {
  const { lastFrame } = camera;
  const { phase } = pane.view.value;
  const broken = (phase.kind === 'waiting' || phase.kind === 'stopped') && !isRefusal(phase.why);
  const old = isStale(camera, subnets.value.get(camera.subnet), serverNow.value);
  const stale = phase.kind !== 'playing' && (old || broken);
  return (
    <div class={stale ? 'still stale' : 'still'}>
      <Picture
        key={camera.name}
        url={lastFrame && snapshotUrl(camera.name, lastFrame.id)}
        label={camera.displayName}
        owned
      >
        {lastFrame === null && phase.kind !== 'playing' && <span class="over">{t('now.noPicture')}</span>}
      </Picture>
      <Screen pane={pane} />
      <Tag camera={camera} pane={pane} stale={stale} />
      {children}
    </div>
  );
}

/** Where the player draws; Preact never touches its children. */
function Screen({ pane }: { readonly pane: LivePane }) {
  const place = useRef<HTMLSpanElement>(null);
  useLayoutEffect(() => (place.current === null ? undefined : pane.player.attach(place.current)), [pane]);
  return <span class="screen" ref={place} />;
}

function Tag({ camera, pane, stale }: Props & { readonly stale: boolean }) {
  const { lastFrame } = camera;
  if (pane.view.value.phase.kind === 'playing') return <LiveTag pane={pane} />;
  const { frozenAt } = pane.player;
  if (frozenAt !== null) return <TimeTag of="live.frozen" at={frozenAt + world.value.clockOffset} />;
  if (lastFrame === null) return null;
  return <TimeTag of={stale ? 'now.lastSeen' : 'now.taken'} at={Date.parse(lastFrame.capturedAt)} />;
}

function TimeTag({ of, at }: { readonly of: Key; readonly at: number }) {
  const time = clockSeconds(at, today.value, language.value);
  return (
    <span class="tag">
      <Rich of={of} with={{ time, age: <Age at={new Date(at).toISOString()} /> }} />
    </span>
  );
}

function LiveTag({ pane }: { readonly pane: LivePane }) {
  // The clock is read so that the distance is drawn again each second.
  const behind = localNow.value > 0 ? pane.player.behind : null;
  return (
    <span class="tag live">
      <svg viewBox="0 0 8 8" aria-hidden="true">
        <circle class="fill" cx="4" cy="4" r="4" />
      </svg>
      {behind === null ? t('live.now') : t('live.behind', { n: behind.toFixed(1) })}
    </span>
  );
}
