/** One camera in the grid: picture, state, name, age, and the reason where something is wrong. */

import { type ReadonlySignal, useComputed } from '@preact/signals';
import { Age } from '../Age';
import { clockTime } from '../format';
import { Picture } from '../Picture';
import { needsWords, stateLine } from '../reasons';
import { openCamera } from '../store/dialogs';
import { language, t } from '../store/settings';
import { cameras, serverNow, subnets, today } from '../store/store';
import { thumbnailUrl } from '../urls';
import type { Camera } from '../wire';
import { Badge } from './Badge';
import { isStale } from './stale';

interface Props {
  readonly name: string;
  /** The one camera that the tab key reaches. */
  readonly tabStop: ReadonlySignal<string | undefined>;
}

export function Tile({ name, tabStop }: Props) {
  const camera = useComputed(() => cameras.value.get(name)).value;
  const reachable = useComputed(() => tabStop.value === name).value;
  const stale = useComputed(() => staleNow(name)).value;
  if (camera === undefined) return null;
  return (
    <li>
      <button
        type="button"
        class={`tile ${camera.state.badge}`}
        data-camera={name}
        tabIndex={reachable ? 0 : -1}
        onClick={() => {
          openCamera.value = name;
        }}
      >
        <Thumbnail camera={camera} stale={stale} />
        <span class="cap">
          <Badge kind={camera.state.badge} />
          <span class="name" title={camera.displayName}>
            {camera.displayName}
          </span>
          {camera.lastFrame && <Age at={camera.lastFrame.capturedAt} />}
        </span>
        {needsWords(camera) && <StateLine camera={camera} />}
      </button>
    </li>
  );
}

function staleNow(name: string): boolean {
  const camera = cameras.value.get(name);
  return camera !== undefined && isStale(camera, subnets.value.get(camera.subnet), serverNow.value);
}

function Thumbnail({ camera, stale }: { readonly camera: Camera; readonly stale: boolean }) {
  const { lastFrame } = camera;
  return (
    <span class={stale ? 'thumb stale' : 'thumb'}>
      <Picture url={lastFrame && thumbnailUrl(camera.name, lastFrame.id)} label={camera.displayName}>
        {lastFrame === null && <span class="over">{t('now.noPicture')}</span>}
        {lastFrame !== null && stale && (
          <span class="over">
            {t('cameras.lastSeen')}
            <b>{clockTime(Date.parse(lastFrame.capturedAt), today.value, language.value)}</b>
          </span>
        )}
      </Picture>
    </span>
  );
}

function StateLine({ camera }: { readonly camera: Camera }) {
  const line = stateLine(camera, serverNow.value, t, language.value);
  return (
    <span class="why" title={line}>
      {line}
    </span>
  );
}
