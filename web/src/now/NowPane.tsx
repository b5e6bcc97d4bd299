/** The one camera to look at, why, its earlier pictures, and how the server itself is. */

import { Badge } from '../cameras/Badge';
import { clockSeconds } from '../format';
import { Pane } from '../Pane';
import { eventText, needsWords, stateLine } from '../reasons';
import { language, t } from '../store/settings';
import { cameras, serverNow } from '../store/store';
import type { Camera } from '../wire';
import type { Focus } from './focus';
import { focused } from './focused';
import { NowLive } from './NowLive';
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
            <NowLive camera={camera} />
            <Why focus={current} camera={camera} />
            <Strip camera={camera.name} newest={camera.lastFrame?.id ?? null} limit={6} />
          </>
        )}
      </div>
      <SystemLines />
    </Pane>
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
      {needsWords(camera) && <p>{stateLine(camera, now, t, language.value)}</p>}
    </div>
  );
}
