/** One row of the event log. */

import { useComputed } from '@preact/signals';
import { clockSeconds } from '../format';
import { Picture } from '../Picture';
import { eventText } from '../reasons';
import { language, t } from '../store/settings';
import { cameras, today } from '../store/store';
import { frameThumbnailUrl } from '../urls';
import type { LogEvent } from '../wire';
import { severityClass } from './rows';

interface Props {
  /** The newest of the row's events. */
  readonly event: LogEvent;
  readonly count: number;
}

export function EventRow({ event, count }: Props) {
  const text = eventText(event, t, language.value);
  return (
    <div class={`event ${severityClass(event.severity)}`} data-seq={event.seq}>
      {event.frameId === null ? (
        <span class="no-picture" />
      ) : (
        <Picture url={frameThumbnailUrl(event.frameId)} label={text} />
      )}
      <div>
        <p class="what" title={event.summary}>
          {text}
          {count > 1 && <span class="times"> ×{count}</span>}
        </p>
        <p class="where">
          {event.cameraId === null ? (
            <span>{t('events.server')}</span>
          ) : (
            <CameraName key={event.cameraId} name={event.cameraId} />
          )}
          <time dateTime={event.capturedAt}>
            {clockSeconds(Date.parse(event.capturedAt), today.value, language.value)}
          </time>
        </p>
      </div>
    </div>
  );
}

function CameraName({ name }: { readonly name: string }) {
  const shown = useComputed(() => cameras.value.get(name)?.displayName ?? name).value;
  return (
    <span class="source" title={shown}>
      {shown}
    </span>
  );
}
