/** Whether the wall hears the server: a word in the header, and a banner while it does not. */

import { clockSeconds, duration } from '../format';
import { FAILURES_BEFORE_RELOAD } from '../link';
import { language, t } from '../store/settings';
import { link, localNow, lostAt, status } from '../store/store';

export function LinkState() {
  const { phase, retryAt } = link.value;
  return (
    <span class={`fact link ${phase}`}>
      <svg class="badge" viewBox="0 0 12 12" aria-hidden="true">
        {phase === 'connected' ? (
          <circle class="fill" cx="6" cy="6" r="4" />
        ) : (
          <path class="fill" d="M6 1 11.5 11H.5z" />
        )}
      </svg>
      {phase === 'waiting' ? <Wait until={retryAt} /> : t(`link.${phase}`)}
    </span>
  );
}

function Wait({ until }: { readonly until: number }) {
  return <span>{t('link.waiting', { age: seconds(until) })}</span>;
}

/** Visible from the first failed attempt until the server is back. */
export function Banner() {
  const { phase, failures, retryAt } = link.value;
  if (failures === 0 || phase === 'connected') return null;
  return (
    <div class="banner">
      <span role="alert">
        {lostAt.value === null || status.value === null
          ? t('banner.never')
          : t('banner.lost', { time: clockSeconds(lostAt.value, localNow.value, language.value) })}
      </span>
      <span class="retry">
        {phase === 'waiting' ? t('banner.retry', { age: seconds(retryAt) }) : t('banner.trying')}
      </span>
      {failures >= FAILURES_BEFORE_RELOAD && (
        <button type="button" onClick={() => location.reload()}>
          {t('banner.reload')}
        </button>
      )}
    </div>
  );
}

/** Rounded up: a countdown that shows 0 and waits looks stuck. */
function seconds(until: number): string {
  return duration(Math.max(1, Math.ceil((until - localNow.value) / 1000)) * 1000, t);
}
