/** One row of the event log. */

import { useComputed } from '@preact/signals';
import { clockSeconds } from '../format';
import { Picture } from '../Picture';
import { eventText } from '../reasons';
import { openCamera } from '../store/dialogs';
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
            <CameraButton key={event.cameraId} name={event.cameraId} />
          )}
          <time dateTime={event.capturedAt}>
            {clockSeconds(Date.parse(event.capturedAt), today.value, language.value)}
          </time>
        </p>
      </div>
    </div>
  );
}

/** The button reaches over the whole row. The tab key stops at the log, whose arrow keys lead here. */
function CameraButton({ name }: { readonly name: string }) {
  const shown = useComputed(() => cameras.value.get(name)?.displayName ?? name).value;
  return (
    <button
      type="button"
      class="source"
      tabIndex={-1}
      title={shown}
      aria-label={t('events.open', { camera: shown })}
      onClick={() => {
        openCamera.value = name;
      }}
    >
      {shown}
    </button>
  );
}
