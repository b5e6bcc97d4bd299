/** Under the opened camera's picture: what its live view does, and what its viewer can do. */

import { due, duration } from '../format';
import { modalPane } from '../store/live';
import { language, t } from '../store/settings';
import { localNow, serverNow } from '../store/store';
import { countdown } from './lease';
import { phaseText, type Remedy, remedy } from './words';

const { session, view, player, sound } = modalPane;

export function LiveBar() {
  const { phase, quality, lease, transport } = view.value;
  return (
    <div class="live-bar">
      <p class={phase.kind === 'waiting' || phase.kind === 'stopped' ? 'ended' : ''}>
        <span role="status">{phaseText(phase, quality, t)}</span>
        {phase.kind === 'playing' && transport !== null && transport !== 'mse' && (
          <span> {t(`live.over.${transport}`)}</span>
        )}
        {phase.kind === 'waiting' && <Retry at={phase.retryAt} />}
      </p>
      <fieldset class="actions">
        <legend>{t('live.actions')}</legend>
        {phase.kind === 'playing' && lease !== null && lease.expiresAt !== null && <Ending />}
        <RemedyButton of={remedy(phase, quality)} />
        {sound.value !== 'none' && (
          <button
            type="button"
            aria-pressed={sound.value === 'on'}
            aria-keyshortcuts="m"
            title={t('live.soundLabel')}
            onClick={switchSound}
          >
            {t('live.sound')}
          </button>
        )}
        <button
          type="button"
          aria-pressed={quality === 'main'}
          aria-label={t('live.hdLabel')}
          aria-keyshortcuts="h"
          title={t('live.hdLabel')}
          onClick={switchQuality}
        >
          {t('live.hd')}
        </button>
      </fieldset>
    </div>
  );
}

/** The keys of the open dialog. */
export function viewKey(key: string): void {
  if (key === 'h' || key === 'H') switchQuality();
  if (key === 'm' || key === 'M') switchSound();
  if (key === 'r' || key === 'R') session.reconnect();
}

function switchQuality(): void {
  session.setQuality(view.peek().quality === 'main' ? 'sub' : 'main');
}

function switchSound(): void {
  if (sound.peek() !== 'none') player.listen(sound.peek() === 'off');
}

function Retry({ at }: { readonly at: number }) {
  const when = due(at, Math.min(localNow.value, at - 1000), t, language.value);
  return <span> {t('live.retry', { when })}</span>;
}

/** Near the end of its time the viewer is asked whether to go on. */
function Ending() {
  const seconds = countdown(view.value.lease, serverNow.value);
  if (seconds === null) return null;
  return (
    <>
      <span class="countdown" role="timer">
        {t('live.countdown', { age: duration(seconds * 1000, t) })}
      </span>
      <button type="button" class="primary" onClick={() => session.renew()}>
        {t('live.keep')}
      </button>
    </>
  );
}

function RemedyButton({ of }: { readonly of: Remedy | null }) {
  if (of === null) return null;
  return (
    <button
      type="button"
      class="primary"
      onClick={() => {
        if (of === 'useSub') session.setQuality('sub');
        else session.reconnect(of === 'takeOver');
      }}
    >
      {t(`live.${of}`)}
    </button>
  );
}
