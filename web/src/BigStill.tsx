/** One camera's last still, large, with its time and age; grey once it no longer tells what the camera sees. */

import { Age } from './Age';
import { isStale } from './cameras/stale';
import { clockSeconds } from './format';
import { Picture } from './Picture';
import { Rich } from './Rich';
import { language, t } from './store/settings';
import { serverNow, subnets, today } from './store/store';
import { snapshotUrl } from './urls';
import type { Camera } from './wire';

export function BigStill({ camera }: { readonly camera: Camera }) {
  const { lastFrame } = camera;
  const stale = isStale(camera, subnets.value.get(camera.subnet), serverNow.value);
  return (
    <div class={stale ? 'still stale' : 'still'}>
      <Picture url={lastFrame && snapshotUrl(camera.name, lastFrame.id)} label={camera.displayName}>
        {lastFrame === null ? (
          <span class="over">{t('now.noPicture')}</span>
        ) : (
          <span class="tag">
            <Rich
              of={stale ? 'now.lastSeen' : 'now.taken'}
              with={{
                time: clockSeconds(Date.parse(lastFrame.capturedAt), today.value, language.value),
                age: <Age at={lastFrame.capturedAt} />,
              }}
            />
          </span>
        )}
      </Picture>
    </div>
  );
}
