/** The one camera to look at, why, its earlier pictures, and how the server itself is. */

import { Age } from '../Age';
import { Badge } from '../cameras/Badge';
import { isStale } from '../cameras/stale';
import { clockSeconds } from '../format';
import { Pane } from '../Pane';
import { Picture } from '../Picture';
import { Rich } from '../Rich';
import { eventText, needsWords, stateLine } from '../reasons';
import { language, t } from '../store/settings';
import { cameras, serverNow, subnets, today } from '../store/store';
import { snapshotUrl } from '../urls';
import type { Camera } from '../wire';
import type { Focus } from './focus';
import { focused } from './focused';
import { Strip } from './Strip';
import { SystemLines } from './SystemLines';

export function NowPane() {
  const current = focused.value;
  const camera = current === null ? undefined : cameras.value.get(current.camera);
  return (
    <Pane name="now" title={t('now.title')}>
      <div class="scroll">
        {current === null || camera === undefined ? (
          <p class="empty">{t('now.empty')}</p>
        ) : (
          <>
            <Stage key={camera.name} camera={camera} />
            <Why focus={current} camera={camera} />
            <Strip camera={camera.name} newest={camera.lastFrame?.id ?? null} limit={6} />
          </>
        )}
      </div>
      <SystemLines />
    </Pane>
  );
}

function Stage({ camera }: { readonly camera: Camera }) {
  const { lastFrame } = camera;
  const stale = isStale(camera, subnets.value.get(camera.subnet), serverNow.value);
  return (
    <div class={stale ? 'stage stale' : 'stage'}>
      <Picture url={lastFrame && snapshotUrl(camera.name, lastFrame.id)} label={camera.displayName}>
        {lastFrame === null ? (
          <span class="over">{t('now.noPicture')}</span>
        ) : (
          <span class="tag">
            <Rich
              of="now.taken"
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

function Why({ focus, camera }: { readonly focus: Focus; readonly camera: Camera }) {
  const { event } = focus;
  const now = serverNow.value;
  return (
    <div class="reason">
      <h1>
        <Badge kind={camera.state.badge} />
        {camera.displayName}
      </h1>
      {event === null ? (
        <p>{t('now.newest')}</p>
      ) : (
        <p title={event.summary}>
          {eventText(event, t, language.value)}
          <time dateTime={event.capturedAt}>
            {clockSeconds(Date.parse(event.capturedAt), now, language.value)}
          </time>
        </p>
      )}
      {needsWords(camera.state) && <p>{stateLine(camera, now, t, language.value)}</p>}
    </div>
  );
}
