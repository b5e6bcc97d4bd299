/** Earlier pictures of one camera, newest first. */

import { clockSeconds } from '../format';
import { Picture } from '../Picture';
import { useHistory } from '../store/history';
import { language, t } from '../store/settings';
import { today } from '../store/store';
import type { Frame } from '../wire';

interface Props {
  readonly camera: string;
  /** The picture shown big already. */
  readonly newest: number | null;
  readonly limit: number;
}

export function Strip({ camera, newest, limit }: Props) {
  const history = useHistory(camera, newest, limit);
  if (history === null) return <div class="strip" />;
  if (history.failed) return <p class="note">{t('now.historyFailed')}</p>;
  if (history.frames.length === 0) return <p class="note">{t('now.noEarlier')}</p>;
  return (
    <ol class="strip" aria-label={t('now.earlier')}>
      {history.frames.map((frame) => (
        <Earlier key={frame.id} frame={frame} />
      ))}
    </ol>
  );
}

function Earlier({ frame }: { readonly frame: Frame }) {
  const time = clockSeconds(Date.parse(frame.capturedAt), today.value, language.value);
  return (
    <li>
      <a href={frame.image} target="_blank" rel="noreferrer" tabIndex={-1} aria-label={time}>
        <Picture url={frame.thumbnail} label={time} owned />
      </a>
      <time dateTime={frame.capturedAt}>{time}</time>
    </li>
  );
}
